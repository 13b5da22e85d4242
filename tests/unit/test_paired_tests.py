"""Paired tests against published examples and scipy; each names the bug it rejects."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mecsim.analysis.hypotheses import (
    effect_size,
    equivalence,
    holm,
    rank_biserial,
    t_test,
    wilcoxon_exact,
)
from mecsim.analysis.paired import paired_table
from mecsim.analysis.stats import bca_interval, paired_difference, ratio_interval
from mecsim.errors import MecsimError

# Student (1908), extra hours of sleep under two drugs; data set `sleep` of R, example of its help for t.test.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
# Hollander and Wolfe (1973), page 29: Hamilton depression scale; example of R's help for wilcox.test.
BEFORE = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
AFTER = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
# Efron and Tibshirani (1993), table 14.1: spatial test data, A; example 7.8 of Martinez and Martinez,
# Computational Statistics Handbook with MATLAB (2002).
SPATIAL_A = [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6]
SPATIAL_A += [0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41]


def test_student_s_sleep_data():
    """Published: t = 4.0621, p = 0.002833, 0.7001 to 2.4599. Mutant: the unpaired test, p = 0.0794."""
    interval = paired_difference(SLEEP_2, SLEEP_1)
    assert (interval.low, interval.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)
    assert t_test(SLEEP_2, SLEEP_1) == pytest.approx(0.002833, abs=5e-7)
    assert stats.ttest_ind(SLEEP_2, SLEEP_1).pvalue > 0.05


def test_wilcoxon_of_hollander_and_wolfe():
    """Published: V = 40, one-sided p = 0.01953. Mutant: the normal approximation, two-sided 0.0382."""
    assert wilcoxon_exact(BEFORE, AFTER) == pytest.approx(2 * 0.01953125, abs=1e-12)
    normal = stats.wilcoxon(BEFORE, AFTER, method="asymptotic").pvalue
    assert normal != pytest.approx(2 * 0.01953125, rel=1e-3)


@pytest.mark.parametrize("n", [1, 4, 9, 30])
def test_wilcoxon_equals_scipy_without_ties(n):
    x, y = np.random.default_rng(n).normal(0.3, 1, (2, n))
    assert wilcoxon_exact(x, y) == pytest.approx(stats.wilcoxon(x, y, method="exact").pvalue, rel=1e-10)


def test_wilcoxon_is_exact_with_ties_and_zeros():
    """All 2^n signs counted one by one. Mutant: ties broken by their order in the data."""
    difference = np.array([1.0, 1.0, -1.0, 2.0, 2.0, 3.0, 0.0, -2.0, 3.0])
    kept = difference[difference != 0]
    ranks = stats.rankdata(np.abs(kept))
    observed = ranks[kept > 0].sum()
    signs = (np.arange(2**8)[:, None] >> np.arange(8)) & 1
    sums = signs @ ranks
    expected = 2 * min((sums >= observed).mean(), (sums <= observed).mean())
    assert wilcoxon_exact(difference, np.zeros(9)) == pytest.approx(expected, rel=1e-12)
    broken = signs @ stats.rankdata(np.abs(kept), method="ordinal")
    shown = stats.rankdata(np.abs(kept), method="ordinal")[kept > 0].sum()
    assert 2 * min((broken >= shown).mean(), (broken <= shown).mean()) != pytest.approx(expected, rel=1e-3)


def test_holm_by_hand():
    """0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1 raised to the one before. Mutants: Bonferroni, no raising."""
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, np.nan, 0.04])[0] == pytest.approx(0.02)
    assert np.isnan(holm([0.01, np.nan, 0.04])[1])
    assert (np.minimum(1, 4 * np.array(p))).tolist() != pytest.approx(holm(p).tolist())
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("relative", [True, False])
def test_equivalence_is_the_90_percent_interval_inside_the_margin(relative):
    """Schuirmann's duality, for 200 samples. Mutant: one side alone, which a worse policy passes."""
    rng = np.random.default_rng(8)
    agree, one_sided = 0, 0
    for _ in range(200):
        y = rng.normal(10, 2, 12)
        x = y + rng.normal(rng.uniform(-0.6, 0.6), 0.4, 12)
        margin = 0.05 if relative else 0.5
        interval = (ratio_interval if relative else paired_difference)(x, y, 0.9)
        none = 1.0 if relative else 0.0
        inside = none - margin < interval.low and interval.high < none + margin
        agree += (equivalence(x, y, margin, relative=relative) < 0.05) == inside
        one_sided += (interval.low > none - margin) == inside
    assert agree == 200
    assert one_sided < 200


def test_fieller_holds_the_ratios_that_a_t_test_does_not_reject():
    """Its ends are where the t test of x - r y has p = 0.05. Mutant: the interval of x / y, pair by pair."""
    rng = np.random.default_rng(3)
    y = rng.normal(10, 2, 15)
    x = 1.2 * y + rng.normal(0, 1.5, 15)
    interval = ratio_interval(x, y)
    for end in (interval.low, interval.high):
        assert stats.ttest_1samp(x - end * y, 0).pvalue == pytest.approx(0.05, rel=1e-9)
    assert interval.mean == pytest.approx(x.mean() / y.mean())
    naive = stats.ttest_1samp(x / y, 0).confidence_interval(0.95)
    assert naive.low != pytest.approx(float(interval.low), rel=1e-3)


