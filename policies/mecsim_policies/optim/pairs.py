"""Part 1's constants: score, delay and energy of each user at each server, resources fixed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system import equations as eq
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.system.power import shared_drive
from mecsim_policies.optim.charges import Charges
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import BAND, DOWN, GPU, OWN, UP, ShareProblem
from mecsim_policies.optim.weights import UserWeights, counts_mean
from mecsim_policies.optim.work_factors import HALF, WorkFactors


class Inside(NamedTuple):
    """Delay and energy of every pair between the ends of phi, as limits there; all (N, M)."""

    delay_0_s: Floats
    delay_1_s: Floats
    energy_0_j: Floats
    energy_1_j: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Pairs:
    """Score / s1, delay and energy of every pair, linear in phi: ``at_0 + phi (at_1 - at_0)``; all (N, M).

    Here phi is a part of the largest one that fits into the user's memory. Where the ends have charges, the
    line from end to end lies below the truth, which is at the ends and on the line of ``inside``.

    Parameters
    ----------
    score : score / s1 of the pair's shares
    delay_0_s, delay_1_s : delay with phi = 0 and phi = 1
    energy_0_j, energy_1_j : energy with phi = 0 and phi = 1
    inside : Inside or None
    """

    score: Floats
    delay_0_s: Floats
    delay_1_s: Floats
    energy_0_j: Floats
    energy_1_j: Floats
    inside: Inside | None = None
    mean: bool = False

    def folded(self, price: Price) -> tuple[Pairs, Price]:
        """Return pairs and prices in which the mean delay is part of the energy; the same for the largest.

        Without delays the largest one is 0, and what is left is the whole cost.
        """
        if not self.mean:
            return self, price
        per_user_s = price.per_s / len(self.score)

        def costs(delay_s: Floats, energy_j: Floats) -> Floats:
            infinite = np.isinf(delay_s) | np.isinf(energy_j)
            return np.where(infinite, np.inf, per_user_s * delay_s + price.per_j * energy_j)

        ends = costs(self.delay_0_s, self.energy_0_j), costs(self.delay_1_s, self.energy_1_j)
        none, inside = np.zeros_like(self.score), self.inside
        if inside is not None:
            lines = costs(inside.delay_0_s, inside.energy_0_j), costs(inside.delay_1_s, inside.energy_1_j)
            inside = Inside(none, none, *lines)
        return Pairs(self.score, none, none, *ends, inside), Price(0.0, 1.0)

    def only(self, allowed: NDArray[np.bool_]) -> Pairs:
        """Return pairs with infinite delays and energies where they are not allowed."""
        return replace(
            self,
            delay_0_s=np.where(allowed, self.delay_0_s, np.inf),
            delay_1_s=np.where(allowed, self.delay_1_s, np.inf),
            energy_0_j=np.where(allowed, self.energy_0_j, np.inf),
            energy_1_j=np.where(allowed, self.energy_1_j, np.inf),
        )

    def with_fixed_fraction(self, fixed: NDArray[np.bool_]) -> Pairs:
        """Return pairs with the values of phi = 1/2 at both ends, for users whose phi is fixed."""

        def halved(at_0: Floats, at_1: Floats) -> tuple[Floats, Floats]:
            half = HALF * (at_0 + at_1)
            return np.where(fixed[:, None], half, at_0), np.where(fixed[:, None], half, at_1)

        delay_0_s, delay_1_s = halved(self.delay_0_s, self.delay_1_s)
        energy_0_j, energy_1_j = halved(self.energy_0_j, self.energy_1_j)
        return replace(
            self, delay_0_s=delay_0_s, delay_1_s=delay_1_s, energy_0_j=energy_0_j, energy_1_j=energy_1_j
        )

    def weighted(self, instance: Instance) -> Pairs:
        """Return pairs with the delays and energies that the objective of an instance counts."""
        weights = UserWeights.of(instance)
        if weights is None:
            return self
        a, c = (weight[:, None] for weight in weights)
        inside = self.inside
        if inside is not None:
            inside = Inside(*(a * each for each in inside[:2]), *(_times(c, each) for each in inside[2:]))
        return Pairs(
            score=self.score,
            delay_0_s=a * self.delay_0_s,
            delay_1_s=a * self.delay_1_s,
            energy_0_j=_times(c, self.energy_0_j),
            energy_1_j=_times(c, self.energy_1_j),
            inside=inside,
            mean=counts_mean(instance),
        )

    @classmethod
    def at_slots(
        cls,
        instance: Instance,
        slots: Floats,
        server: Ints | None = None,
        shares: Floats | None = None,
        work: WorkFactors | None = None,
    ) -> Pairs:
        """Return the constants of an instance.

        Parameters
        ----------
        instance : Instance
        slots : (M,) float
            Into how many equal shares each server's b, q, g are cut.
        server, shares : (N,) int and (N, 6) float, optional
            The association and the shares in force: served pairs use their own, the others a slot.
        work : WorkFactors, optional
            How much of each user's work counts; whole rounds by default.
        """
        u = instance.users
        n, m = instance.user_count, instance.server_count
        share = np.broadcast_to(1.0 / slots, (n, m))
        band, down, gpu = share.copy(), share.copy(), share.copy()
        power_w, own_flops = u.max_power_w, u.max_gpu_flops
        if server is not None and shares is not None:
            rows = np.arange(n)
            for column, shared in ((BAND, band), (DOWN, down), (GPU, gpu)):
                shared[rows, server] = shares[:, column]
            power_w, own_flops = shares[:, UP] * power_w, shares[:, OWN] * own_flops
        in_use = _speed_in_use(instance, server, shares, work)
        pairs = cls.at(instance, (band, down, gpu), power_w, own_flops, work, in_use)
        return pairs if work is None else pairs.with_fixed_fraction(work.fixed)

    @classmethod
    def at(
        cls,
        instance: Instance,
        shares: tuple[Floats, Floats, Floats],
        power_w: Floats,
        own_flops: Floats,
        work: WorkFactors | None = None,
        in_use: Floats | None = None,
    ) -> Pairs:
        """Return the constants for given shares of b, q, g, each (N, M), and users' p, f, each (N,).

        ``in_use`` (M,) are the shares of speed by which shared GPUs draw.
        """
        charges = Charges.of(instance, work)
        if charges is not None:
            return _with_charges(charges, instance, shares, power_w, own_flops, in_use).weighted(instance)
        u, s = instance.users, instance.servers
        band, down, gpu = shares
        n = instance.user_count
        d, t = u.adapter_params[:, None], u.flops_per_param[:, None]
        bits = eq.uplink_bits(np.ones((n, 1)), d, instance.bits_per_param)
        band_hz, server_w = band * s.bandwidth_hz, down * s.max_power_w
        gpu_flops = gpu * s.max_gpu_flops
        rate_up = instance.rate_law.up.rate(band_hz, power_w[:, None], instance.gain)
        rate_down = instance.rate_law.down.rate(band_hz, server_w, instance.downlink_gain)
        local_flop, server_flop = t * d * u.epochs[:, None], t * d * s.epochs
        up_bits = down_bits = bits
        if work is not None:
            local_flop = local_flop * work.local[:, None]
            server_flop = server_flop * work.server[:, None]
            up_bits, down_bits = bits * work.uplink[:, None], bits * work.downlink[:, None]
        uplink_s, downlink_s = eq.time_for(up_bits, rate_up), eq.time_for(down_bits, rate_down)
        local_s = eq.time_for(local_flop, (u.gpu_count * own_flops)[:, None])
        server_s = eq.time_for(server_flop, s.gpu_count * gpu_flops)
        local_j = eq.gpu_energy(u.kappa[:, None], own_flops[:, None], local_flop)
        server_j = _server_energy(instance, in_use, gpu_flops, server_flop)
        uplink_w, downlink_w = _link_powers(instance, power_w[:, None], server_w)
        return cls(
            score=np.log1p(instance.score_law.slope * (band + down + gpu)),
            delay_0_s=server_s + downlink_s,
            delay_1_s=local_s + uplink_s,
            energy_0_j=server_j + downlink_w * downlink_s,
            energy_1_j=local_j + uplink_w * uplink_s,
        ).weighted(instance)


def _times(weight: Floats, energy_j: Floats) -> Floats:
    """Return energies times weights; those without end stay so, as their delays do."""
    return np.where(np.isinf(energy_j), np.inf, weight * np.where(np.isinf(energy_j), 0.0, energy_j))


def _server_energy(
    instance: Instance, in_use: Floats | None, gpu_flops: Floats, server_flop: Floats
) -> Floats:
    """Return the energies of the servers' training, (N, M); shared GPUs draw by the speed in use."""
    s, power = instance.servers, instance.power
    own_j = eq.gpu_energy(s.kappa, gpu_flops, server_flop)
    if power is None or in_use is None:
        return own_j
    drive = shared_drive(in_use * s.max_gpu_flops, power.servers.min_gpu_flops).value
    return np.where(power.shares_gpu, eq.shared_gpu_energy(s.kappa, drive, server_flop), own_j)


