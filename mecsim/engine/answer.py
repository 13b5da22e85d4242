"""The engine's own copy of what a policy returned: nothing of the policy's is computed with."""

from __future__ import annotations

from dataclasses import fields
from types import CoroutineType, GeneratorType
from typing import Any, cast

import numpy as np

from mecsim.errors import InvalidAllocation
from mecsim.foreign_code import type_name
from mecsim.system.allocation import Allocation

_NAMES = tuple(field.name for field in fields(Allocation))
_HINTS = {
    CoroutineType: ": allocate must be no 'async def'",
    GeneratorType: ": allocate must return, not yield",
    type: ": an object of it is wanted",
}
_SPARE = 1024


def own_answer(answer: object, users: int) -> Allocation | None:
    """Return an allocation of our own class and memory with the values of an answer; None for None.

    Each field is read once. Reading may run code of the policy, and raise what that raises.

    Raises
    ------
    InvalidAllocation
        If the answer is no allocation, or a field holds no numbers or far more than there are users.
    """
    if answer is None:
        return None
    # The real type: `__class__` may say anything.
    if not issubclass(type(answer), Allocation):
        if isinstance(answer, CoroutineType):
            answer.close()  # or Python warns that nobody has awaited it
        hint = _HINTS.get(type(answer), "")
        raise InvalidAllocation(f"returned {type_name(answer)}, must be an Allocation or None{hint}")
    return Allocation(**{name: _own_array(name, getattr(answer, name), users) for name in _NAMES})


def plain_number(value: object) -> int | float | None:
    """Return a number as a plain one, also of a subclass that lies about itself; None if it is none."""
    kind, number = type(value), cast("Any", value)
    if issubclass(kind, float):
        return float.__pos__(number)
    if issubclass(kind, int):
        return int.__pos__(number)
    if issubclass(kind, np.integer):
        return int(np.generic.item(number))
    return float(np.generic.item(number)) if issubclass(kind, np.floating) else None


def _own_array(name: str, value: Any, users: int) -> Any:
    """Return a copy of a field that shares no memory and is of no subclass; other values as they are."""
    if not isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    if array.size > users + _SPARE:  # of a terabyte by stride 0, no copy is made
        raise InvalidAllocation(
            f"{name} of all users = array of shape {array.shape}: the shape must be {(users,)}"
        )
    return np.array(array)
