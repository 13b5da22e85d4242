"""No table, figure or report shows the mean of a heavy-tailed metric.

One world in ten has a value of 100,000 under ``a``: its mean is far above that of ``b``, its median below.
Every check rejects the mean, which each of these places showed before.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from mecsim import Comparison
from mecsim.analysis.centres import Centre, centre, middle_runs
from mecsim.analysis.figures.comparison import comparison_figure
from mecsim.analysis.figures.forest import forest_figure
from mecsim.analysis.figures.pareto import pareto_figure
from mecsim.analysis.figures.ranking import mean_ranks, rank_shares
from mecsim.analysis.paired import paired_table
from mecsim.analysis.report.audit import fairness_rows, user_class_rows
from mecsim.analysis.report.charts import summary_charts
from mecsim.analysis.report.collect import Collected, RunSummary, ScenarioRuns
from mecsim.analysis.report.verdict import ranked
from mecsim.cli.live import RunMonitor
from mecsim.cli.sweep_tables import means, means_table
from mecsim.results.metrics import METRICS, phase_user_energy
from mecsim.study.outcome import RunOutcome
from mecsim.study.spec import Study
from mecsim.study.tune import _chosen
from mecsim.system.phases import PHASES

HEAVY = [*(10.0 + seed for seed in range(9)), 1e5]
LIGHT = [30.0 + seed for seed in range(10)]
DELAYS = pd.DataFrame({"delay_s": [1.0], "weight": [1.0]})


def metrics_of(value: float, seed: int) -> dict[str, float]:
    """Return every metric of a run: all of them this value, the parts of the energy in fixed shares."""
    parts = {phase_user_energy(phase): 0.1 * (k + 1) * value for k, phase in enumerate(PHASES)}
    return {metric.name: value for metric in METRICS} | parts | {"handovers_per_round": 1.0 + 0.01 * seed}


RUNS = [
    (policy, seed, metrics_of(value, seed))
    for policy, values in (("a", HEAVY), ("b", LIGHT))
    for seed, value in enumerate(values)
]
PER_RUN = pd.DataFrame([{"scenario": "x", "policy": p, "seed": s} | own for p, s, own in RUNS])


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    outcomes = tuple(RunOutcome(f"{p}-{s}", p, s, own, DELAYS.assign(delay_s=1.0)) for p, s, own in RUNS)
    return Comparison("x", ("a", "b"), tuple(range(10)), outcomes)


@pytest.fixture(scope="module")
def collected() -> Collected:
    runs = [
        RunSummary(
            cast("Any", None), {"policy": p, "seed": s}, own, DELAYS, pd.Series([1.0, own["delay_s"]]), {},
            (), cast("Any", None), class_metrics={"phones": own},
        )
        for p, s, own in RUNS
    ]  # fmt: skip
    setting = ScenarioRuns("x", tuple(runs))
    return cast("Collected", SimpleNamespace(setting=setting))


def test_a_centre_is_a_mean_or_a_median_with_its_own_interval() -> None:
    mean, median = centre(LIGHT, is_heavy=False), centre(HEAVY, is_heavy=True)
    assert mean.text == "34.5 ± 2.2"
    assert mean.written(signed=True) == "+34.5 ± 2.2"
    assert median == (14.5, 11.0, 18.0, True)
    assert median.text == "14.5 [11, 18]"
    assert median.ends == (3.5, 3.5)
    assert Centre(1.0, math.nan, math.nan).ends == (0.0, 0.0)
    assert Centre(1.0, 0.5, 3.0, is_median=True).ends == (0.5, 2.0)


@pytest.mark.parametrize("totals", [[5.0, 1.0, 9.0], [4.0, 1.0, 2.0, 1e9], [math.nan, 3.0, 1.0], [7.0]])
def test_parts_of_the_middle_runs_add_up_to_the_median(totals: list[float]) -> None:
    """Mutant rejected: the medians of the parts, which add up to something else."""
    values = np.array(totals)
    parts = np.stack(
        [values * np.linspace(0.1, 0.9, len(values)), values * np.linspace(0.9, 0.1, len(values))]
    )
    middle = parts[:, middle_runs(values)].mean(axis=1)
    assert middle.sum() == pytest.approx(np.nanmedian(values))
    assert len(middle_runs([math.nan])) == 0


def test_pareto_draws_medians_and_says_so() -> None:
    ax = pareto_figure(PER_RUN, x="delay_user_s", y="handovers_per_round").axes[0]
    assert ax.get_xlabel() == "delay/user (s), median"
    assert "median" not in ax.get_ylabel()
    assert ax.containers[0].lines[0].get_xydata().tolist() == [[14.5, pytest.approx(1.045)]]


def test_the_figure_of_a_comparison_stacks_the_run_with_the_median_energy(comparison: Comparison) -> None:
    figure = comparison_figure(PER_RUN, comparison.delays, ("a", "b"), range(10), "scr_window")
    scr, _, energy = figure.axes[:3]
    assert "median" in scr.get_title()
    assert "median" in energy.get_title()
    tops = [max(bar.get_y() + bar.get_height() for bar in energy.patches if bar.get_x() < 0.5)]
    assert tops == [pytest.approx(sum(0.1 * (k + 1) for k in range(len(PHASES))) * 14.5)]


def test_ranks_are_those_of_medians() -> None:
    """Less delay is better: by means ``b`` would be first, also in most bootstrap samples."""
    assert mean_ranks(PER_RUN, "delay_user_s", ["a", "b"]).tolist() == [1, 2]
    assert rank_shares(PER_RUN, "delay_user_s", ["a", "b"])[0, 0] > 0.95


def test_forest_draws_the_median_of_the_ratios() -> None:
    paired = paired_table(PER_RUN, "b", metrics=["delay_user_s"])
    ax = forest_figure(paired).axes[0]
    row = paired.iloc[0]
    assert row["median_ratio"] == pytest.approx(np.median(np.array(HEAVY) / LIGHT))
    points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert points == [pytest.approx(100 * (row["median_ratio"] - 1))]
    assert row["ratio"] > 100


def test_the_table_of_a_comparison_marks_what_is_heavy_tailed(comparison: Comparison) -> None:
    row = comparison.table.query("policy == 'a' and metric == 'delay_user_s'").iloc[0]
    assert row["heavy_tail"]
    assert (row["median"], row["median_low"], row["median_high"]) == (14.5, 11.0, 18.0)
    summary = comparison.summary()
    assert summary.loc["a", "delay/user (s)"] == "14.5 [11, 18]"
    assert "±" in summary.loc["a", next(m.head for m in METRICS if m.name == "handovers_per_round")]


def test_a_sweep_s_table_has_medians_and_lists_where() -> None:
    rounds = SimpleNamespace(
        scenario=SimpleNamespace(workload=SimpleNamespace(rounds=SimpleNamespace(mode="poisson")))
    )
    study = cast("Study", SimpleNamespace(swept=("k",), runs=(rounds,), name="s"))
    light = PER_RUN[PER_RUN["policy"] == "b"]
    frame = pd.concat([PER_RUN.assign(k=1), light.assign(k=2)], ignore_index=True).assign(state="finished")
    table = means(frame, study)
    assert table["delay_user_s"].tolist() == [14.5, 34.5, 34.5]
    assert ["delay_user_s" in heavy for heavy in table["heavy_tails"]] == [True, True, False]
    column = next(c for c in means_table(frame, study).columns if c.header == "delay/user (s)")
    assert list(column.cells) == ["14.5 [11, 18]", "34.5 [31, 38]", "34.5 ± 2.2"]
    assert "where heavy-tailed: median" in str(means_table(frame, study).title)


def test_tune_chooses_by_medians(comparison: Comparison) -> None:
    table, best = _chosen(comparison, "p", "delay_user_s")
    assert best == 0
    assert table["heavy_tail"].all()


def test_live_rows_have_medians() -> None:
    monitor = RunMonitor(None, cast("Any", None), ("a", "b"))
    for policy, seed, own in RUNS:
        monitor._metrics.setdefault(("", policy), {})[seed] = own
    rows = monitor._rows(["delay_user_s", "handovers_per_round"])
    assert rows[0][2] == "14.5 [11, 18]"
    assert rows[1][2].startswith("34.5 [31, 38] (+20 [")
    assert "±" in rows[0][3]


def test_the_report_ranks_draws_and_lists_medians(collected: Collected) -> None:
    """More SCR is better: by means ``a`` would be first."""
    assert collected.setting is not None
    assert ranked(collected.setting) == ["b", "a"]
    scr, _, energy, _ = summary_charts(collected.setting)
    assert scr.note.startswith("Median and 95 % interval")
    own = next(one for one in scr.series if one.name == "a")
    assert own.y.tolist() == [14.5]
    assert own.ends is not None
    assert own.ends.tolist() == [[3.5], [3.5]]
    assert energy.series[0].y.tolist() == [pytest.approx(3.45), pytest.approx(1.45)]
    assert "median" in energy.note
    first, second = fairness_rows(collected)
    assert (first.worst, second.worst) == ("14.5 s (median)", "34.5 s (median)")
    assert (first.best, second.best) == ("1 s", "1 s")
    cells = user_class_rows(collected)[0].cells
    assert "14.5 [11, 18]" in cells