def _link_powers(instance: Instance, uplink_w: Floats, downlink_w: Floats) -> tuple[Floats, Floats]:
    """Return the powers of links, with those of the electronics at both ends."""
    if instance.power is None:
        return uplink_w, downlink_w
    links = np.arange(instance.user_count)[:, None], np.arange(instance.server_count)
    up_w, down_w = (instance.power.electronics_w(sender, *links) for sender in ("user", "server"))
    return uplink_w + up_w, downlink_w + down_w


def _speed_in_use(
    instance: Instance, server: Ints | None, shares: Floats | None, work: WorkFactors | None
) -> Floats | None:
    """Return the share of speed by which the GPUs of each server draw, (M,); None if none are shared.

    Where nobody has work, from cold everywhere, it is all of the speed: a server must not look free.
    """
    if instance.power is None or not instance.power.shares_gpu.any():
        return None
    in_use = np.zeros(instance.server_count)
    if server is not None and shares is not None:
        problem = ShareProblem.of(instance, server, work)
        assert problem.power is not None, "the instance has it"
        in_use = problem.power.in_use(problem.load_at(shares), shares[:, GPU]).speed
    return np.where(in_use > 0, in_use, 1.0)


def _with_charges(
    charges: Charges,
    instance: Instance,
    shares: tuple[Floats, Floats, Floats],
    power_w: Floats,
    own_flops: Floats,
    in_use: Floats | None,
) -> Pairs:
    u, s, (band, down, gpu) = instance.users, instance.servers, shares
    band_hz, server_w, gpu_flops = band * s.bandwidth_hz, down * s.max_power_w, gpu * s.max_gpu_flops
    power_w, own_flops = power_w[:, None], own_flops[:, None]
    rate_up = instance.rate_law.up.rate(band_hz, power_w, instance.gain)
    rate_down = instance.rate_law.down.rate(band_hz, server_w, instance.downlink_gain)
    uplink_w, downlink_w = _link_powers(instance, power_w, server_w)

    def cost(works: Floats) -> tuple[Floats, Floats]:
        (local, server), (up_bits, down_bits) = works[..., None]
        local_flop, server_flop = local * u.epochs[:, None], server * s.epochs
        uplink_s, downlink_s = eq.time_for(up_bits, rate_up), eq.time_for(down_bits, rate_down)
        delay_s = eq.time_for(local_flop, u.gpu_count[:, None] * own_flops) + uplink_s
        delay_s = delay_s + eq.time_for(server_flop, s.gpu_count * gpu_flops) + downlink_s
        server_j = _server_energy(instance, in_use, gpu_flops, server_flop)
        energy_j = eq.gpu_energy(u.kappa[:, None], own_flops, local_flop) + server_j
        energy_j = energy_j + eq.radio_energy(uplink_w, uplink_s)
        return delay_s, energy_j + eq.radio_energy(downlink_w, downlink_s)

    (delay_0_s, energy_0_j), (delay_1_s, energy_1_j) = map(cost, charges.ends)
    (inside_0_s, inside_0_j), (inside_1_s, inside_1_j) = map(cost, charges.inside)
    score = np.log1p(instance.score_law.slope * (band + down + gpu))
    inside = Inside(inside_0_s, inside_1_s, inside_0_j, inside_1_j)
    return Pairs(score, delay_0_s, delay_1_s, energy_0_j, energy_1_j, inside)


def slots_by_capacity(instance: Instance) -> Floats:
    """Return how many users each server has slots for: at least one each, at least N in all.

    Slots follow the server's part of all bandwidth, power and GPU speed; like servers have
    ``ceil(N / M)`` each.
    """
    s = instance.servers
    budgets = (s.bandwidth_hz, s.max_power_w, s.gpu_count * s.max_gpu_flops)
    share = np.mean([budget / budget.sum() for budget in budgets], axis=0)
    slots: Floats = np.maximum(1.0, np.ceil(instance.user_count * share - 1e-9))
    return slots
