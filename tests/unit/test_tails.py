"""Metrics without a mean are found, and medians stand in their place; each check names the bug it rejects."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mecsim import Comparison
from mecsim.analysis.figures.forest import forest_figure
from mecsim.analysis.figures.swept import swept_figure
from mecsim.analysis.paired import paired_table
from mecsim.analysis.report.collect import RunSummary, ScenarioRuns
from mecsim.analysis.report.verdict import sentences
from mecsim.analysis.rounding import bracketed
from mecsim.analysis.sequential import judge, parse_claim
from mecsim.analysis.stats import median_interval, t_interval
from mecsim.analysis.tails import Tail, dominant_share, heavy_index, heavy_tails, tail_of
from mecsim.analysis.text_tables import text_table
from mecsim.cli.summaries import comparison_table, tail_warnings
from mecsim.results.metrics import METRICS, VERDICT_METRICS
from mecsim.study.outcome import RunOutcome
from mecsim.study.until import SequentialComparison


@pytest.mark.parametrize(("n", "low", "high", "level"), [(6, 0, 5, 1 - 2 / 64), (10, 1, 8, 1 - 22 / 1024)])
def test_the_interval_of_a_median_is_that_of_the_sign_test(n: int, low: int, high: int, level: float) -> None:
    """Ends by the binomial law. Mutants: one order statistic further in; a normal approximation."""
    values = np.random.default_rng(3).permutation(np.arange(n) * 1.5)
    found = median_interval(values)
    assert (found.low, found.high, found.n) == (1.5 * low, 1.5 * high, n)
    assert found.level == pytest.approx(level, rel=1e-12)
    further_in = 1 - 2 * stats.binom.cdf(low + 1, n, 0.5)
    assert further_in < 0.95 <= found.level


def test_fewer_than_six_runs_have_no_interval_of_their_median() -> None:
    few = median_interval([3.0, 1.0, 2.0, np.nan, 9.0, 8.0])
    assert (few.median, few.n) == (3.0, 5)
    assert math.isnan(few.low)
    assert not math.isnan(median_interval([3.0, 1.0, 2.0], level=0.75).low)
    assert bracketed(*few[:3]) == "3 [?]"
    assert bracketed(2024.4, -3.456, 12345.0, signed=True) == "+2024 [-3.46, +12345]"
    assert median_interval([]).n == 0


def test_intervals_of_the_median_hold_where_those_of_the_mean_do_not() -> None:
    """1,000 samples of 20 values 1/X, X exponential: median 1/ln 2, no mean, docs/model.md section 13.

    The median's interval has the level it says, within 5 sigma. Mutant: the t interval, as a reader would
    take it, of the mean of 400 values, which it holds in about half of all cases.
    """
    values = 1.0 / np.random.default_rng(4).exponential(size=(1000, 20))
    found = [median_interval(row) for row in values]
    level = found[0].level
    held = np.mean([one.low <= 1 / math.log(2) <= one.high for one in found])
    assert abs(held - level) <= 5 * math.sqrt(level * (1 - level) / 1000)
    t = t_interval(values.T)
    mean = values[:20].mean()  # of 400
    assert np.mean((t.low <= mean) & (mean <= t.high)) < 0.8


def test_hill_s_estimate_of_an_exact_tail() -> None:
    """Quantiles of a Pareto law of index 1.5. Mutants rejected: the index inverted; all values used."""
    values = (1.0 - (np.arange(400) + 0.5) / 400) ** (-1 / 1.5)
    found = tail_of(np.append(values, np.nan))
    assert (found.runs, found.used) == (400, 100)
    assert found.tail_index == pytest.approx(1.5, rel=0.02)
    assert found.error == pytest.approx(found.tail_index / 10)
    assert found.is_heavy
    assert "may have no variance: tail index 1.5 ± 0.1, Hill's estimate from the 100 largest" in found.why
    assert "may have no mean" in Tail(40, 0.1, 0.9, 0.3, 10).why


def test_the_rules_keep_their_error_and_find_what_has_no_mean() -> None:
    """1,000 samples of 20: exponential values are called heavy in at most 2 %, 1/X in more than half.

    Mutants rejected: an index below 2 without its error, which calls a third of exponential samples heavy.
    """
    rng = np.random.default_rng(6)
    exponential = rng.exponential(size=(1000, 20))
    rates = [np.mean([bool(tail_of(row).why) for row in rows]) for rows in (exponential, 1 / exponential)]
    assert rates[0] <= 0.02 + 5 * math.sqrt(0.02 * 0.98 / 1000)
    assert rates[1] > 0.5
    assert np.mean([tail_of(row).tail_index < 2 for row in exponential]) > 0.2
    assert heavy_index(5) == pytest.approx(10 / stats.gamma.ppf(0.99, 5))
    x = dominant_share(10)
    assert 10 * (1 - x) ** 9 == pytest.approx(0.01)
    assert (exponential.max(axis=1) / exponential.sum(axis=1) > dominant_share(20)).mean() <= 0.02


@pytest.mark.parametrize(
    "values",
    [[], [5.0] * 20, [0.0] * 20, [-1.0, *range(20)], [1.0, 1e9], list(range(80, 120)), [math.inf] * 9],
)
def test_what_has_no_tail_is_called_nothing(values: list[float]) -> None:
    assert tail_of(values).why == ""


def test_a_count_that_is_mostly_zero_is_not_heavy() -> None:
    """Poisson counts of mean 0.3, 800 samples of 4 and 10. Mutant: a zero counts as a value."""
    counts = np.random.default_rng(8).poisson(0.3, size=(800, 10))
    assert tail_of([0.0, 0.0, 0.0, 0.05]).why == ""
    for runs in (4, 10):
        rows = counts[:, :runs]
        assert np.mean([bool(tail_of(row).why) for row in rows]) <= 0.01
        only_one = (rows > 0).sum(axis=1) == 1
        assert only_one.mean() > 0.1


def test_a_heavy_metric_is_named_and_shown_by_medians() -> None:
    """One run of ten has a delay of 10,000 s. Mutants rejected: 1000 ± 2200; a star of the t test only."""
    outcomes = []
    for policy, factor in (("a", 3.0), ("b", 1.0)):
        for seed in range(10):
            values = {metric.name: 10.0 + 0.1 * seed for metric in METRICS}
            values["delay_user_s"] = factor * (1e4 if seed == 7 else 10.0 + seed)
            delays = pd.DataFrame({"delay_s": [1.0], "weight": [1.0]})
            outcomes.append(RunOutcome(f"{policy}-{seed}", policy, seed, values, delays))
    found = Comparison("made", ("a", "b"), tuple(range(10)), tuple(outcomes))
    assert list(found.heavy_tails) == ["delay_user_s"]
    assert tail_warnings(found)[1].startswith("delay/user, b: one of 10 runs makes 99 % of the sum")
    cell = list(comparison_table(found).columns[2].cells)[1]
    assert cell == "14.5 [11, 19]\n-29 [-38, -22] *"
    assert found.differing == {("b", "delay_user_s")}
    row = found.paired.query("metric == 'delay_user_s'").iloc[0]
    assert row["p_t"] > 0.3
    assert row["p"] == row["p_wilcoxon"] == 2 / 2**10
    table = text_table(found.per_run, found.paired, "markdown", metrics=("delay_user_s", "scr"))
    assert "| b | **14.5 [11, 19]**+ |" in table
    assert "where heavy-tailed the median" in table
    assert "10.45 ± 0.22" in table
    assert heavy_tails(found.per_run, ["scr"]) == {}
    claims = [parse_claim(f"{name}:b-a ±2%", ("a", "b")) for name in ("delay_user_s", "scr")]
    verdicts = tuple(judge(claim, [1.0, 1.1], [1.0, 1.2], 0.95) for claim in claims)
    first, second = SequentialComparison(found, verdicts, 1, 1).warnings
    assert first.startswith("delay_user_s:b-a ±2%: the verdict is about means, a: one of 10 runs makes 99 %")
    assert second.startswith("delay_user_s:b-a ±2%: the verdict is about means, b: ")


def test_a_single_policy_with_medians_says_so() -> None:
    """Mutants: "mean ± half width" below medians; "best mean" of them."""
    values = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 1e5]
    alone = pd.DataFrame({"scenario": "x", "policy": "a", "seed": range(10), "delay_user_s": values})
    paired = paired_table(alone, metrics=["delay_user_s"])
    table = text_table(alone, paired, "markdown", metrics=["delay_user_s"])
    assert "| a | 14.5 [11, 18] |" in table
    assert "where heavy-tailed the median" in table
    assert "best mean" not in table


def test_sentences_and_figures_of_a_heavy_metric_rest_on_medians_and_ranks() -> None:
    """A dominating run in ten: b takes half as long in every world, whose mean says nothing.

    Mutants rejected: the ratio of the means with Fieller's interval, which decides nothing; lines of means.
    """
    values = {"a": [10.0 + seed for seed in range(9)] + [1e5]}
    values["b"] = [0.5 * value for value in values["a"][:9]] + [3e4]
    runs = [
        RunSummary(
            None,
            {"policy": policy, "seed": seed},
            dict.fromkeys(VERDICT_METRICS, v),
            None,
            None,
            {},
            (),
            None,
        )
        for policy, own in values.items()
        for seed, v in enumerate(own)
    ]
    found = {
        one.text.split(" in ")[1].split(",")[0]: one for one in sentences(ScenarioRuns("x", tuple(runs)))
    }
    assert found["delay per user"].verdict == "decided"
    assert found["delay per user"].p == 2 / 2**10
    assert found["delay per user"].text.startswith(
        "b beats a by 50 % in delay per user, median of the ratios, 95 % interval 50 to 50, 10 paired"
    )
    frame = pd.DataFrame(
        {
            "scenario": "x",
            "policy": policy,
            "seed": seed,
            "k": k,
            "delay_user_s": v,
            "energy_user_j": 9.0 + seed,
        }
        for policy, own in values.items()
        for seed, v in enumerate(own)
        for k in (1, 2)
    )
    delay, energy = swept_figure(frame, "k", ["delay_user_s", "energy_user_j"]).axes
    assert delay.get_ylabel() == "delay/user (s), median"
    assert energy.get_ylabel() == "energy/user (J)"
    assert delay.lines[0].get_ydata().tolist() == [14.5, 14.5]
    paired = paired_table(frame[frame["k"] == 1], metrics=["delay_user_s", "energy_user_j"])
    titles = [ax.get_title() for ax in forest_figure(paired).axes]
    assert titles == ["delay/user, median, by ranks", "energy/user"]
