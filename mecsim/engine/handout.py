"""Copies of what a policy sees, so that nothing it does to them reaches what the engine computes with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

_PLAIN = {float, int, bool, str, type(None)}


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
        object.__setattr__(copy, name, own if type(own) in _PLAIN else _copy(own))
    return copy


def changed_fields(own: Any, handed: Any, path: str) -> Iterator[str]:
    """Yield the dotted names of what differs between a value and what was handed out of it.

    Arrays are compared byte by byte, so a change is found however it was made. No code of others runs.
    """
    if _same(own, handed):
        return
    names = _fields(type(own))[0] if type(own) is type(handed) else ()  # type: ignore[arg-type]
    if not names:
        yield path
    for name in names:
        yield from changed_fields(getattr(own, name), getattr(handed, name, None), f"{path}.{name}")


def _same(own: Any, handed: Any) -> bool:
    if handed is own:
        return True
    kind = type(own)
    if type(handed) is not kind:
        return False
    if kind is np.ndarray:
        same_form = own.shape == handed.shape and own.dtype == handed.dtype
        return bool(same_form and own.tobytes() == handed.tobytes())
    names, values_of = _fields(kind)  # type: ignore[arg-type]
    try:
        return bool(names) and all(map(_same, values_of(own), values_of(handed)))
    except AttributeError:  # a field was deleted
        return False


@cache
def _fields(kind: Any) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of the fields of a dataclass, none for another type, and what gets their values."""
    names = tuple(getattr(kind, "__dataclass_fields__", ()))
    return names, attrgetter(*names) if len(names) > 1 else lambda value: (getattr(value, names[0]),)
