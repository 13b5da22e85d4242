"""Read-only arrays for frozen value objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def frozen(values: Any, dtype: type = np.float64) -> NDArray[Any]:
    """Return a read-only, contiguous copy of ``values``; one that is read-only already is kept."""
    if (
        isinstance(values, np.ndarray)
        and values.dtype == dtype
        and not values.flags.writeable
        and values.flags.c_contiguous
        and values.base is None
    ):
        return values
    array: NDArray[Any] = np.array(values, dtype=dtype, order="C")
    array.flags.writeable = False
    return array
