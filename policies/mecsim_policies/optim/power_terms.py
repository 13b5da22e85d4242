"""Energies that are not the paper's: GPUs that servers share, and the electronics of radios.

The GPUs of a server that shares them draw by the sum A of the shares of speed of its users with work there:
``drive(A) sum (1 - phi) shared_j``, with ``drive(A) = A^2`` above the least speed. A user at phi = 1 has no
work at its server, so its share does not count. The electronics of a link draw a constant power, so their
energy is one over the rate, as the time is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.power import Drive, shared_drive


class InUse(NamedTuple):
    """What servers are used for: the shares of speed in use and the energy at full speed, (K M,)."""

    speed: Floats
    energy_j: Floats


class Joining(NamedTuple):
    """What a user's work at a server costs at speed g: ``fixed_j + linear_j g + square_j g^2``, each (N,)."""

    fixed_j: Floats
    linear_j: Floats
    square_j: Floats


class SharedGradient(NamedTuple):
    """Derivatives of the energy of shared GPUs.

    ``by_speed`` and ``by_phi`` (K N,) are the gradient. In the speeds the Hessian is ``weight c c'`` for each
    server (K M,), c being 1 for users who count (K N,). The mixed derivatives in speed and phi are left out:
    with them the Hessian is not positive, and Newton's method needs more steps.
    """

    by_speed: Floats
    by_phi: Floats
    weight: Floats
    counts: Floats


