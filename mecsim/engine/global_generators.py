"""The generators of random numbers that a whole process shares: who moves them cannot be reproduced."""

from __future__ import annotations

import _random
import ctypes
import random
from collections.abc import Callable, Container
from typing import Any

import numpy as np
from numpy.random import MT19937
from numpy.random.mtrand import get_bit_generator, set_bit_generator

_MT19937_BYTES = 2500
_HEAD = object.__basicsize__
_RANDOM_BYTES = _random.Random.__basicsize__ - _HEAD


class GlobalGenerators:
    """Notices that the global generators of NumPy and of ``random`` were moved, and puts them back.

    Looking takes microseconds, since it compares memory; getting a state takes a hundred.
    """

    def __init__(self) -> None:
        self._bits = get_bit_generator()
        self._numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - only read
        self._random_state = random.getstate()
        self._seen = _glance()

    def look(self) -> tuple[str, ...]:
        """Return the libraries whose generator has moved since the last look."""
        before, self._seen = self._seen, _glance()
        return tuple(name for name in before if before[name] != self._seen[name])

    def put_back(self, libraries: Container[str]) -> None:
        """Let the generators of some libraries be as they were at first."""
        if "numpy" in libraries:
            set_bit_generator(self._bits)
            np.random.set_state(self._numpy_state)  # noqa: NPY002 - as it was
        if "random" in libraries:
            random.setstate(self._random_state)


def _glance() -> dict[str, Any]:
    return {"numpy": _numpy_glance(), "random": _random_glance()}


def _numpy_glance() -> Any:
    bits = get_bit_generator()
    if type(bits) is not MT19937:  # the user has chosen another one
        return id(bits), repr(bits.state)
    return ctypes.string_at(bits.ctypes.state_address, _MT19937_BYTES)


def _peek() -> Any:
    """Return the memory of the generator of ``random``, and the normal number that it keeps."""
    shared: Any = random.getstate.__self__  # type: ignore[attr-defined]  # the module's functions are its methods
    return ctypes.string_at(id(shared) + _HEAD, _RANDOM_BYTES) + repr(shared.gauss_next).encode()


def _peek_is_right() -> bool:
    """Return whether the memory holds the state, as in CPython, before it is relied on."""
    try:
        words = np.frombuffer(_peek()[: 4 * 625], dtype=np.uint32).tolist()
    except (AttributeError, ValueError):
        return False
    return bool((*words[1:], words[0]) == random.getstate()[1])


_random_glance: Callable[[], Any] = _peek if _peek_is_right() else random.getstate
