"""Functions that code of others has replaced: with another ``numpy.log1p`` nothing that is computed holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter, is_
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from mecsim.errors import MecsimError, PolicyFailed
from mecsim.study.progress import OnProgress

_LIBRARIES = (
    "builtins", "math", "heapq", "bisect", "simpy", "numpy", "numpy.linalg", "numpy.random", "scipy.special",
)  # fmt: skip
_OWN = ("mecsim", "mecsim_policies")
_CODE = (FunctionType, BuiltinFunctionType, type, np.ufunc)
_code_of = attrgetter("__code__")


@contextmanager
def code_watch(
    label: str, on_progress: OnProgress | None, *, is_foreign: bool
) -> Iterator[OnProgress | None]:
    """Yield what to call before each decision of a run, and notice what the code of others replaces.

    Watched are functions, classes and methods of mecsim, NumPy and Python. Modules that are imported later
    are not looked at, nor is what holds no code. Since a look takes half a millisecond, it comes before
    epochs 0, 1, 3, 7 and so on, and at the end: what is replaced and put back in between is not seen.

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
    except MecsimError:
        raise
    except Exception:
        watch.check("when the run failed")  # what failed may be what was replaced
        raise
    watch.check("at the end of the run")


class _CodeWatch:
    """What names of mecsim, NumPy and Python held at first."""

    def __init__(self, label: str, on_progress: OnProgress | None) -> None:
        self._label, self._on_progress, self._epoch = label, on_progress, 0
        self._holders = [_Held(holder) for holder in _holders()]

    def check(self, when: str) -> None:
        """Raise PolicyFailed if a name, such as ``numpy.log1p``, holds other code than at first."""
        name = next((held.replaced() for held in self._holders if not held.is_as_before()), "")
        if name:
            raise PolicyFailed(f"policy '{self._label}' has replaced {name}, seen {when}")

    def before_decision(self, time_s: float) -> None:
        """Look before some decisions, and pass the progress on."""
        if self._epoch & (self._epoch + 1) == 0:
            self.check(f"at t = {time_s:g} s (epoch {self._epoch})")
        self._epoch += 1
        if self._on_progress is not None:
            self._on_progress(time_s)


class _Held:
    """The code that a module or class holds by name."""

    def __init__(self, holder: Mapping[str, Any]) -> None:
        held = {name: value for name, value in list(holder.items()) if isinstance(value, _CODE)}
        self._holder, self._names, self._values = holder, tuple(held), tuple(held.values())
        self._functions = tuple(value for value in self._values if isinstance(value, FunctionType))
        self._codes = tuple(map(_code_of, self._functions))

    def is_as_before(self) -> bool:
        return all(map(is_, map(self._holder.get, self._names), self._values)) and all(
            map(is_, map(_code_of, self._functions), self._codes)
        )

    def replaced(self) -> str:
        """Return the first name with other code."""
        codes = dict(zip(self._functions, self._codes, strict=True))
        for name, value in zip(self._names, self._values, strict=True):
            has_other_code = isinstance(value, FunctionType) and value.__code__ is not codes[value]
            if self._holder.get(name) is not value or has_other_code:
                return ".".join(filter(None, (self._place(), name)))
        return ""

    def _place(self) -> str:
        return str(self._holder.get("__name__") or self._holder.get("__module__") or "")


def _holders() -> Iterator[Mapping[str, Any]]:
    """Yield the names of modules, and those of mecsim's own classes."""
    for name, module in list(sys.modules.items()):
        is_own = name.partition(".")[0] in _OWN
        if isinstance(module, ModuleType) and (is_own or name in _LIBRARIES):
            yield vars(module)
            own = [each for each in list(vars(module).values()) if is_own and isinstance(each, type)]
            yield from (vars(each) for each in own if each.__module__ == name)
