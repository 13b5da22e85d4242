"""Read-only arrays for frozen value objects."""

from __future__ import annotations

from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def frozen(values: Any, dtype: type = np.float64) -> NDArray[Any]:
    """Return a contiguous copy of ``values`` that cannot be made writable; one that is such a copy is kept.

    Its memory is a ``bytes`` object, so NumPy refuses to lift the flag, and nobody else holds it. It is no
    subclass of ``ndarray``.
    """
    if (
        type(values) is np.ndarray
        and type(values.base) is bytes  # type: ignore[comparison-overlap]  # its stub knows no other base
        and values.dtype == dtype
        and values.flags.c_contiguous
    ):
        return values
    array: NDArray[Any] = np.asarray(values, dtype=dtype)
    return np.ndarray(array.shape, array.dtype, buffer=array.tobytes())


class _OfUsers(Protocol):
    def of_users(self, chosen: Ints | NDArray[np.bool_]) -> Self: ...


_Group = TypeVar("_Group", bound=_OfUsers)


def of_users(group: _Group | None, chosen: Ints | NDArray[np.bool_] | None) -> _Group | None:
    """Return what an optional group has for some users, by index or mask; all of it without a choice."""
    return group if group is None or chosen is None else group.of_users(chosen)
