"""Servers split among their users by weights, users at full power and speed, with the best phi for that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.objective import weighted
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.price import Price

_Y_TOLERANCE = 1e-9
_MOST_STEPS = 20
_SNAP = 1e-9
_LEAST_WEIGHT = 1e-3


class Needs(NamedTuple):
    """What a round takes of each server if it trains all (phi = 0), with all of its resources; (N, M), in s.

    With a part x of bandwidth and power and a part y of the GPUs the downlink takes ``down_s / x`` and the
    training ``gpu_s / y``, exactly. The uplink of data, where users have to send them, is faster than
    ``up_s / x``, since their own power is theirs alone.
    """

    up_s: Floats
    down_s: Floats
    gpu_s: Floats

    @classmethod
    def of(cls, instance: Instance) -> Needs:
        """Return the needs of a snapshot; infinite over links that carry nothing."""
        s, law, work = instance.servers, instance.rate_law, instance.affine_work()
        up = law.up.rate(s.bandwidth_hz, instance.users.max_power_w[:, None], instance.gain)
        down = law.down.rate(s.bandwidth_hz, s.max_power_w, instance.downlink_gain)
        none = np.zeros((instance.user_count, 1))
        up_bits, down_bits, flop = (
            each(none[:, 0])[:, None] for each in (work.uplink, work.downlink, work.server)
        )
        speeds = none + s.gpu_count * s.max_gpu_flops
        return cls(
            eq.time_for(up_bits, up), eq.time_for(down_bits, down), eq.time_for(flop * s.epochs, speeds)
        )

    def weighted(self, instance: Instance) -> Needs:
        """Return the needs times the weights of the users' delays; nobody's is next to nothing."""
        if instance.objective is None:
            return self
        weight = instance.objective.delay_weight[:, None]
        weight = np.maximum(weight, _LEAST_WEIGHT * weight.max())
        return Needs(*(weighted(weight, each) for each in self))

    @property
    def band_s(self) -> Floats:
        """Time of both links with all of the bandwidth, (N, M)."""
        return self.up_s + self.down_s

    def at(self, server: Ints) -> tuple[Floats, Floats]:
        """Return the times of the links and of the training at each user's server, (N,)."""
        users = np.arange(len(server))
        return self.band_s[users, server], self.gpu_s[users, server]


def parts_by_weight(weight: Floats, server: Ints) -> Floats:
    """Return each user's part of its server, (N,), in proportion to weights; equal parts where none counts.

    The parts of a server never add up to more than 1, nor do grants that are parts of one budget.
    """
    sharers = np.bincount(server)[server]
    total = np.bincount(server, weights=weight)[server]
    part = np.divide(weight, total, out=np.zeros(len(server)), where=total > 0)
    whole = np.bincount(server, weights=part)[server]
    part = np.where(np.isfinite(whole) & (whole > 0.5), part, 1.0 / sharers)
    grain = np.where(sharers > 1, (sharers + 2.0) * np.finfo(np.float64).eps, 0.0)
    return np.asarray(part * (1.0 - grain))


def split_by_parts(
    instance: Instance, server: Ints, band: Floats, gpu: Floats, local_fraction: Floats
) -> Allocation:
    """Return full power and speed for users, and parts of each server's budgets.

    Parameters
    ----------
    instance : Instance
    server : (N,) int
    band, gpu : (N,) float
        Each user's part of its server's bandwidth and power, and of its GPU speed.
    local_fraction : (N,) float
        phi, at most ``local_fraction_max``.
    """
    users, servers = instance.users, instance.servers
    return Allocation(
        server=server,
        local_fraction=local_fraction,
        bandwidth_hz=band * servers.bandwidth_hz[server],
        user_power_w=users.max_power_w,
        server_power_w=band * servers.max_power_w[server],
        user_gpu_flops=users.max_gpu_flops,
        server_gpu_flops=gpu * servers.max_gpu_flops[server],
    )


def split_with_best_phi(
    instance: Instance, server: Ints, band: Floats, gpu: Floats
) -> tuple[Allocation, float]:
    """Return the split with the phi of the highest SCR for it, and that SCR.

    Dinkelbach's steps from the better of phi = 0 and the largest phi: for each y the best phi has a closed
    form (docs/model.md section 6). Where GPUs are shared, they are taken to run at full speed.
    """
    users, shape = instance.users, instance.gain.shape
    shares = tuple(np.broadcast_to(each[:, None], shape) for each in (band, band, gpu))
    pairs = Pairs.at(
        instance,
        (shares[0], shares[1], shares[2]),
        users.max_power_w,
        users.max_gpu_flops,
        in_use=np.ones(instance.server_count),
    )
    largest = users.local_fraction_max
    ends = [split_by_parts(instance, server, band, gpu, phi) for phi in (0.0 * largest, largest)]
    scr, best = max(((instance.scr(each), each) for each in ends), key=lambda pair: pair[0])
    for _ in range(_MOST_STEPS):
        part = best_fractions(pairs, Price.at(instance, scr), server)
        # Where users end at the same time, what part rounding gives them is an end.
        part = np.where(part < _SNAP, 0.0, np.where(part > 1.0 - _SNAP, 1.0, part))
        found = split_by_parts(instance, server, band, gpu, largest * part)
        y = instance.scr(found)
        if not y > scr * (1.0 + _Y_TOLERANCE):
            break
        scr, best = y, found
    return best, scr
