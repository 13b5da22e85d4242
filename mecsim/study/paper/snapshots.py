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
# Those whose phi is one constant for all users; the paper does not say which, and half is our choice.
CONSTANT_PHI = ("rucaa", "gucaa", "gucro")
HALF, PHI_GRID = 0.5, (0.0, 0.25, 0.5, 0.75, 1.0)
BEST_PHI = {policy: f"{policy}, best ϕ" for policy in CONSTANT_PHI}
# Every policy of the figures: beside a baseline, the same with the best phi of the grid.
DRAWN = tuple(name for policy in POLICIES for name in (policy, BEST_PHI.get(policy, "")) if name)
BANDWIDTHS_MHZ = tuple(range(10, 101, 10))
# The paper's own pairs are the third and the last; the others go on along the line through them.
WEIGHTS = ((0.9, 0.001), (0.7, 0.003), (0.5, 0.005), (0.3, 0.007), (0.1, 0.009))
PAPER_WEIGHTS, ENERGY_FIRST = WEIGHTS[2], WEIGHTS[4]

# What was kept of a decision: mecsim.study.decision_run.write_decision.
Kept = Callable[[DecisionRun], Mapping[str, Any]]
Row = tuple[dict[str, Any], DecisionRun]
Changes = Mapping[str, Any]
UNCHANGED: Changes = {}


def system_of(name: str, changes: Changes = UNCHANGED) -> Scenario:
    """Return a shipped scenario, with some of its keys changed."""
    return load_scenario(name).with_changes(dict(changes))


def by_system(seeds: Sequence[int], changes: Changes = UNCHANGED) -> list[Row]:
    """Return every policy on every system; ``system`` says which."""
    return _rows((({"system": name}, system_of(name, changes)) for name in SYSTEMS), seeds)


def by_bandwidth(seeds: Sequence[int], changes: Changes = UNCHANGED) -> list[Row]:
    """Return every policy at every bandwidth of a server, ``bandwidth_mhz``."""
    scenario = system_of(SYSTEMS[0], changes)
    return _rows(
        (
            ({"bandwidth_mhz": mhz}, scenario.with_changes({"servers.bandwidth_mhz": mhz}))
            for mhz in BANDWIDTHS_MHZ
        ),
        seeds,
    )


def by_weights(seeds: Sequence[int], changes: Changes = UNCHANGED) -> list[Row]:
    """Return every policy under every pair of weights, ``delay_per_s`` and ``energy_per_j``."""
    scenario = system_of(SYSTEMS[0], changes)
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
    """Return one row for each setting, seed and policy, with the measures of its decision.

    ``phi`` is the constant phi of a baseline, NaN where a policy has none.
    """
    import pandas as pd

    return pd.DataFrame([labels | kept(decision)["metrics"] for labels, decision in rows])


def with_best_phi(frame: pd.DataFrame, settings: Sequence[str]) -> pd.DataFrame:
    """Return the policies at phi = 0.5, and each baseline with the constant phi of largest mean SCR.

    The latter is called as :data:`BEST_PHI` says. It is chosen for each setting on the very worlds of the
    table, so its SCR is slightly too high.
    """
    import pandas as pd

    parts = [frame[frame["phi"].isna() | (frame["phi"] == HALF)]]
    grid = frame[frame["phi"].notna()]
    for (*_, policy), own in grid.groupby([*settings, "policy"], sort=False):
        best = own.groupby("phi")["scr"].mean().idxmax()
        parts.append(own[own["phi"] == best].assign(policy=BEST_PHI[str(policy)]))
    return pd.concat(parts, ignore_index=True)


def _rows(settings: Iterable[tuple[dict[str, Any], Scenario]], seeds: Sequence[int]) -> list[Row]:
    choices = [
        ({"policy": policy, "phi": HALF if policy in CONSTANT_PHI else float("nan")}, PolicyChoice.of(policy))
        for policy in POLICIES
    ]
    choices += [
        ({"policy": policy, "phi": phi}, PolicyChoice.of(policy, local_fraction=phi))
        for policy in CONSTANT_PHI
        for phi in PHI_GRID
        if phi != HALF
    ]
    return [
        (setting | {"seed": seed} | labels, DecisionRun(scenario, choice, seed))
        for setting, scenario in settings
        for seed in seeds
        for labels, choice in choices
    ]
