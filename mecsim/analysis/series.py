"""One run as a series: the interval of its mean, the end of its warm-up, and whether it grows.

References
----------
Law, "Simulation Modeling and Analysis", 5th ed. (2015), sections 9.5.1 and 9.5.3. White, "An
effective truncation heuristic for bias reduction in simulation output", Simulation 69 (1997), and
White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics", Proc. Winter
Simulation Conf. (2000), for MSER-5.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecsim.analysis.stats import LEVEL, Interval, t_interval
from mecsim.analysis.student import t_above

BATCHES = 20
GROWTH_LEVEL = 0.001
GROWTH_SHARE = 0.5


class Truncation(NamedTuple):
    """How many values of a series to drop as warm-up; meaningless if the series is too short."""

    dropped: int
    too_short: bool


class Growth(NamedTuple):
    """A linear trend: its rise from end to end as a share of the mean, and its one-sided p value."""

    share: float
    p: float

    @property
    def is_steady(self) -> bool:
        """Growth by more than half the mean that chance does not explain (p below 0.001)."""
        return self.p < GROWTH_LEVEL and self.share > GROWTH_SHARE


def batch_means(series: ArrayLike, batches: int = BATCHES, level: float = LEVEL) -> Interval:
    """Return the interval of the mean of one stationary series by the method of batch means.

    The values left over after whole batches are dropped from the beginning. The interval has
    its nominal level if a batch is much longer than the time over which values depend on each other.

    Parameters
    ----------
    series : (n,) float
        In order of time, after the warm-up.
    batches : int
        Number of batches of equal size.
    level : float
        Confidence, between 0 and 1.

    Returns
    -------
    Interval
        ``n`` is the number of batches; the ends are NaN if there are fewer values than batches.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < batches:
        alone = t_interval(values).mean
        return Interval(alone, np.full((), np.nan), np.full((), np.nan), np.asarray(len(values)))
    return t_interval(_batched(values, len(values) // batches, batches), level)


def mser5(series: ArrayLike) -> Truncation:
    """Return the truncation that MSER-5 chooses: the one with the smallest standard error of what is left.

    The series is averaged in batches of five, and the number d of batches dropped minimises
    sum (x_i - mean)^2 / (k - d)^2 over those left. Only d up to k / 2 is considered; a minimum
    there means that the run is too short for an answer.
    """
    values = np.asarray(series, dtype=np.float64)
    count = len(values) // 5
    if count < 10:
        return Truncation(0, too_short=True)
    # From the end, so that the sums over what is left are running sums.
    means = values[: 5 * count].reshape(count, 5).mean(axis=1)[::-1]
    centred = means - means.mean()
    left = np.arange(1, count + 1)
    squares = np.maximum(np.cumsum(centred**2) - np.cumsum(centred) ** 2 / left, 0.0)
    error = (squares / left**2)[::-1][: count // 2 + 1]
    dropped = int(np.argmin(error))
    return Truncation(5 * dropped, too_short=dropped == count // 2)


def growth(series: ArrayLike, batches: int = BATCHES) -> Growth:
    """Return the linear trend over the batch means of a series.

    The error of the slope is widened by sqrt((1 + r) / (1 - r)), r being the correlation of
    neighbouring residuals, because batches of a busy queue depend on each other.
    """
    values = np.asarray(series, dtype=np.float64)
    if len(values) < batches:
        return Growth(math.nan, math.nan)
    means = _batched(values, len(values) // batches, batches)
    time = np.arange(batches) - (batches - 1) / 2.0
    slope = float(time @ means / (time @ time))
    residual = means - means.mean() - slope * time
    spread = float(residual @ residual)
    level = abs(float(means.mean()))
    share = slope * batches / level if level > 0 else math.nan
    if spread == 0:
        return Growth(share, 0.0 if slope > 0 else 1.0)
    r = min(max(float(residual[1:] @ residual[:-1]) / spread, 0.0), 0.99)
    error = math.sqrt(spread / (batches - 2) / float(time @ time) * (1.0 + r) / (1.0 - r))
    return Growth(share, t_above(slope / error, batches - 2))


def _batched(values: NDArray[np.float64], size: int, batches: int) -> NDArray[np.float64]:
    return np.asarray(values[len(values) - size * batches :].reshape(batches, size).mean(axis=1))
