"""Student-t intervals over independent replications, plain and paired.

Rounds within a run depend on each other, runs with different seeds do not: every interval here
is over one number per replication. Policies see the same world under the same seed, so the
difference between two policies is taken seed by seed before its interval (common random numbers).

References
----------
Law, "Simulation Modeling and Analysis", 5th ed. (2015), sections 4.5 and 10.2.1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95


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
    from scipy import stats

    values = np.asarray(samples, dtype=np.float64)
    present = ~np.isnan(values)
    n = present.sum(axis=0)
    count = np.where(n > 0, n, np.nan)
    mean = np.where(present, values, 0.0).sum(axis=0) / count
    squares = np.where(present, (values - mean) ** 2, 0.0).sum(axis=0)
    freedom = np.where(n > 1, n - 1, np.nan)
    half = stats.t.ppf(0.5 + level / 2, freedom) * np.sqrt(squares / freedom / count)
    return Interval(mean, mean - half, mean + half, np.asarray(n))


def paired_difference(samples: ArrayLike, reference: ArrayLike, level: float = LEVEL) -> Interval:
    """Return the t interval of ``samples - reference``, pair by pair along the first axis.

    A pair with a NaN on either side is left out. Pairs must be of the same seed: then what the
    seed does to both policies cancels, and the interval is as narrow as the policies allow.
    """
    difference = np.asarray(samples, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    return t_interval(difference, level)
