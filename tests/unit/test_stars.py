"""Stars in the table of a comparison: earned after Holm's correction; each check names the bug it rejects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from mecsim import Comparison
from mecsim.analysis.hypotheses import holm
from mecsim.cli.summaries import comparison_table
from mecsim.results.metrics import METRICS, TABLE_METRICS
from mecsim.study.outcome import RunOutcome

SEEDS = tuple(range(8))
NOISE = np.array([-1.2, -0.9, -0.4, -0.1, 0.3, 0.5, 0.7, 1.1])


def comparison_of(shift: dict[str, float]) -> Comparison:
    """Return a made-up comparison: policy b is policy a plus noise, and in some metrics plus a shift."""
    outcomes = []
    for policy in ("a", "b"):
        for place, seed in enumerate(SEEDS):
            values = {metric.name: 10.0 + seed for metric in METRICS}
            if policy == "b":
                values = {name: v + NOISE[place] + shift.get(name, 0.0) for name, v in values.items()}
            delays = pd.DataFrame({"delay_s": [1.0], "weight": [1.0]})
            outcomes.append(RunOutcome(f"{policy}-{seed}", policy, seed, values, delays))
    return Comparison("made", ("a", "b"), SEEDS, tuple(outcomes))


def half_width(error: float) -> float:
    """Return by how much b must differ from a to be different at this error."""
    centre = NOISE.mean()
    return float(stats.t.ppf(1 - error / 2, len(NOISE) - 1) * stats.sem(NOISE)) - centre


def test_a_star_is_earned_after_holm_s_correction() -> None:
    """One plain difference, one that holds among the others only, and one that its own interval shows.

    Mutants rejected: a star by the interval beside it; Bonferroni's correction; a family of one metric.
    """
    tests = len(TABLE_METRICS)
    second = (half_width(0.05 / (tests - 1)) + half_width(0.05 / tests)) / 2
    by_itself = (half_width(0.05) + half_width(0.05 / (tests - 2))) / 2
    found = comparison_of({"scr_window": 50.0, "delay_user_s": second, "energy_user_j": by_itself})
    assert found.differing == {("b", "scr_window"), ("b", "delay_user_s")}
    assert set(found.paired["metric"]) == set(TABLE_METRICS)
    row = found.table.set_index(["policy", "metric"]).loc[("b", "energy_user_j")]
    assert row["difference_low"] > 0
    columns = comparison_table(found).columns
    cells = {name: list(column.cells)[1] for name, column in zip(TABLE_METRICS, columns[1:], strict=True)}
    assert [name for name, cell in cells.items() if cell.endswith("*")] == ["scr_window", "delay_user_s"]
    caption = comparison_table(found).caption
    assert f"for all {tests} differences: at most 5 %" in caption
    # With --until the looks share the error.
    assert replace(found, looks=9).differing == {("b", "scr_window")}
    assert " differences and 9 looks:" in comparison_table(replace(found, looks=9)).caption


def test_null_tables_have_false_stars_in_at_most_one_of_twenty() -> None:
    """2,000 tables of 4 replications, 5 policies against the first, 6 metrics that depend on each other.

    The share with a star is at most 5 % within 5 sigma. Mutant: a star by each interval, in most of them.
    """
    rng = np.random.default_rng(17)
    tables, replications, policies, metrics = 2000, 4, 5, 6
    shared = rng.normal(size=(tables, replications, 1, metrics))
    own = rng.normal(size=(tables, replications, policies, metrics))
    p = stats.ttest_1samp(own + shared, 0.0, axis=1).pvalue.reshape(tables, -1)
    stars = np.mean([(holm(row) <= 0.05).any() for row in p])
    assert stars <= 0.05 + 5 * np.sqrt(0.05 * 0.95 / tables)
    assert (p <= 0.05).any(axis=1).mean() > 0.5


def test_a_single_policy_has_no_star() -> None:
    alone = replace(comparison_of({}), policies=("a",))
    assert alone.differing == frozenset()
    assert comparison_table(alone).caption == "mean ± half width of its own 95 % interval"


def test_one_replication_has_no_interval_and_says_so() -> None:
    """Mutant: a caption about intervals and a correction for 0 differences."""
    found = replace(comparison_of({}), seeds=SEEDS[:1])
    told = "one replication; below: paired difference to a; intervals need two"
    assert comparison_table(found).caption == told
