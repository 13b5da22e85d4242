"""The centre of a metric over replications: its mean or, where the tail is heavy, its median.

Every table, chart and figure that shows one number for several runs takes it from here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mecsim.analysis.rounding import bracketed, plus_minus
from mecsim.analysis.stats import median_interval, t_interval


class Centre(NamedTuple):
    """A mean with its 95 % t interval, or a median with its order-statistic interval.

    Parameters
    ----------
    value, low, high : float
        The value is NaN without any sample; the ends are NaN with fewer than two, and of a median with fewer
        than six.
    is_median : bool
    """

    value: float
    low: float
    high: float
    is_median: bool = False

    @property
    def ends(self) -> tuple[float, float]:
        """How far the interval reaches below and above, as error bars want it; 0 where it is unknown."""
        below, above = np.nan_to_num([self.value - self.low, self.high - self.value])
        return float(below), float(above)

    @property
    def text(self) -> str:
        """``mean ± half width``, or ``median [low, high]``."""
        return self.written()

    def written(self, *, signed: bool = False) -> str:
        """Return the text; of a difference with the sign in front."""
        if self.is_median:
            return bracketed(self.value, self.low, self.high, signed=signed)
        text = plus_minus(self.value, self.high - self.value)
        return f"+{text}" if signed and self.value >= 0 else text


def centre(samples: ArrayLike, *, is_heavy: bool) -> Centre:
    """Return the centre of values, one a replication; NaN is left out.

    Parameters
    ----------
    samples : (n,) float
    is_heavy : bool
        Whether the metric is heavy-tailed in the table or figure (:func:`mecsim.analysis.tails.heavy_tails`).
    """
    values = np.asarray(samples, dtype=np.float64)
    if is_heavy:
        return Centre(*median_interval(values)[:3], is_median=True)
    mean, low, high, _ = t_interval(values)
    return Centre(float(mean), float(low), float(high))


def middle_runs(totals: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Return the one or two places whose mean is the median of the totals; none where all are NaN.

    Parts that add up to the total in each run add up to its median in the means of these runs.
    """
    values = np.asarray(totals, dtype=np.float64)
    count = int(np.count_nonzero(~np.isnan(values)))
    order = np.argsort(values, kind="stable")[:count]  # NaN comes last
    return np.asarray(order[(count - 1) // 2 : count // 2 + 1])
