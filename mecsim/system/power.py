"""What devices draw beyond the paper's terms: shared GPUs, lowest speeds, radio electronics."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system import equations as eq
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.phases import PhaseSpec
from mecsim.system.resources import Owner


@dataclass(frozen=True, eq=False, slots=True)
class DevicePower:
    """The power law of devices beside their kappa; arrays (N,) of users or (M,) of servers.

    Parameters
    ----------
    min_gpu_flops : lowest speed of one GPU in use in FLOP/s
    circuit_power_w : power of the electronics in W while the device sends
    receive_power_w : power of the electronics in W while it receives
    """

    min_gpu_flops: Floats
    circuit_power_w: Floats
    receive_power_w: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, frozen(getattr(self, field.name)))

    def problems(self, kind: str, count: int) -> list[str]:
        """Return each array with a wrong shape, and each value that is negative or not finite."""
        found = []
        for field in fields(self):
            array = getattr(self, field.name)
            if array.shape != (count,):
                found.append(f"power.{kind}.{field.name}: the shape is {array.shape}, must be {(count,)}")
                continue
            wrong = np.flatnonzero(~(np.isfinite(array) & (array >= 0)))
            found += [
                f"power.{kind}[{i}].{field.name} = {array[i]}: must be a finite number >= 0" for i in wrong
            ]
        return found

    def select(self, chosen: Ints | NDArray[np.bool_]) -> DevicePower:
        """Return the values of some of the devices."""
        return DevicePower(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, eq=False, slots=True)
class PowerSpec:
    """How devices draw power where it is not the paper's law, docs/model.md section 2.

    Parameters
    ----------
    users, servers : DevicePower
    shares_gpu : (M,) bool
        Servers whose GPUs draw by the sum of all speeds in use, instead of by each user's own.
    """

    users: DevicePower
    servers: DevicePower
    shares_gpu: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares_gpu", frozen(self.shares_gpu, np.bool_))

    @classmethod
    def plain(cls, users: int, servers: int) -> PowerSpec:
        """Return the paper's law for N users and M servers: nothing shared, no bounds, no electronics."""
        return cls(
            DevicePower(*np.zeros((3, users))), DevicePower(*np.zeros((3, servers))), np.zeros(servers, bool)
        )

    def problems(self, user_top_flops: Floats, servers: int) -> list[str]:
        """Return what does not fit N users and M servers: shapes, values, a user's least speed above its top.

        Parameters
        ----------
        user_top_flops : (N,) float
            Top speed of one GPU of each user in FLOP/s.
        servers : int
        """
        found = self.users.problems("users", len(user_top_flops)) + self.servers.problems("servers", servers)
        if self.shares_gpu.shape != (servers,):
            found.append(f"power.shares_gpu: the shape is {self.shares_gpu.shape}, must be {(servers,)}")
        if not found:
            least_flops = self.users.min_gpu_flops
            found += [
                f"power.users[{n}].min_gpu_flops = {least_flops[n]}: must be <= max_gpu_flops, "
                f"{user_top_flops[n]}"
                for n in np.flatnonzero(least_flops > user_top_flops)
            ]
        return found

    @property
    def is_plain(self) -> bool:
        """Whether it is the paper's law."""
        devices = (self.users, self.servers)
        return not (
            self.shares_gpu.any()
            or any(getattr(one, field.name).any() for one in devices for field in fields(one))
        )

    def of_users(self, chosen: Ints | NDArray[np.bool_]) -> PowerSpec:
        """Return the law of some of the users and all servers."""
        return PowerSpec(self.users.select(chosen), self.servers, self.shares_gpu)

    def electronics_w(self, sender: Owner, users: Any, servers: Any) -> Floats:
        """Return what both ends of links draw beside the transmit power while they are in use.

        Parameters
        ----------
        sender : {"user", "server"}
        users, servers : int arrays that broadcast
        """
        at_user, at_server = self.ends_w(sender)
        return np.asarray(at_user[users] + at_server[servers])

    def ends_w(self, sender: Owner) -> tuple[Floats, Floats]:
        """Return what the electronics of users (N,) and of servers (M,) draw in a transfer."""
        if sender == "user":
            return self.users.circuit_power_w, self.servers.receive_power_w
        return self.users.receive_power_w, self.servers.circuit_power_w

    def shared_energy(
        self, phase: PhaseSpec, kappa: Floats, granted: Floats, server: Ints, work: Floats, own_j: Floats
    ) -> Floats:
        """Return the energies (N,) of a phase with those at shared GPUs in place of ``own_j``.

        Parameters
        ----------
        phase : PhaseSpec
        kappa : (M,) float
        granted : (N,) float
            Speeds of one GPU in FLOP/s.
        server : (N,) int
        work : (N,) float
            In FLOP; users without work do not count in the speed in use.
        own_j : (N,) float
            Energies by each user's own speed.
        """
        if phase.resource.medium != "gpu" or not phase.at_server or not self.shares_gpu.any():
            return own_j
        in_use = self.speed_in_use(server, granted, work)
        drive = shared_drive(in_use, self.servers.min_gpu_flops).value
        return np.where(
            self.shares_gpu[server], eq.shared_gpu_energy(kappa[server], drive[server], work), own_j
        )

    def speed_in_use(self, server: Ints, granted: Floats, work: Floats) -> Floats:
        """Return the sum of the speeds of each server's users with work there, (M,)."""
        counted = np.where(work > 0, granted, 0.0)
        in_use: Floats = np.bincount(server, weights=counted, minlength=len(self.shares_gpu)).astype(
            np.float64
        )
        return in_use


class Drive(NamedTuple):
    """``max(A, floor)^3 / A``, the energy of a FLOP over kappa, with its derivatives in A."""

    value: Floats
    slope: Floats
    curvature: Floats


def shared_drive(in_use: Floats | float, floor: Floats | float) -> Drive:
    """Return by what a speed in use A multiplies kappa to J per FLOP: A^2, and more below ``floor``.

    GPUs draw ``G kappa max(A, floor)^3``, and the users in service share it as they share the speed. Nobody
    in service, A = 0, draws nothing. Any unit of speed.
    """
    some = np.where(in_use > 0, in_use, 1.0)
    cube = floor**3
    low = some < floor
    return Drive(
        np.where(in_use > 0, np.where(low, cube / some, some**2), 0.0),
        np.where(in_use > 0, np.where(low, -cube / some**2, 2.0 * some), 0.0),
        np.where(low, 2.0 * cube / some**3, 2.0),
    )
