"""Metrics whose mean over replications does not exist, or rests on a few runs: how they are found.

The longest delay of a snapshot with an equal split is like 1/X with X exponential at 0: it has no mean, and a
t interval of a few of its values says nothing. Two rules look at the values of one policy, one a run:

- *A few runs dominate*: the largest value has a share of the sum that the largest of as many exponential
  variables as there are values above 0 exceeds with a chance of at most 1 % (Fisher's test for the largest of
  a set). So a count that is zero in most runs is not heavy-tailed for that.
- *The tail is heavy*: Hill's estimate of the tail index, from the largest quarter of the values, is so small
  that the index is below 2, where no variance exists, with an error of at most 1 %.

A metric is heavy-tailed in a table if it is for any of its policies; then medians are compared.

References
----------
Fisher, "Tests of significance in harmonic analysis", Proc. R. Soc. Lond. A 125 (1929). Hill, "A simple
general approach to inference about the tail of a distribution", Ann. Stat. 3 (1975).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    import pandas as pd

CHANCE = 0.01
"""Largest chance with which either rule calls a metric heavy-tailed that lies at the border."""
LIGHTEST = 2.0
"""Tail index from which on a variance exists."""
_FEWEST, _FEWEST_HILL = 4, 12


class Tail(NamedTuple):
    """The upper tail of the values of one metric.

    Parameters
    ----------
    runs : int
        How many values there are.
    share : float
        The largest value over the sum; NaN where values are not all positive.
    tail_index, error : float
        Hill's estimate and its standard error; NaN with fewer than 12 values.
    used : int
        From how many of the largest values it is.
    positive : int
        How many values are above 0.
    """

    runs: int
    share: float
    tail_index: float = math.nan
    error: float = math.nan
    used: int = 0
    positive: int = 0

    @property
    def is_dominated(self) -> bool:
        """Whether the largest value makes more of the sum than chance gives exponential ones."""
        return self.positive >= _FEWEST and self.share > dominant_share(self.positive)

    @property
    def is_heavy(self) -> bool:
        """Whether the tail index is surely below 2."""
        return self.used > 0 and self.tail_index < heavy_index(self.used)

    @property
    def why(self) -> str:
        """Why the mean should not be trusted; empty if there is no reason."""
        reasons = []
        if self.is_heavy:
            lacks = "mean" if self.tail_index <= 1 else "variance"
            reasons.append(
                f"it may have no {lacks}: tail index {self.tail_index:.2g} ± {self.error:.1g}, Hill's "
                f"estimate from the {self.used} largest of {self.runs} runs"
            )
        if self.is_dominated:
            reasons.append(f"one of {self.runs} runs makes {100 * self.share:.0f} % of the sum")
        return "; ".join(reasons)


def dominant_share(runs: int) -> float:
    """Return the share of the sum that the largest of so many exponential variables exceeds with 1 %.

    It solves n (1 - x)^(n - 1) = 0.01, the first term of Fisher's sum, which is an upper bound of the chance
    and equals it from x = 1/2 on.
    """
    return float(1.0 - (CHANCE / runs) ** (1.0 / (runs - 1)))


@lru_cache(maxsize=256)
def heavy_index(used: int) -> float:
    """Return the Hill estimate that a Pareto tail of index 2 falls below with a chance of 1 %.

    The estimate of k exceedances is index * k over a gamma variable of shape k.
    """
    from scipy import stats

    return float(LIGHTEST * used / stats.gamma.ppf(1.0 - CHANCE, used))


def tail_of(samples: ArrayLike) -> Tail:
    """Return the upper tail of some values, one a run; NaN is left out."""
    values = np.asarray(samples, dtype=np.float64)
    values = np.sort(values[~np.isnan(values)])[::-1]
    n = len(values)
    if n == 0 or not values[-1] >= 0 or not 0 < values[0] < math.inf:
        return Tail(n, math.nan)
    share, used, positive = float(values[0] / values.sum()), n // 4, int(np.count_nonzero(values))
    if n < _FEWEST_HILL or values[used] <= 0 or values[0] == values[used]:
        return Tail(n, share, positive=positive)
    index = used / float(np.log(values[:used] / values[used]).sum())
    return Tail(n, share, index, index / math.sqrt(used), used, positive)


def heavy_tails(per_run: pd.DataFrame, metrics: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return for each heavy-tailed metric why, by policy.

    Parameters
    ----------
    per_run : DataFrame
        One row a run of one setting: ``policy`` and the metrics.
    metrics : sequence of str
    """
    found: dict[str, dict[str, str]] = {}
    for policy, own in per_run.groupby("policy", sort=False):
        for metric in metrics:
            if why := tail_of(own[metric].to_numpy(np.float64)).why:
                found.setdefault(metric, {})[str(policy)] = why
    return found
