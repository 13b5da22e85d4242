"""Copies of what a policy sees, so that nothing it does to them reaches what the engine computes with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def handed_out(value: T) -> T:
    """Return a copy of a tree of frozen dataclasses: new objects, new read-only arrays, the rest as it is.

    What was checked once is not checked again.
    """
    return _copy(value)  # type: ignore[no-any-return]  # of the type of the value


def _copy(value: Any) -> Any:
    kind = type(value)
    if kind is np.ndarray:
        copy = value.copy()
        copy.setflags(write=False)
        return copy
    names, values_of = _fields(kind)  # type: ignore[arg-type]  # a type can be hashed
    if not names:
        return value
    copy = object.__new__(kind)
    for name, own in zip(names, values_of(value), strict=True):
        object.__setattr__(copy, name, _copy(own))
    return copy


def changed_fields(own: Any, handed: Any, path: str) -> Iterator[str]:
    """Yield the dotted names of what differs between a value and what was handed out of it.

    Arrays are compared byte by byte, so a change is found however it was made. No code of others runs.
    """
    if handed is own:
        return
    kind = type(own)
    if type(handed) is not kind:
        yield path
    elif kind is np.ndarray:
        if not _same_bytes(own, handed):
            yield path
    elif names := _fields(kind)[0]:  # type: ignore[arg-type]
        for name in names:
            mine, theirs = getattr(own, name), getattr(handed, name, None)
            if mine is not theirs:
                yield from changed_fields(mine, theirs, f"{path}.{name}")
    else:
        yield path


def _same_bytes(own: np.ndarray[Any, Any], handed: np.ndarray[Any, Any]) -> bool:
    same_form = own.shape == handed.shape and own.dtype == handed.dtype
    return same_form and own.tobytes() == handed.tobytes()


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of the fields of a dataclass, none for another type, and what gets their values."""
    names = tuple(getattr(kind, "__dataclass_fields__", ()))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
