"""The upper bound of the SCR against everything that is found: row B1."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mecsim import certificate
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim.testing.snapshots import draw_instance
from mecsim.testing.verification.finding import Check, Finding, Setting
from mecsim.testing.verification.mutant import Mutant, replaced

POLICIES = (
    *("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "water_filling"),
    *("best_response", "matching", "card", "dashf", "dashf_plus", "local_search"),
)
SYSTEMS = ((4, 2), (6, 1))
RANDOM_ALLOCATIONS = 1000


def above_policies(setting: Setting) -> Finding:
    """Check the best of all policies over the bound, worst of two systems: at most 1."""
    ratios = []
    for instance in _systems(setting.seed):
        found = [_answer(instance, name) for name in POLICIES]
        best = max(found, key=instance.scr)
        ratios.append(instance.scr(best) / _upper_bound(instance, best))
    return Finding(1.0, max(ratios), 0.0, 1.0)


def above_random_allocations(setting: Setting) -> Finding:
    """Check the best of thousands of allocations, some near a good one, over the bound: at most 1."""
    rng = np.random.default_rng([setting.seed, RANDOM_ALLOCATIONS])
    ratios = []
    for instance in _systems(setting.seed):
        best = _answer(instance, "local_search")
        scrs = [instance.scr(_drawn_near(instance, best, rng)) for _ in range(RANDOM_ALLOCATIONS)]
        ratios.append(max(scrs) / _upper_bound(instance, best))
    return Finding(1.0, max(ratios), 0.0, 1.0)


def _systems(seed: int) -> list[Instance]:
    return [draw_instance([seed, *size], *size) for size in SYSTEMS]


def _answer(instance: Instance, name: str) -> Allocation:
    allocation = make_policy(name).allocate(Observation.of(instance))
    assert allocation is not None, "nothing is in force yet"
    return allocation


def _upper_bound(instance: Instance, incumbent: Allocation) -> float:
    return certificate.bound(instance, incumbent=incumbent).upper_bound


def _drawn_near(instance: Instance, best: Allocation, rng: np.random.Generator) -> Allocation:
    """Return a feasible allocation: the best known, moved a random part of the way to a random one."""
    users, servers = instance.users, instance.servers
    count, step = instance.user_count, 10.0 ** rng.uniform(-4.0, 0.0)
    moves = rng.random(count) < 0.3 * (rng.random() < 0.5)
    server: Ints = np.where(moves, rng.integers(instance.server_count, size=count), best.server)

    def towards(now: Floats, other: Floats) -> Floats:
        return np.asarray((1.0 - step) * now + step * other)

    def shared(now: Floats, budget: Floats) -> Floats:
        """Return grants of a server that keep to its budget."""
        wanted = towards(now / budget[server], rng.random(count))
        total = np.bincount(server, wanted, instance.server_count)
        return np.asarray(budget[server] * wanted / np.maximum(total, 1.0)[server] * (1.0 - 1e-12))

    return replace(
        best,
        server=server,
        local_fraction=towards(best.local_fraction, rng.random(count)),
        bandwidth_hz=shared(best.bandwidth_hz, servers.bandwidth_hz),
        server_power_w=shared(best.server_power_w, servers.max_power_w),
        server_gpu_flops=shared(best.server_gpu_flops, servers.max_gpu_flops),
        user_power_w=towards(best.user_power_w, users.max_power_w * rng.random(count)),
        user_gpu_flops=towards(best.user_gpu_flops, users.max_gpu_flops * rng.random(count)),
    )


def _for_less(bug: str, name: str) -> Mutant:
    """Return the mutant that bounds a system whose servers have two thirds of a budget."""

    def make(upper_bound: Callable[..., float]) -> Any:
        def wrong(instance: Instance, incumbent: Allocation) -> float:
            less = {name: getattr(instance.servers, name) / 1.5}
            poorer = replace(instance, servers=replace(instance.servers, **less))
            return upper_bound(poorer, _answer(poorer, "dashf_plus"))

        return wrong

    return replaced(bug, sys.modules[__name__], "_upper_bound", make)


CHECKS = (
    Check(
        "B1 policies",
        "best of them / bound",
        above_policies,
        _for_less("a third of the bandwidth left out of the bound", "bandwidth_hz"),
    ),
    Check(
        "B1 allocations",
        "best of thousands / bound",
        above_random_allocations,
        _for_less("a third of the GPUs' speed left out of the bound", "max_gpu_flops"),
    ),
)
