"""What devices draw beyond the paper's law: GPUs that servers share, and the electronics of radios.

Nothing here depends on the work of a round: these terms multiply the loads of a share problem, so they hold
for any work. The GPUs of a server that shares them draw by the sum A of the shares of speed of its users
with work there: a load costs ``drive(A)`` of its energy at full speed, ``A^2`` above the least speed, where
the paper's law has the square of the user's own share. A user without work at its server, phi = 1, does not
count. The electronics of a link draw a constant power while it is in use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.power import Drive
from mecsim_policies.optim.loads import Loads
from mecsim_policies.optim.weights import UserWeights


class InUse(NamedTuple):
    """What shared GPUs are used for: shares of speed and energies at full speed, (K M,) or of users (N,)."""

    speed: Floats
    energy_j: Floats


class SharedGradient(NamedTuple):
    """Derivatives of the energy of shared GPUs in the speeds.

    ``by_speed`` (K N,) is the gradient. The Hessian is ``weight c c'`` for each server (K M,), c being 1 for
    users who count (K N,). The mixed derivatives in speed and phi are left out: with them the Hessian is not
    positive, and Newton's method needs more steps.
    """

    by_speed: Floats
    weight: Floats
    counts: Floats


@dataclass(frozen=True, eq=False, slots=True)
class PowerTerms:
    """The terms of K associations of N users; speeds are shares of the largest.

    Parameters
    ----------
    server : (K N,) int
        Among the servers of all copies.
    electronics_w : (2, K N) float
        Power of a link's electronics at both of its ends; row 0 is the uplink. Times the weight of the
        user's energy over that of its delay, as loads have times and energies with their weights.
    own_floor : (K N,) float
        Least share of the user's own speed.
    at_shared : (K N,) float
        1 where the user's server shares its GPUs, 0 elsewhere.
    gpu_floor : (K M,) float
        Least share of speed that the GPUs of a server draw by.
    shares, has_floor : bool
        Whether any server shares its GPUs, and whether any of these has a least speed.
    rounding : float
        Width, as a share of speed, by which the kink at the least speed is rounded.
    """

    server: Ints
    electronics_w: Floats
    own_floor: Floats
    at_shared: Floats
    gpu_floor: Floats
    shares: bool
    has_floor: bool
    rounding: float = 0.0

    @classmethod
    def of(cls, instance: Instance, server: Ints) -> PowerTerms | None:
        """Return the terms of an association, (N,); None for the paper's law."""
        power, users = instance.power, np.arange(instance.user_count)
        if power is None:
            return None
        weights = UserWeights.of(instance)
        per_w = 1.0 if weights is None else weights.joules_per_second
        floor = np.where(power.shares_gpu, power.servers.min_gpu_flops / instance.servers.max_gpu_flops, 0.0)
        return cls(
            server=server,
            electronics_w=np.stack(
                [per_w * power.electronics_w(sender, users, server) for sender in ("user", "server")]
            ),
            own_floor=power.users.min_gpu_flops / instance.users.max_gpu_flops,
            at_shared=power.shares_gpu[server].astype(np.float64),
            gpu_floor=floor,
            shares=bool(power.shares_gpu.any()),
            has_floor=bool(floor.any()),
        )

    @classmethod
    def stack(cls, powers: Sequence[PowerTerms], servers: Ints, server: Ints) -> PowerTerms:
        """Return the terms of many associations, (K, N), from those of everybody at each server."""
        copies, rows = len(servers), np.arange(servers.shape[1])
        links = np.stack([one.electronics_w for one in powers])[servers, :, rows]
        return replace(
            powers[0],
            server=server,
            electronics_w=np.ascontiguousarray(links.reshape(len(server), 2).T),
            own_floor=np.tile(powers[0].own_floor, copies),
            at_shared=np.stack([one.at_shared for one in powers])[servers, rows].ravel(),
            gpu_floor=np.tile(powers[0].gpu_floor, copies),
        )

    def take(self, of_users: Ints, server: Ints, count: int) -> PowerTerms:
        """Return the terms of some of the copies, which have so many servers."""
        return replace(
            self,
            server=server,
            electronics_w=self.electronics_w[:, of_users],
            own_floor=self.own_floor[of_users],
            at_shared=self.at_shared[of_users],
            gpu_floor=self.gpu_floor[:count],
        )

    def smoothed(self, width: float) -> PowerTerms:
        """Return the terms with the kink at the least speed rounded; themselves if there is none."""
        return replace(self, rounding=width) if self.has_floor else self

    def effort(self, server_s: Floats, speed: Floats) -> Floats:
        """Return what multiplies the energies of training at full speed, (2, K N).

        Parameters
        ----------
        server_s : (K N,) float
            Times of the server's training at full speed: who has any, counts.
        speed : (2, K N) float
            Shares of speed, the user's own and the server's.
        """
        effort: Floats = speed**2
        if self.shares:
            drive = self._drive_value(self._summed(self.counts(server_s) * speed[1]))[self.server]
            effort[1] = np.where(self.at_shared > 0, drive, effort[1])
        return effort

    def own(self, train_j: Floats) -> Floats:
        """Return energies (2, K N) without those of shared GPUs, which no user's speed alone decides."""
        if not self.shares:
            return train_j
        own = train_j.copy()
        own[1] *= 1.0 - self.at_shared
        return own

    def counts(self, server_s: Floats) -> Floats:
        """Return 1 for users with work at shared GPUs, 0 for the others, (K N,)."""
        return self.at_shared * (server_s > 0)

    def in_use(self, load: Loads, gpu: Floats) -> InUse:
        """Return what the servers of all copies are used for; ``gpu`` (K N,) are shares of their speed."""
        counts = self.counts(load.train_s[1])
        return InUse(self._summed(counts * gpu), self._summed(self.at_shared * load.train_j[1]))

    def gradient(self, load: Loads, gpu: Floats, per_j: float) -> SharedGradient:
        """Return the derivatives of the energy of shared GPUs; the Hessian counts a joule ``per_j`` times."""
        used, counts = self.in_use(load, gpu), self.counts(load.train_s[1])
        drive = self._drive(used.speed)
        return SharedGradient(
            by_speed=counts * (drive.slope * used.energy_j)[self.server],
            weight=per_j * drive.curvature * used.energy_j,
            counts=counts,
        )

    def others(self, server: int, load: Loads, gpu: Floats) -> InUse:
        """Return for each user what the others use a server for, (N,), where this association is in force.

        A user's own load E there at speed g costs ``(F + E) (S + g)^2 - F S^2``, F and S being what the
        others have.
        """
        used, here = self.in_use(load, gpu), self.server == server
        speed = used.speed[server] - here * self.counts(load.train_s[1]) * gpu
        energy_j = used.energy_j[server] - here * self.at_shared * load.train_j[1]
        return InUse(np.maximum(speed, 0.0), np.maximum(energy_j, 0.0))

    def _summed(self, of_users: Floats) -> Floats:
        summed: Floats = np.bincount(self.server, of_users, len(self.gpu_floor))  # type: ignore[assignment]
        return summed

    def _top(self, speed: Floats) -> tuple[Floats, Floats, Floats]:
        """Return A, 1 where nobody works, ``max(A, floor)`` with its kink rounded, and the root in that.

        It is ``(A + floor + sqrt((A - floor)^2 + rounding^2)) / 2``: smooth, convex, never below the maximum.
        """
        some = np.where(speed > 0, speed, 1.0)
        root = np.hypot(some - self.gpu_floor, self.rounding * (self.gpu_floor > 0))
        return some, 0.5 * (some + self.gpu_floor + root), root

    def _drive_value(self, speed: Floats) -> Floats:
        if not self.has_floor:
            return np.square(speed)
        some, top, _ = self._top(speed)
        value: Floats = top * top * top / some
        return value

    def _drive(self, speed: Floats) -> Drive:
        if not self.has_floor:
            return Drive(speed**2, 2.0 * speed, np.full(len(speed), 2.0))
        some, top, root = self._top(speed)
        rise = 0.5 + 0.5 * (some - self.gpu_floor) / root
        bend = 0.5 * (self.rounding * (self.gpu_floor > 0)) ** 2 / root**3
        value = top * top * top / some
        slope = (3.0 * top * top * rise - value) / some
        return Drive(value, slope, (6.0 * top * rise**2 + 3.0 * top * top * bend - 2.0 * slope) / some)