@dataclass(frozen=True, eq=False, slots=True)
class PowerTerms:
    """The constants of K associations of N users; all of a GPU's or link's resources count as 1.

    Parameters
    ----------
    server : (K N,) int
        Among the servers of all copies.
    electronics_j : (2, K N) float
        Energy of a link's electronics over one over the rate in nat; row 0 is the uplink.
    own_floor : (K N,) float
        Least share of the user's own speed.
    shared_j : (K N,) float
        Energy of the server's training at full speed where GPUs are shared; 0 at the other servers.
    gpu_floor : (K M,) float
        Least share of speed that the GPUs of a server draw by.
    shares, has_floor : bool
        Whether there is any energy of shared GPUs, and any least share of theirs above 0.
    """

    server: Ints
    electronics_j: Floats
    own_floor: Floats
    shared_j: Floats
    gpu_floor: Floats
    shares: bool
    has_floor: bool

    @classmethod
    def of(cls, instance: Instance, server: Ints, radio_s: Floats, server_j: Floats) -> PowerTerms | None:
        """Return the terms of an association with the given times and energies; None for the paper's law.

        Parameters
        ----------
        instance : Instance
        server : (N,) int
        radio_s : (2, N) float
            Times of the links with all of the bandwidth, for a rate of one nat.
        server_j : (N,) float
            Energies of the servers' training at full speed.
        """
        power, users = instance.power, np.arange(instance.user_count)
        if power is None:
            return None
        both_w = np.stack([power.electronics_w(sender, users, server) for sender in ("user", "server")])
        shared_j = np.where(power.shares_gpu[server], server_j, 0.0)
        floor = np.where(power.shares_gpu, power.servers.min_gpu_flops / instance.servers.max_gpu_flops, 0.0)
        return cls(
            server=server,
            electronics_j=both_w * radio_s,
            own_floor=power.users.min_gpu_flops / instance.users.max_gpu_flops,
            shared_j=shared_j,
            gpu_floor=floor,
            shares=bool(shared_j.any()),
            has_floor=bool(floor.any()),
        )

    @classmethod
    def stack(cls, powers: Sequence[PowerTerms], servers: Ints, server: Ints) -> PowerTerms:
        """Return the terms of many associations, (K, N), from those of everybody at each server."""
        copies, rows = len(servers), np.arange(servers.shape[1])
        links = np.stack([one.electronics_j for one in powers])[servers, :, rows]
        return cls(
            server=server,
            electronics_j=np.ascontiguousarray(links.reshape(len(server), 2).T),
            own_floor=np.tile(powers[0].own_floor, copies),
            shared_j=np.stack([one.shared_j for one in powers])[servers, rows].ravel(),
            gpu_floor=np.tile(powers[0].gpu_floor, copies),
            shares=any(one.shares for one in powers),
            has_floor=powers[0].has_floor,
        )

    def take(self, of_users: Ints, server: Ints, count: int) -> PowerTerms:
        """Return the terms of some of the copies, which have so many servers."""
        return PowerTerms(
            server,
            self.electronics_j[:, of_users],
            self.own_floor[of_users],
            self.shared_j[of_users],
            self.gpu_floor[:count],
            self.shares,
            self.has_floor,
        )

    def energy_j(self, part: Floats, gpu: Floats, per_rate: Floats) -> Floats:
        """Return the energies of every user, (K N,).

        Parameters
        ----------
        part : (2, K N) float
            phi and 1 - phi.
        gpu : (K N,) float
            Shares of speed.
        per_rate : (2, K N) float
            phi and 1 - phi over the rates.
        """
        links = self.electronics_j * per_rate
        energy_j: Floats = links[0] + links[1]
        if self.shares:
            speed = self._by_server(self.counts(part) * gpu)
            drive = shared_drive(speed, self.gpu_floor).value if self.has_floor else speed**2
            energy_j = energy_j + part[1] * self.shared_j * drive[self.server]
        return energy_j

    def counts(self, part: Floats) -> Floats:
        """Return 1 for users with work at shared GPUs, 0 for the others, (K N,)."""
        counts: Floats = np.sign(part[1] * self.shared_j)
        return counts

    def in_use(self, part: Floats, gpu: Floats) -> InUse:
        """Return what the servers of all copies are used for."""
        energy_j = part[1] * self.shared_j
        return InUse(self._by_server(np.sign(energy_j) * gpu), self._by_server(energy_j))

    def _by_server(self, values: Floats) -> Floats:
        sums: Floats = np.bincount(self.server, values, len(self.gpu_floor))  # type: ignore[assignment]
        return sums

    def rounding_j(self, part: Floats, gpu: Floats, width: float) -> Floats:
        """Return by how much rounding the kink at the least speed adds to the energy of each user, (K N,)."""
        speed = self.in_use(part, gpu).speed
        more = _rounded(speed, self.gpu_floor, width).value - shared_drive(speed, self.gpu_floor).value
        more_j: Floats = part[1] * self.shared_j * more[self.server]
        return more_j

    def gradient(self, part: Floats, gpu: Floats, per_j: float, width: float) -> SharedGradient:
        """Return the derivatives of the energy of shared GPUs, its kink rounded.

        The Hessian counts a joule ``per_j`` times.
        """
        used, counts = self.in_use(part, gpu), self.counts(part)
        if self.has_floor:
            drive = _rounded(used.speed, self.gpu_floor, width)
        else:
            drive = Drive(used.speed**2, 2.0 * used.speed, np.full(len(used.speed), 2.0))
        return SharedGradient(
            by_speed=counts * (drive.slope * used.energy_j)[self.server],
            by_phi=-self.shared_j * drive.value[self.server],
            weight=per_j * drive.curvature * used.energy_j,
            counts=counts,
        )

    def joining(self, server: int, current: PowerTerms, part: Floats, gpu: Floats) -> Joining:
        """Return what each user's whole work at a server would add to the energy of the others and its own.

        Parameters
        ----------
        server : int
            This is the problem in which every user is there.
        current : PowerTerms
            The association in force, one copy.
        part, gpu
            As it is in force.
        """
        used, here = current.in_use(part, gpu), current.server == server
        speed = used.speed[server] - here * current.counts(part) * gpu
        speed = np.maximum(speed, 0.0)
        energy_j = used.energy_j[server] - here * part[1] * current.shared_j
        energy_j = np.where(self.shared_j > 0, np.maximum(energy_j, 0.0) + self.shared_j, 0.0)
        return Joining(self.shared_j * speed**2, 2.0 * speed * energy_j, energy_j)


def _rounded(speed: Floats, floor: Floats, width: float) -> Drive:
    """Return the drive with ``max(A, floor)`` replaced by a smooth convex function that is never below it.

    It is ``(A + floor + sqrt((A - floor)^2 + width^2)) / 2``. Newton's method would stop at the kink.
    """
    exact = shared_drive(speed, floor)
    kinked = (floor > 0) & (speed > 0)
    if not kinked.any():
        return exact
    a, m = np.where(kinked, speed, 1.0), floor
    root = np.sqrt((a - m) ** 2 + width**2)
    top, slope, bend = 0.5 * (a + m + root), 0.5 * (1.0 + (a - m) / root), 0.5 * width**2 / root**3
    return Drive(
        np.where(kinked, top**3 / a, exact.value),
        np.where(kinked, (3.0 * top**2 * slope - top**3 / a) / a, exact.slope),
        np.where(
            kinked,
            (6.0 * top * slope**2 + 3.0 * top**2 * bend - 6.0 * top**2 * slope / a + 2.0 * top**3 / a**2) / a,
            exact.curvature,
        ),
    )
