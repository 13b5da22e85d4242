"""What rates with a cap cost against Shannon's, measured in turn: ``make bench`` prints this."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from bench import scenario
from decisions import decide, snapshot
from mecsim_policies.baselines import Nearest

from mecsim.engine.simulation import Simulation
from mecsim.system.rate_spec import RATES

PAIRS = 7
CAPPED = "nr-256qam"


def ratios(measure: Callable[[str], float]) -> list[float]:
    """Return what the law with a cap takes over what Shannon's takes, in pairs of alternating order."""
    found = []
    for pair in range(PAIRS):
        laws = ("shannon", CAPPED) if pair % 2 else (CAPPED, "shannon")
        spent = {law: measure(law) for law in laws}
        found.append(spent[CAPPED] / spent["shannon"])
    return found


def simulation_s(rate: str, changes: dict[str, Any]) -> float:
    case = scenario(100, 200, **{"channel.rate": rate, **changes})
    began = time.process_time()
    Simulation(case, Nearest(), 1).run()
    return time.process_time() - began


def decision_s(rate: str, users: int, servers: int, snapshots: int) -> float:
    return sum(
        decide("dashf_plus", snapshot(seed, users, servers, rate=RATES[rate]))[1] for seed in range(snapshots)
    )


def run() -> None:
    print(f"\nCPU time with rates of {CAPPED} over that with Shannon's, median of {PAIRS} pairs")
    print("(targets: simulation 1.05, decision 1.3)")
    cases: dict[str, Callable[[str], float]] = {
        "simulation, 100 users": lambda rate: simulation_s(rate, {}),
        "dashf cold (10, 2), 10 snapshots": lambda rate: decision_s(rate, 10, 2, 10),
        "dashf cold (50, 5), 3 snapshots": lambda rate: decision_s(rate, 50, 5, 3),
    }
    for name, measure in cases.items():
        print(f"  {name:36s} {np.median(ratios(measure)):6.3f}")


if __name__ == "__main__":
    run()
