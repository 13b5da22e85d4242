"""A call as bytes: also with classes of a notebook, a script, or a module that only this process knows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from types import ModuleType
from typing import Any


def packed(function: Callable[..., Any], arguments: tuple[Any, ...], brought: Sequence[object] = ()) -> bytes:
    """Return a call as bytes; the classes of ``brought`` objects travel where nobody else can import them."""
    import cloudpickle

    with ExitStack() as registered:
        for module in set(_unknown_elsewhere(brought)):
            cloudpickle.register_pickle_by_value(module)
            registered.callback(cloudpickle.unregister_pickle_by_value, module)
        return bytes(cloudpickle.dumps((function, arguments)))


def _unknown_elsewhere(brought: Sequence[object]) -> Iterator[ModuleType]:
    """Yield the modules of objects, and of what they hold, that are not found by their names."""
    held = [value for each in brought for value in (each, *getattr(each, "__dict__", {}).values())]
    for name in {kind.__module__ for value in held for kind in type(value).__mro__}:
        module = sys.modules.get(name)
        if (
            module is not None
            and name != "__main__"
            and hasattr(module, "__file__")
            and not _is_found(module)
        ):
            yield module


def _is_found(module: ModuleType) -> bool:
    kept = sys.modules.pop(module.__name__)
    try:
        spec = find_spec(module.__name__)
    except (ImportError, ValueError, AttributeError):
        return False
    finally:
        sys.modules[module.__name__] = kept
    return spec is not None and spec.origin == module.__file__
