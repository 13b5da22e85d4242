"""One BLAS thread while a run computes: the last bits of a matrix product depend on how many there are."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
_HOSTS = ("numpy", "scipy")
_NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads")


class _Control(NamedTuple):
    get: Callable[[], int]
    set: Callable[[int], object]


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute with one BLAS thread inside, with as many as before afterwards.

    Reaches the OpenBLAS libraries that the wheels of numpy and scipy bring along. Another BLAS
    takes its number of threads from the environment when it is loaded; ``thread_setting`` tells.
    """
    controls = _controls()
    before = [control.get() for control in controls]
    for control in controls:
        control.set(1)
    try:
        yield
    finally:
        for control, threads in zip(controls, before, strict=True):
            control.set(threads)


def thread_setting() -> dict[str, str | None]:
    """Return how many BLAS threads a run computes with: 1, or what the environment asks for."""
    if _controls():
        return {"blas": "1"}
    return {name: os.environ.get(name) for name in THREAD_VARIABLES}


@cache
def _controls() -> tuple[_Control, ...]:
    found = (_control(ctypes.CDLL(str(path))) for path in _libraries())
    return tuple(control for control in found if control is not None)


def _libraries() -> list[Path]:
    """Return the OpenBLAS files in the wheels: beside the package, on macOS inside it."""
    specs = [spec for spec in map(find_spec, _HOSTS) if spec and spec.origin]
    packages = [Path(str(spec.origin)).parent for spec in specs]
    folders = [folder for package in packages for folder in (Path(f"{package}.libs"), package / ".dylibs")]
    return sorted(path for folder in folders for path in folder.glob("*openblas*"))


def _control(library: ctypes.CDLL) -> _Control | None:
    for name in _NAMES:
        if hasattr(library, name.format("set")):
            return _Control(library[name.format("get")], library[name.format("set")])
    return None
