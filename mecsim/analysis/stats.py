"""Intervals over independent replications: plain, paired, of ratios, of medians, and by the bootstrap.

Rounds within a run depend on each other, runs with different seeds do not: every interval here
is over one number per replication. Policies see the same world under the same seed, so the
difference between two policies is taken seed by seed before its interval (common random numbers).

References
----------
Law, "Simulation Modeling and Analysis", 5th ed. (2015), sections 4.5 and 10.2.1. Fieller, "Some
problems in interval estimation", J. R. Stat. Soc. B 16 (1954). Efron, "Better bootstrap
confidence intervals", J. Am. Stat. Assoc. 82 (1987).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecsim.analysis.student import t_quantile
from mecsim.rng import Purpose, stream

LEVEL = 0.95
RESAMPLES = 2000


class Interval(NamedTuple):
    """A mean with its confidence interval, and the number of samples; arrays of equal shape."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: NDArray[np.int64]


def t_interval(samples: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the t interval of the mean along the first axis: mean ± t(n-1) s / sqrt(n).

    Parameters
    ----------
    samples : (n, ...) float
        One sample a replication; NaN marks a replication without a value and is left out.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        Of shape ``samples.shape[1:]``. The mean is NaN without any sample, the ends are NaN
        with fewer than two.
    """
    values = np.asarray(samples, dtype=np.float64)
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    count = np.where(n > 0, n, np.nan)
    mean = np.where(present, values, 0.0).sum(axis=0) / count
    squares = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
    freedom = np.where(n > 1, n - 1, np.nan)
    half = t_quantile(0.5 + level / 2, freedom) * np.sqrt(squares / freedom / count)
    return Interval(mean, mean - half, mean + half, np.asarray(n))


def paired_difference(samples: ArrayLike, reference: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the t interval of ``samples - reference``, pair by pair along the first axis.

    A pair with a NaN on either side is left out. Pairs must be of the same seed: then what the
    seed does to both policies cancels, and the interval is as narrow as the policies allow.
    """
    difference = np.asarray(samples, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return t_interval(difference, level)


def ratio_interval(samples: ArrayLike, reference: ArrayLike, level: float = LEVEL) -> Interval:
    """Return Fieller's interval of mean(samples) / mean(reference), pairs along the first axis.

    It contains the ratios r for which the t interval of ``samples - r * reference`` contains zero.

    Parameters
    ----------
    samples, reference : (n, ...) float
        One pair a replication; a pair with a NaN on either side is left out.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        The ends are infinite where the mean of the reference may be zero at this level, NaN with
        fewer than two pairs; the ratio is NaN where that mean is zero.
    """
    x, y = np.broadcast_arrays(np.asarray(samples, np.float64), np.asarray(reference, np.float64))
    present = ~(np.isnan(x) | np.isnan(y))
    n = present.sum(axis=0)
    count, freedom = np.where(n > 0, n, np.nan), np.where(n > 1, n - 1, np.nan)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.where(present, values, 0.0).sum(axis=0) / count)

    mean_x, mean_y = mean(x), mean(y)
    dx, dy = x - mean_x, y - mean_y
    factor = t_quantile(0.5 + level / 2, freedom) ** 2 / freedom
    # The ends are the roots of a r^2 - 2 b r + c.
    a = mean_y**2 - factor * mean(dy * dy)
    b = mean_x * mean_y - factor * mean(dx * dy)
    c = mean_x**2 - factor * mean(dx * dx)
    safe = np.where(a > 0, a, np.nan)
    root = np.sqrt(np.maximum(b * b - a * c, 0.0))
    unbounded = np.where(a <= 0, np.inf, np.nan)
    low = np.where(a > 0, (b - root) / safe, -unbounded)
    high = np.where(a > 0, (b + root) / safe, unbounded)
    ratio = mean_x / np.where(mean_y == 0, np.nan, mean_y)
    return Interval(ratio, low, high, np.asarray(n))


def bca_interval(
    samples: ArrayLike,
    level: float = LEVEL,
    *,
    statistic: Callable[..., NDArray[np.float64]] = np.mean,
    resamples: int = RESAMPLES,
) -> Interval:
    """Return the bias-corrected and accelerated bootstrap interval of a statistic.

    For differences that are far from normal. With fewer than about ten replications it is too narrow,
    as every bootstrap interval is: use the t interval then.

    Parameters
    ----------
    samples : (n,) float
        One sample a replication; NaN is left out.
    level : float
        Confidence, between 0 and 1.
    statistic : callable
        Of an array and the keyword ``axis``.
    resamples : int
        The same random numbers are drawn every time.

    Returns
    -------
    Interval
        Without a shape. The ends are NaN with fewer than two samples, and equal to the statistic
        where all samples are.
    """
    from scipy import stats

    values = np.asarray(samples, dtype=np.float64)
    values = values[~np.isnan(values)]
    n = np.asarray(len(values))
    if len(values) == 0:
        nan = np.asarray(np.nan)
        return Interval(nan, nan, nan, n)
    estimate = np.asarray(statistic(values, axis=-1), dtype=np.float64)
    if len(values) == 1 or np.ptp(values) == 0:
        end = estimate if len(values) > 1 else np.asarray(np.nan)
        return Interval(estimate, end, end, n)
    found = stats.bootstrap(
        (values,), statistic, method="BCa", confidence_level=level, n_resamples=resamples,
        rng=stream(0, Purpose.RESAMPLING),
    ).confidence_interval  # fmt: skip
    return Interval(estimate, np.asarray(found.low), np.asarray(found.high), n)


class MedianInterval(NamedTuple):
    """A median with its confidence interval, the level that it has, and the number of samples."""

    median: float
    low: float
    high: float
    level: float
    n: int


def median_interval(samples: ArrayLike, level: float = LEVEL) -> MedianInterval:
    """Return the median between two of the sorted samples that hold that of the law, whatever the law is.

    From the r-th smallest to the r-th largest, r as large as the level allows: the interval misses if fewer
    than r samples are on one side of the median, and how many there are is binomial. So its level is exact
    for every continuous law, and at least that asked for.

    Parameters
    ----------
    samples : (n,) float
        One sample a replication; NaN is left out.
    level : float
        Least confidence.

    Returns
    -------
    MedianInterval
        The ends are NaN where not even the smallest and the largest sample have the level: at 95 % with
        fewer than six.

    References
    ----------
    David and Nagaraja, "Order Statistics", 3rd ed. (2003), section 7.1.
    """
    from scipy import stats

    values = np.asarray(samples, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])
    n = len(values)
    if n == 0:
        return MedianInterval(np.nan, np.nan, np.nan, np.nan, 0)
    miss = 2.0 * stats.binom.cdf(np.arange((n + 1) // 2), n, 0.5)  # of the interval with r = 1, 2, ...
    r = int(np.searchsorted(miss, 1.0 - level, side="right"))
    if r == 0:
        return MedianInterval(float(np.median(values)), np.nan, np.nan, np.nan, n)
    return MedianInterval(float(np.median(values)), values[r - 1], values[n - r], 1.0 - miss[r - 1], n)


def median_ratio(samples: ArrayLike, reference: ArrayLike) -> MedianInterval:
    """Return the median of the ratios of pairs, with its order-statistic interval."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return median_interval(np.asarray(samples, np.float64) / np.asarray(reference, np.float64))


def weighted_quantile(values: ArrayLike, weights: ArrayLike, q: ArrayLike) -> NDArray[np.float64]:
    """Return the smallest value with at least the share ``q`` of the weight at or below it.

    Parameters
    ----------
    values, weights : (n,) float
        In any order; at least one.
    q : float or array of float
        Shares from 0 to 1.

    Returns
    -------
    ndarray
        Of the shape of ``q``.
    """
    # A running sum of weights is off by a few ulp; without the margin the next value would be taken then.
    shares = np.maximum(np.asarray(q, dtype=np.float64) - 1e-12, 0.0)
    data, weight = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    return np.asarray(np.quantile(data, shares, weights=weight, method="inverted_cdf"))
