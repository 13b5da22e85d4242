"""The decisions on static snapshots that the figures are made of, and tables of their results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mecsim.scenario.load import load_scenario
from mecsim.study.decision_run import DecisionRun
from mecsim.study.policy_choice import PolicyChoice

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.scenario.schema import Scenario

SYSTEMS = ("paper", "paper-20")
POLICIES = ("rucaa", "gucaa", "aauco", "gucro", "dashf", "dashf_plus")
BANDWIDTHS_MHZ = tuple(range(10, 101, 10))
# The paper's own pairs are the third and the last; the others go on along the line through them.
WEIGHTS = ((0.9, 0.001), (0.7, 0.003), (0.5, 0.005), (0.3, 0.007), (0.1, 0.009))
PAPER_WEIGHTS, ENERGY_FIRST = WEIGHTS[2], WEIGHTS[4]

# What was kept of a decision: mecsim.study.decision_run.write_decision.
Kept = Callable[[DecisionRun], Mapping[str, Any]]
Row = tuple[dict[str, Any], DecisionRun]


def by_system(seeds: Sequence[int]) -> list[Row]:
    """Return every policy on every system; ``system`` says which."""
    return _rows((({"system": name}, load_scenario(name)) for name in SYSTEMS), seeds)


def by_bandwidth(seeds: Sequence[int]) -> list[Row]:
    """Return every policy at every bandwidth of a server, ``bandwidth_mhz``."""
    scenario = load_scenario(SYSTEMS[0])
    return _rows(
        (
            ({"bandwidth_mhz": mhz}, scenario.with_changes({"servers.bandwidth_mhz": mhz}))
            for mhz in BANDWIDTHS_MHZ
        ),
        seeds,
    )


def by_weights(seeds: Sequence[int]) -> list[Row]:
    """Return every policy under every pair of weights, ``delay_per_s`` and ``energy_per_j``."""
    scenario = load_scenario(SYSTEMS[0])
    keys = ("objective.delay_weight_per_s", "objective.energy_weight_per_j")
    return _rows(
        (
            (
                {"delay_per_s": pair[0], "energy_per_j": pair[1]},
                scenario.with_changes(dict(zip(keys, pair, strict=True))),
            )
            for pair in WEIGHTS
        ),
        seeds,
    )


def measured(rows: Sequence[Row], kept: Kept) -> pd.DataFrame:
    """Return one row for each setting, seed and policy, with the measures of its decision."""
    import pandas as pd

    return pd.DataFrame([labels | kept(decision)["metrics"] for labels, decision in rows])


def _rows(settings: Iterable[tuple[dict[str, Any], Scenario]], seeds: Sequence[int]) -> list[Row]:
    choices = [PolicyChoice.of(policy) for policy in POLICIES]
    return [
        (setting | {"seed": seed, "policy": choice.label}, DecisionRun(scenario, choice, seed))
        for setting, scenario in settings
        for seed in seeds
        for choice in choices
    ]
