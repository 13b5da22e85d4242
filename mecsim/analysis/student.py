"""Student's t law and ranks without SciPy's module of statistics, whose import takes a second."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def t_quantile(share: float, freedom: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the value below which a share of Student's t law lies; NaN where the degrees of freedom are."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(freedom, share), dtype=np.float64)


def t_above(value: float, freedom: float) -> float:
    """Return the probability that Student's t is larger than a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))


def shared_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return the rank of each value, 1 the smallest; equal values share the mean of their ranks.

    Parameters
    ----------
    values : (n,) float
        Without NaN.
    """
    _, group, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - 0.5 * (count - 1))[group])
