"""How good and how fast one decision is: ``make bench`` prints this after the engine.

The best SCR found is that of `local_search` from several starts, or of any policy here if higher:
it is found, not proven.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mecsim.errors import PolicyError
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance
from mecsim.world.world import World

SEEDS = 50
LOCAL_SEARCH = "mecsim_policies.local_search:LocalSearch"
REFERENCE = "mecsim_policies.dashf.reference:DashfReference"
COMPARED = ("rucaa", "gucaa", "aauco", "gucro", "dashf", LOCAL_SEARCH)


def snapshot(seed: int, users: int, servers: int, *, unlike: bool = False) -> Instance:
    """Return a snapshot of the shipped scenario `paper`, of another size or with unlike devices."""
    rng = np.random.default_rng([seed, users, servers])
    changes: dict[str, Any] = {
        "users.count": users,
        "servers.positions_m": rng.uniform(0, 1000, (servers, 2)).tolist(),
    }
    if unlike:
        changes |= {
            "servers.bandwidth_mhz": rng.choice([5, 10, 20], servers).tolist(),
            "servers.max_power_w": rng.choice([5, 10, 20], servers).tolist(),
            "servers.gpu_count": rng.choice([2, 4, 8], servers).tolist(),
            "users.max_power_w": rng.choice([0.1, 0.2, 0.4], users).tolist(),
            "users.gpu_count": rng.choice([1, 2, 4], users).tolist(),
        }
    return World(load_scenario("paper").with_changes(changes), seed).instance(0.0)


def decide(spec: str, instance: Instance) -> tuple[Allocation, float]:
    """Return a cold decision and its CPU time in s."""
    policy = make_policy(spec)
    began = time.process_time()
    allocation = policy.allocate(Observation.of(instance))
    assert allocation is not None
    return allocation, time.process_time() - began


def quality() -> None:
    for unlike in (False, True):
        scr: dict[str, list[float]] = {name: [] for name in COMPARED}
        cpu_s: dict[str, list[float]] = {name: [] for name in COMPARED}
        best = []
        for seed in range(SEEDS):
            instance = snapshot(seed, 10, 2, unlike=unlike)
            for name in COMPARED:
                allocation, used = decide(name, instance)
                scr[name].append(instance.scr(allocation))
                cpu_s[name].append(used)
            best.append(max(values[-1] for values in scr.values()))
        kind = "unlike" if unlike else "like"
        print(f"\nSCR against the best found, {SEEDS} snapshots of 10 users and 2 {kind} servers")
        print("  policy          mean SCR   mean of best   worst   median CPU ms")
        for name in COMPARED:
            ratio = np.array(scr[name]) / best
            mean, median_ms = np.mean(scr[name]), 1e3 * np.median(cpu_s[name])
            label = name.rpartition(":")[2]
            print(f"  {label:14s} {mean:9.1f} {ratio.mean():13.3f} {ratio.min():8.3f} {median_ms:12.1f}")


def sizes() -> None:
    print("\nCPU time of one cold decision of dashf (median of 5 snapshots)")
    for users, servers in ((10, 2), (20, 3), (50, 5), (100, 5), (200, 5), (500, 5)):
        used = np.median([decide("dashf", snapshot(seed, users, servers))[1] for seed in range(5)])
        print(f"  ({users}, {servers})  {1e3 * used:8.1f} ms   {1e3 * used / users:6.2f} ms a user")


def against_reference() -> None:
    print("\nCPU time of the literal algorithm against dashf (median of 3 snapshots)")
    for users, servers, spec in (
        (10, 2, REFERENCE),
        (10, 2, f"{REFERENCE}:solver=CLARABEL"),
        (20, 3, REFERENCE),
    ):
        ratios, scrs = [], []
        for seed in range(3):
            instance = snapshot(seed, users, servers)
            try:
                slow, slow_s = decide(spec, instance)
            except PolicyError as error:
                print(f"  ({users}, {servers}) {spec}: {error}")
                break
            fast, fast_s = decide("dashf", instance)
            ratios.append(slow_s / fast_s)
            scrs.append(instance.scr(fast) / instance.scr(slow))
        else:
            label = spec.partition(":")[2]
            print(f"  ({users}, {servers}) {label:34s} {np.median(ratios):8.1f} x the time of dashf")
            print(f"{'':10s}whose SCR is {np.mean(scrs):.3f} of the literal one's on average")


def run(parts: tuple[Callable[[], None], ...] = (quality, sizes, against_reference)) -> None:
    decide("dashf", snapshot(0, 10, 2))  # imports and patterns
    for part in parts:
        part()


if __name__ == "__main__":
    run()