def test_a_ratio_to_nothing_has_no_bounds():
    interval = ratio_interval(SLEEP_2, SLEEP_1)
    assert (interval.low, interval.high) == (-np.inf, np.inf)
    assert np.isnan(ratio_interval([0.0, 0.0], [0.0, 0.0]).mean)
    assert np.isnan(ratio_interval([1.0], [2.0]).low)


def test_bca_of_efron_and_tibshirani():
    """Martinez: variance 171.5, 115.97 to 258.54 at 90 %, from 2000 resamples. Mutant: percentiles."""
    interval = bca_interval(SPATIAL_A, 0.9, statistic=np.var)
    assert interval.mean == pytest.approx(171.5, abs=0.05)
    assert (interval.low, interval.high) == pytest.approx((115.97, 258.54), rel=0.03)
    plain = stats.bootstrap(
        (SPATIAL_A,), np.var, confidence_level=0.9, n_resamples=2000, method="percentile", rng=1
    ).confidence_interval
    assert tuple(plain) != pytest.approx((115.97, 258.54), rel=0.03)
    assert bca_interval(SPATIAL_A, 0.9, statistic=np.var) == interval


def test_intervals_of_little():
    assert np.isnan(bca_interval([3.0]).low)
    assert np.isnan(bca_interval([np.nan]).mean)
    assert bca_interval([2.0, 2.0, 2.0])[:3] == (2.0, 2.0, 2.0)
    assert np.isnan([t_test([1.0], [2.0]), wilcoxon_exact([1.0], [1.0]), effect_size([1, 2], [0, 0])]).all()
    assert t_test([2.0, 3.0], [1.0, 2.0]) == 0.0
    assert t_test([1.0, 2.0], [1.0, 2.0]) == 1.0


def test_effect_size_is_unbiased():
    """4000 samples of 6 with effect 1, |z| <= 5 of their mean. Mutant: without Hedges' correction."""
    samples = np.random.default_rng(4).normal(1.0, 1.0, (20_000, 6))
    found = np.array([effect_size(one, np.zeros(6)) for one in samples[:4000]])
    raw = samples.mean(axis=1) / samples.std(axis=1, ddof=1)
    error = raw.std() / np.sqrt(4000)
    assert abs(found.mean() - 1.0) <= 5 * error
    assert abs(raw.mean() - 1.0) > 5 * error
    assert rank_biserial(SLEEP_2, SLEEP_1) == 1.0
    assert rank_biserial([1.0, -3.0], [0.0, 0.0]) == pytest.approx(-1 / 3)


def runs(effects: dict[str, float], seeds: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    world = rng.normal(100, 10, seeds)
    return pd.DataFrame(
        {"scenario": "made", "policy": policy, "seed": s, "scr": v, "delay_s": v / 10}
        for policy, effect in effects.items()
        for s, v in enumerate(world * (1 + effect) + rng.normal(0, 0.2, seeds))
    )


def test_verdicts_know_what_is_better():
    """A larger SCR is better and a larger delay worse. Mutant: the sign of the difference alone."""
    table = paired_table(runs({"a": 0.0, "b": 0.1, "c": 0.0005}), metrics=("scr", "delay_s"))
    verdict = table.set_index(["policy", "metric"])["verdict"]
    assert verdict["b", "scr"] == "better"
    assert verdict["b", "delay_s"] == "worse"
    assert verdict["c", "scr"] == "equivalent"
    assert (table["p_t_holm"] >= table["p_t"]).all()
    assert (table["reference"] == "a").all()


def test_a_missing_run_takes_its_pair_away():
    frame = runs({"a": 0.0, "b": 0.1})
    table = paired_table(frame.drop(index=[0, 20]), metrics=("scr",))
    assert table["pairs"].to_list() == [10]
    shuffled = frame.sample(frac=1, random_state=3)
    whole = paired_table(frame, "a", metrics=("scr",))
    pd.testing.assert_frame_equal(paired_table(shuffled, "a", metrics=("scr",)), whole)


def test_settings_are_paired_within_themselves():
    """Mutant: seeds of different settings mixed, which would average them first."""
    frame = pd.concat([runs({"a": 0.0, "b": e}).assign(key=k) for k, e in ((1, 0.1), (2, -0.1))])
    table = paired_table(frame, "a", metrics=("scr",), by=("scenario", "key"))
    assert table["key"].to_list() == [1, 2]
    assert table["verdict"].to_list() == ["better", "worse"]


def test_an_unknown_reference_is_named():
    with pytest.raises(MecsimError, match=r"reference = bb: must be one of aaa, bbb; did you mean 'bbb'\?"):
        paired_table(runs({"aaa": 0.0, "bbb": 0.1}), "bb", metrics=("scr",))


def test_a_verdict_by_ranks_has_their_sign():
    """Fewer handovers in 9 worlds, as many in 11, and one world dominates: better, though the median is 0.

    Mutant: the sign of the median, by which no metric is better.
    """
    more = [0.1, 0.1, 0.2, 0.1, 0.3, 0.1, 0.2, 0.1, 9.0, *[0.0] * 11]
    frame = pd.DataFrame(
        {"scenario": "made", "policy": policy, "seed": s, "handovers_per_round": v}
        for policy, values in (("a", more), ("b", np.zeros(20)))
        for s, v in enumerate(values)
    )
    for reference, verdict in (("a", "better"), ("b", "worse")):
        (row,) = paired_table(frame, reference, metrics=("handovers_per_round",)).to_dict("records")
        assert (row["heavy_tail"], row["median"], row["verdict"]) == (True, 0.0, verdict)
