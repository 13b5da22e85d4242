"""The reference's constants of part 1, from the model itself: everybody at each server, phi at its ends.

Where the ends have charges, two points between them give the line there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim.system.phases import PHASES, Phase
from mecsim_policies.optim.charges import Charges
from mecsim_policies.optim.pairs import Inside, Pairs


def pairs_of(
    instance: Instance, slots: Floats, current: Allocation | None, allowed: NDArray[np.bool_]
) -> Pairs:
    """Return score, delay and energy of each user at each server.

    Parameters
    ----------
    instance : Instance
    slots : (M,) float
        Into how many equal shares each server's b, q, g are cut.
    current : Allocation or None
        Served pairs have their own resources; all others a slot of their server.
    allowed : (N, M) bool
        Pairs that are not allowed have infinite delays and energies.
    """
    charged = Charges.of(instance) is not None
    parts = (0.0, 1.0, 1.0 / 3.0, 2.0 / 3.0) if charged else (0.0, 1.0)
    delay_s, energy_j = (np.full((len(parts), *allowed.shape), np.inf) for _ in range(2))
    score = np.zeros(allowed.shape)
    for m in range(instance.server_count):
        for k, part in enumerate(parts):
            everyone = _everyone_at(m, part, instance, slots, current)
            delay_s[k, :, m] = instance.delay(everyone)
            energy_j[k, :, m] = _energy(instance, everyone, current)
            score[:, m] = instance.score(everyone) / instance.score_law.scale
    delay_s, energy_j = (np.where(allowed, both, np.inf) for both in (delay_s, energy_j))
    ends = Pairs(score, delay_s[0], delay_s[1], energy_j[0], energy_j[1])
    if not charged:
        return ends.weighted(instance)
    (delay_0_s, delay_1_s), (energy_0_j, energy_1_j) = (_limits(*each[2:]) for each in (delay_s, energy_j))
    return replace(ends, inside=Inside(delay_0_s, delay_1_s, energy_0_j, energy_1_j)).weighted(instance)


def _limits(third: Floats, two_thirds: Floats) -> tuple[Floats, Floats]:
    """Return the line through two points at 0 and at 1; infinite where it is."""
    with np.errstate(invalid="ignore"):
        both = 2.0 * third - two_thirds, 2.0 * two_thirds - third
    at_0, at_1 = (np.where(np.isnan(each), np.inf, each) for each in both)
    return at_0, at_1


def _energy(instance: Instance, everyone: Allocation, current: Allocation | None) -> Floats:
    """Return what each user alone pays with everyone at one server, (N,).

    GPUs that are shared draw by the speed of those who are served there now with work, or by all of it if
    there are none.
    """
    energy_j, m, power = instance.costs(everyone).energy_j.copy(), everyone.server[0], instance.power
    if power is not None and power.shares_gpu[m]:
        in_use = 0.0
        if current is not None:
            works = PHASES[Phase.SERVER].work(instance.work_terms(current)) > 0
            in_use = float(current.server_gpu_flops[works & (current.server == m)].sum())
        in_use = in_use or float(instance.servers.max_gpu_flops[m])
        cube = max(in_use, float(power.servers.min_gpu_flops[m])) ** 3
        flop = PHASES[Phase.SERVER].work(instance.work_terms(everyone))
        energy_j[:, Phase.SERVER] = instance.servers.kappa[m] * flop * cube / in_use
    return np.asarray(energy_j.sum(axis=1))


def _everyone_at(
    m: int, part: float, instance: Instance, slots: Floats, current: Allocation | None
) -> Allocation:
    users, s = instance.users, instance.servers
    everyone = np.ones(instance.user_count)
    server = np.full(instance.user_count, m)
    bandwidth_hz, server_w, server_flops = (
        everyone * budget[m] / slots[m] for budget in (s.bandwidth_hz, s.max_power_w, s.max_gpu_flops)
    )
    power_w, own_flops = users.max_power_w, users.max_gpu_flops
    if current is not None:
        served = current.server == m
        bandwidth_hz = np.where(served, current.bandwidth_hz, bandwidth_hz)
        server_w = np.where(served, current.server_power_w, server_w)
        server_flops = np.where(served, current.server_gpu_flops, server_flops)
        power_w, own_flops = current.user_power_w, current.user_gpu_flops
    phi = part * users.local_fraction_max
    return Allocation(server, phi, bandwidth_hz, power_w, server_w, own_flops, server_flops)
