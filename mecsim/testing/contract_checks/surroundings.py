"""What a process shares and a policy can change: folder, threads, NumPy, warnings, locale and more."""

from __future__ import annotations

import builtins
import gc
import locale
import math
import os
import signal
import sys
import threading
import warnings
from typing import Any

import numpy as np

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_MODULES = (np, np.linalg, math, builtins)


def surroundings() -> dict[str, Any]:
    """Return the state of what a process shares, by what messages call it."""
    return {
        "the working directory": os.getcwd(),  # noqa: PTH109 - compared as text
        "NumPy's handling of errors": np.geterr(),
        "warnings filters for all code": _filters(),
        "the locale": locale.setlocale(locale.LC_ALL),
        "the file mode mask": _mask(),
        "environment variables": dict(os.environ),
        "signal handlers": [signal.getsignal(number) for number in _SIGNALS],
        "the trace function": (sys.gettrace(), sys.getprofile()),
        "the recursion limit": sys.getrecursionlimit(),
        "garbage collection": (gc.isenabled(), gc.get_threshold()),
        "functions of NumPy or Python": {module.__name__: dict(vars(module)) for module in _MODULES},
        "threads": {thread.ident: thread.name for thread in threading.enumerate()},
    }


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return one line for each thing that is no longer as it was.

    Of variables, functions and filters those count that were there before: packages bring their own when
    they are imported.
    """
    found = []
    for what, was in before.items():
        now = after[what]
        if what == "threads":
            found += [f"left behind: thread '{name}'" for ident, name in now.items() if ident not in was]
        elif isinstance(was, dict):
            altered = _altered(was, now)
            found += [f"left behind: {what} changed ({', '.join(altered[:5])})"] if altered else []
        elif now != was:
            found.append(f"left behind: {what} changed")
    return found


def _altered(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the names that are missing or have another value, of functions within modules too."""
    found = []
    for name, value in was.items():
        other = now.get(name)
        if isinstance(value, dict) and isinstance(other, dict):
            found += [f"{name}.{inner}" for inner in value if other.get(inner) is not value[inner]]
        elif other != value:
            found.append(name)
    return found


def _filters() -> list[tuple[Any, ...]]:
    """Return the filters for all code; packages bring some for warnings of their own."""
    return [
        (action, category)
        for action, message, category, module, _ in warnings.filters
        if message is None and module is None and category.__module__ == "builtins"
    ]


def _mask() -> int:
    mask = os.umask(0o77)
    os.umask(mask)
    return mask
