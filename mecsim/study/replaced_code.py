"""What code of others has replaced: with another ``numpy.log1p`` nothing that is computed holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import chain
from operator import attrgetter, is_
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from mecsim.errors import PolicyFailed
from mecsim.study.progress import OnProgress

_LIBRARIES = (
    "builtins", "math", "heapq", "bisect", "simpy", "numpy", "numpy.linalg", "numpy.random", "scipy.special",
    "pandas",
)  # fmt: skip
_CLASSES = {"pandas": ("DataFrame", "Series")}
_OWN = ("mecsim", "mecsim_policies")
_CODE = (FunctionType, BuiltinFunctionType, type, np.ufunc)
_WRAPPERS = {property: "fget", cached_property: "func", classmethod: "__func__", staticmethod: "__func__"}
_facts_of = attrgetter("__code__", "__defaults__", "__kwdefaults__")
# What Python and pydantic write into modules and classes by themselves.
_CHANGING = ("__warningregistry__", "__abstractmethods__", "_abc_impl", "__pydantic_complete__")


_known: list[_Held] = []


def look_ahead() -> None:
    """Look at everything that will be watched, for the processes that are forks of this one."""
    _known[:] = _holders()


@contextmanager
def code_watch(
    label: str, on_progress: OnProgress | None, *, is_foreign: bool
) -> Iterator[OnProgress | None]:
    """Yield what to call before each decision of a run, and notice what the code of others replaces.

    Watched are functions, classes and methods of mecsim, NumPy, pandas and Python with their defaults, and
    the constants and properties of mecsim. Modules that are imported later are not looked at. A look at what
    the names hold takes a millisecond and comes before epochs 0, 1, 3, 7 and so on. One at the code and the
    defaults of functions as well takes five; it comes before epoch 0 and at the end. What is replaced and put
    back in between is not seen.

    Raises
    ------
    PolicyFailed
        If something has been replaced.
    """
    if not is_foreign:
        yield on_progress
        return
    watch = _CodeWatch(label, on_progress)
    try:
        yield watch.before_decision
    except Exception:
        if not watch.has_found:
            watch.check("when the run failed")  # what failed may be what was replaced
        raise
    watch.check("at the end of the run")


class _CodeWatch:
    """What names of mecsim, NumPy and Python held at first."""

    def __init__(self, label: str, on_progress: OnProgress | None) -> None:
        self._label, self._on_progress, self._epoch = label, on_progress, 0
        self.has_found = False
        # What has changed since the look ahead is our own doing: foreign code has not run yet.
        known = [held if held.holds_the_same() else held.anew() for held in _known]
        self._holders = known or list(_holders())

    def check(self, when: str, *, functions: bool = True) -> None:
        """Raise PolicyFailed if a name, such as ``numpy.log1p``, holds other code than at first.

        ``functions`` says whether to look at what functions are made of too.
        """
        same = _Held.is_the_same if functions else _Held.holds_the_same
        name = next((held.replaced() for held in self._holders if not same(held)), "")
        if name:
            self.has_found = True
            raise PolicyFailed(f"policy '{self._label}' has replaced {name}, seen {when}")

    def before_decision(self, time_s: float) -> None:
        """Look before some decisions, and pass the progress on."""
        if self._epoch & (self._epoch + 1) == 0:
            self.check(f"at t = {time_s:g} s (epoch {self._epoch})", functions=self._epoch == 0)
        self._epoch += 1
        if self._on_progress is not None:
            self._on_progress(time_s)


class _Held:
    """What a module or class holds by name: all of it, or the code alone."""

    def __init__(self, holder: Mapping[str, Any], *, is_own: bool) -> None:
        held = {
            name: value
            for name, value in list(holder.items())
            if isinstance(value, _CODE) or (is_own and name not in _CHANGING)
        }
        self._holder, self._is_own = holder, is_own
        self._names, self._values = tuple(held), tuple(held.values())
        functions = ((name, _function_in(value)) for name, value in held.items())
        self._functions = {name: each for name, each in functions if isinstance(each, FunctionType)}
        self._facts = self._facts_now()

    def holds_the_same(self) -> bool:
        """Return whether the names hold what they held."""
        return all(map(is_, map(self._holder.get, self._names), self._values))

    def is_the_same(self) -> bool:
        """Return whether, besides, the functions are made of what they were made of."""
        return self.holds_the_same() and all(
            map(is_, chain.from_iterable(self._facts), chain.from_iterable(self._facts_now()))
        )

    def anew(self) -> _Held:
        """Return what is held now."""
        return _Held(self._holder, is_own=self._is_own)

    def replaced(self) -> str:
        """Return the first name that holds something else, or a function that was changed."""
        for name, value in zip(self._names, self._values, strict=True):
            if self._holder.get(name) is not value:
                return self._full(name)
        for name, before, now in zip(self._functions, self._facts, self._facts_now(), strict=True):
            if not all(map(is_, before, now)):
                return self._full(name)
        return ""

    def _facts_now(self) -> tuple[tuple[Any, ...], ...]:
        return tuple(map(_facts_of, self._functions.values()))

    def _full(self, name: str) -> str:
        place = self._holder.get("__name__") or self._holder.get("__module__") or ""
        return ".".join(filter(None, (str(place), name)))


def _function_in(value: Any) -> Any:
    """Return the function that a property, class method or static method calls; others as they are."""
    place = _WRAPPERS.get(type(value))
    return getattr(value, place) if place else value


def _holders() -> Iterator[_Held]:
    """Yield what is watched: modules, and classes of mecsim and of the tables."""
    for name, module in list(sys.modules.items()):
        is_own = name.partition(".")[0] in _OWN
        if isinstance(module, ModuleType) and (is_own or name in _LIBRARIES):
            yield _Held(vars(module), is_own=is_own)
            classes = [each for each in list(vars(module).values()) if is_own and isinstance(each, type)]
            classes = [each for each in classes if each.__module__ == name]
            classes += [vars(module)[each] for each in _CLASSES.get(name, ()) if each in vars(module)]
            yield from (_Held(vars(each), is_own=is_own) for each in classes)
