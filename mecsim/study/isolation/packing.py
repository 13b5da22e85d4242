"""A call as bytes: also with classes of a notebook, a script, or a module that only this process knows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
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
    """Return whether a new process finds the module: not through packages that are in memory here alone."""
    name, path = "", None
    try:
        for part in module.__name__.split("."):
            name = f"{name}.{part}" if name else part
            specs = (finder.find_spec(name, path) for finder in sys.meta_path)
            spec = next((spec for spec in specs if spec is not None), None)
            if spec is None:
                return False
            path = None if spec.submodule_search_locations is None else list(spec.submodule_search_locations)
    except Exception:  # noqa: BLE001 - finders are of others
        return False
    # Of modules that Python has frozen, such as abc, no finder says the file.
    return spec is not None and spec.origin in ("frozen", module.__file__)
