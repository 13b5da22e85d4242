"""Intervals against closed values, scipy and a coverage experiment; each check names the bug it rejects."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mecsim.analysis.stats import paired_difference, t_interval


def test_one_to_five_by_hand() -> None:
    """Mutants rejected: normal quantile, division by n in the variance, s instead of s / sqrt(n)."""
    # t(4, 0.975) = 2.776445105 from any table; s^2 = 2.5
    half = 2.7764451051977987 * np.sqrt(2.5 / 5)
    interval = t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert interval.mean == 3.0
    assert interval.n == 5
    assert interval.high - interval.mean == pytest.approx(half, rel=1e-12)
    assert interval.mean - interval.low == pytest.approx(half, rel=1e-12)
    mutants = {
        "normal": 1.959964 * np.sqrt(2.5 / 5),
        "ddof 0": 2.776445 * np.sqrt(2.0 / 5),
        "no sqrt(n)": 2.776445 * np.sqrt(2.5),
    }
    for name, mutant in mutants.items():
        assert mutant != pytest.approx(half, rel=1e-2), name


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 3, 10, 100])
def test_plain_intervals_equal_scipy(n: int, level: float) -> None:
    samples = np.random.default_rng(n).normal(50, 7, size=n)
    low, high = stats.ttest_1samp(samples, 0.0).confidence_interval(level)
    ours = t_interval(samples, level)
    assert (ours.low, ours.high) == pytest.approx((low, high), rel=1e-12)


def test_paired_intervals_equal_scipy_and_are_not_the_unpaired_ones() -> None:
    """Mutant rejected: Welch's interval, which throws the common random numbers away."""
    rng = np.random.default_rng(1)
    world = rng.normal(100, 20, size=12)
    first, second = world + rng.normal(0, 1, 12), world + 3 + rng.normal(0, 1, 12)
    ours = paired_difference(second, first)
    paired = stats.ttest_rel(second, first).confidence_interval(0.95)
    unpaired = stats.ttest_ind(second, first, equal_var=False).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((paired.low, paired.high), rel=1e-12)
    assert ours.low > 0
    assert unpaired.low < 0 < unpaired.high


def test_intervals_cover_the_mean_as_often_as_they_say() -> None:
    """20 000 intervals of 5 samples, sigma of the share 0.00154, |z| <= 5; mutant: normal quantile."""
    trials = 20_000
    samples = np.random.default_rng(2310).normal(3.0, 2.0, size=(5, trials))
    interval = t_interval(samples)
    sigma = np.sqrt(0.95 * 0.05 / trials)

    def covers(low: np.ndarray, high: np.ndarray) -> float:
        return float(((low <= 3.0) & (high >= 3.0)).mean())

    assert abs(covers(interval.low, interval.high) - 0.95) <= 5 * sigma
    half = 1.959964 * samples.std(axis=0, ddof=1) / np.sqrt(5)
    assert abs(covers(interval.mean - half, interval.mean + half) - 0.95) > 5 * sigma


def test_missing_replications_are_left_out_column_by_column() -> None:
    """Mutant rejected: a missing run counted as a zero."""
    nan = np.nan
    interval = t_interval([[1.0, nan, nan], [3.0, 4.0, nan], [5.0, nan, nan]])
    assert interval.n.tolist() == [3, 1, 0]
    assert interval.mean[:2].tolist() == [3.0, 4.0]
    assert np.isfinite([interval.low[0], interval.high[0]]).all()
    assert np.isnan([interval.low[1], interval.high[1], interval.mean[2]]).all()


def test_a_pair_needs_both_sides() -> None:
    difference = paired_difference([2.0, np.nan, 7.0], [1.0, 5.0, np.nan])
    assert difference.n == 1
    assert difference.mean == 1.0


def test_equal_samples_have_a_width_of_zero() -> None:
    assert t_interval([0.0, 0.0, 0.0])[:3] == (0.0, 0.0, 0.0)
    assert t_interval([0.1, 0.1, 0.1])[:3] == pytest.approx((0.1, 0.1, 0.1), rel=1e-15)
