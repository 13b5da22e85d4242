"""Mutants: products broken on purpose, on which the same checks are run and must fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar
from unittest.mock import patch

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, eq=False, slots=True)
class Mutant:
    """A bug that a check must reject.

    Parameters
    ----------
    bug : str
        What is wrong, for people.
    put_in : callable
        Returns a context manager; while it is entered, mecsim has the bug.
    """

    bug: str
    put_in: Callable[[], AbstractContextManager[Any]]

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Run the body of a ``with`` statement on the broken product."""
        _in_force.append(self)
        try:
            with self.put_in():
                yield
        finally:
            _in_force.pop()


_in_force: list[Mutant] = []


def replaced(bug: str, owner: Any, name: str, make: Callable[[Any], Any]) -> Mutant:
    """Return the mutant in which ``make(original)`` replaces an attribute of a module or a class."""
    return Mutant(bug, lambda: patch.object(owner, name, make(getattr(owner, name))))


def reused(function: Callable[P, T]) -> Callable[P, T]:
    """Cache the last results of a function of hashable arguments, separately for each mutant."""

    @lru_cache(maxsize=12)
    def cached(mutant: Mutant | None, *args: Any, **kwargs: Any) -> T:
        return function(*args, **kwargs)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        # Any, because only the caller can promise hashable arguments.
        arguments: Any = (args, kwargs)
        return cached(_in_force[-1] if _in_force else None, *arguments[0], **arguments[1])

    return call
