"""Tests on paired replications: for a difference, for equivalence, and for the size of the effect.

Each takes one pair per replication, of the same seed, and leaves out pairs with a NaN.

References
----------
Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945). Holm, "A simple
sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979). Schuirmann, "A comparison
of the two one-sided tests procedure", J. Pharmacokinet. Biopharm. 15 (1987). Hedges, "Distribution
theory for Glass's estimator of effect size", J. Educ. Stat. 6 (1981).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecsim.analysis.student import shared_ranks, t_above


def t_test(samples: ArrayLike, reference: ArrayLike) -> float:
    """Return the two-sided p value of the paired t test; NaN with fewer than two pairs."""
    difference = _differences(samples, reference)
    if len(difference) < 2:
        return math.nan
    return 2.0 * min(_t_tail(difference), _t_tail(-difference))


def wilcoxon_exact(samples: ArrayLike, reference: ArrayLike) -> float:
    """Return the exact two-sided p value of Wilcoxon's signed-rank test.

    Pairs without a difference are left out, equal differences share their mean rank, and the
    probability is that of all 2^n signs of the ranks found: exact with ties as well.
    NaN without any difference.
    """
    ranks, positive = _signed_ranks(samples, reference)
    if len(ranks) == 0:
        return math.nan
    # Twice the ranks are whole numbers, also those that are shared.
    doubled = np.rint(2.0 * ranks).astype(np.int64)
    chance = np.zeros(int(doubled.sum()) + 1)
    chance[0] = 1.0
    for rank in doubled:
        chance *= 0.5
        chance[rank:] += chance[: len(chance) - rank].copy()
    observed = int(doubled[positive].sum())
    tails = chance[: observed + 1].sum(), chance[observed:].sum()
    return min(1.0, 2.0 * float(min(tails)))


def equivalence(samples: ArrayLike, reference: ArrayLike, margin: float, *, relative: bool = True) -> float:
    """Return the p value of two one-sided tests (TOST): small if the means differ by less than a margin.

    Parameters
    ----------
    samples, reference : (n,) float
    margin : float
        Largest difference that counts as equivalent; positive.
    relative : bool
        The margin is a share of the mean of the reference, not a number in the metric's unit.

    Returns
    -------
    float
        The larger of the two one-sided p values. NaN with fewer than two pairs.
    """
    x, y = _pairs(samples, reference)
    if len(x) < 2:
        return math.nan
    sign = -1.0 if relative and y.mean() < 0 else 1.0
    above = x - (1.0 + sign * margin) * y if relative else x - y - margin
    below = x - (1.0 - sign * margin) * y if relative else x - y + margin
    return max(_t_tail(-above), _t_tail(below))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p values adjusted for their number by Holm's method, in their order; a NaN is no test.

    Rejecting those of at most 0.05 keeps the chance of any false rejection below 5 %, however the
    tests depend on each other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def effect_size(samples: ArrayLike, reference: ArrayLike) -> float:
    """Return the mean difference over the standard deviation of the differences, for few pairs corrected.

    Hedges' correction Γ(f/2) / (sqrt(f/2) Γ((f-1)/2)) with f = n - 1 removes the bias. About
    0.2 is called small, 0.8 large; with common random numbers much larger ones are usual. NaN
    with fewer than three pairs or without any spread.
    """
    difference = _differences(samples, reference)
    freedom = len(difference) - 1
    if freedom < 2 or np.ptp(difference) == 0:
        return math.nan
    log_correction = math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2) - 0.5 * math.log(freedom / 2)
    return float(difference.mean() / difference.std(ddof=1) * math.exp(log_correction))


def rank_biserial(samples: ArrayLike, reference: ArrayLike) -> float:
    """Return the share of the rank sum above zero less that below: 1 if every pair goes up, -1 if down."""
    ranks, positive = _signed_ranks(samples, reference)
    if len(ranks) == 0:
        return math.nan
    return float((ranks[positive].sum() - ranks[~positive].sum()) / ranks.sum())


def _pairs(samples: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(samples, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    present = ~(np.isnan(x) | np.isnan(y))
    return x[present], y[present]


def _differences(samples: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    x, y = _pairs(samples, reference)
    return x - y


def _signed_ranks(samples: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    difference = _differences(samples, reference)
    difference = difference[difference != 0]
    return shared_ranks(np.abs(difference)), difference > 0


def _t_tail(values: NDArray[np.float64]) -> float:
    """Return the probability of a t at least as large as that of the values, if their mean were zero."""
    error = values.std(ddof=1) / math.sqrt(len(values))
    if error == 0:
        return 0.5 if values[0] == 0 else float(values[0] < 0)
    return t_above(values.mean() / error, len(values) - 1)
