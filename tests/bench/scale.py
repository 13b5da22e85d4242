"""Decisions for many users: ``make bench`` prints warm SCR over cold, and cold CPU and memory by size."""

from __future__ import annotations

import resource
from dataclasses import dataclass, field

import numpy as np
from decisions import decide, snapshot

from mecsim import simulate
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance

DURATION_S = 600.0
COLD_EVERY = 5
SCENARIOS = ("highway", "avenue", "campus")
SIZES = ((50, 5, 5), (100, 5, 5), (200, 10, 3), (500, 20, 1), (1000, 50, 1))


@dataclass
class Recorder:
    """A policy that keeps the snapshots it sees."""

    seen: list[Instance] = field(default_factory=list)

    def __deepcopy__(self, memo: object) -> Recorder:
        return self

    def allocate(self, observation: Observation) -> Allocation | None:
        self.seen.append(observation.instance)
        return make_policy("nearest").allocate(observation)


def snapshots(name: str) -> list[Instance]:
    """Return what a policy sees of a scenario, epoch by epoch."""
    recorder = Recorder()
    short = load_scenario(name).with_changes({"duration_s": DURATION_S, "warmup_s": 0.0})
    simulate(short, policy=recorder, seed=1)
    return recorder.seen


def warm_over_cold() -> None:
    print(f"\nSCR of warm decisions over cold ones of dashf_plus, second half of {DURATION_S:.0f} s")
    for name in SCENARIOS:
        seen, policy, ratios, used_ms = snapshots(name), make_policy("dashf_plus"), [], []
        allocation: Allocation | None = None
        for epoch, instance in enumerate(seen):
            allocation = policy.allocate(Observation.of(instance, allocation=allocation))
            assert allocation is not None
            if epoch >= len(seen) // 2 and epoch % COLD_EVERY == 0:
                cold, cold_s = decide("dashf_plus", instance)
                ratios.append(instance.scr(allocation) / instance.scr(cold))
                used_ms.append(1e3 * cold_s)
        print(
            f"  {name:8s} mean {np.mean(ratios):6.3f}   least {np.min(ratios):6.3f}   "
            f"{len(ratios)} epochs, {np.median(used_ms):.0f} ms a cold one"
        )


def cold_by_size() -> None:
    print(
        "\nCPU time of one cold decision of dashf_plus (median), and the peak memory of this process so far"
    )
    for users, servers, seeds in SIZES:
        used = np.median([decide("dashf_plus", snapshot(seed, users, servers))[1] for seed in range(seeds)])
        peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"  ({users}, {servers})  {1e3 * used:8.0f} ms   {peak_mb:6.0f} MB")


if __name__ == "__main__":
    decide("dashf_plus", snapshot(0, 10, 2))  # imports and patterns
    cold_by_size()
    warm_over_cold()
