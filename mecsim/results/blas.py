"""One BLAS thread while a run computes: the last bits of a matrix product depend on how many there are."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(slots=True)
class _Occupants:
    """How many compute, and how many threads each library had before the first of them came."""

    inside: int = 0
    before: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def leave(self) -> None:
        self.inside -= 1
        if self.inside <= 0:
            for library, number in self.before.values():
                _set_threads(library, number)
            self.inside, self.before = 0, {}


class ThreadLimit:
    """Holds every BLAS library at one thread while anybody computes.

    The number of threads belongs to the process, or to each thread where OpenMP or MKL keeps it. So the
    first who comes sets it and the last who leaves restores it, in whatever thread, task or order.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_process, self._in_thread = _Occupants(), threading.local()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew_lock)

    def enter(self) -> bool:
        """Set one thread, also for libraries that were loaded since somebody else entered.

        Returns whether there is any library whose threads can be set.
        """
        with self._lock:
            mine, libraries = self._of_this_thread(), blas_libraries()
            for library in libraries:
                place = mine if _is_per_thread(library) else self._in_process
                place.before.setdefault(library.filepath, (library, library.num_threads))
                _set_threads(library, 1)
            mine.inside += 1
            self._in_process.inside += 1
            return bool(libraries)

    def leave(self) -> bool:
        """Restore what was set before the first of those inside, if this is the last.

        Returns whether every library has one thread: nobody has set another number, and no library
        has been loaded meanwhile that computes with more.
        """
        with self._lock:
            kept = all(library.num_threads == 1 for library in blas_libraries())
            self._of_this_thread().leave()
            self._in_process.leave()
            return kept

    def _of_this_thread(self) -> _Occupants:
        found: _Occupants = self._in_thread.__dict__.setdefault("occupants", _Occupants())
        return found

    def _renew_lock(self) -> None:
        # Another thread of the parent may have held it; there is only one thread after a fork.
        self._lock = threading.Lock()


def _is_per_thread(library: Any) -> bool:
    return library.internal_api == "mkl" or getattr(library, "threading_layer", None) == "openmp"


def _set_threads(library: Any, number: int) -> None:
    # threadpoolctl silently ignores all threads but the first that has set the number of OpenBLAS.
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(number)
    if release is not None:
        release(force=True)


@dataclass(slots=True)
class HeldThreads:
    """What the manifest of a run says of its BLAS threads; known when the run is over."""

    threads: dict[str, str | None]


_limit = ThreadLimit()


@contextmanager
def one_blas_thread() -> Iterator[HeldThreads]:
    """Compute with one BLAS thread inside, with as many as before afterwards.

    A BLAS that threadpoolctl does not know, such as Apple's Accelerate, takes its number of threads
    from the environment when it is loaded; ``thread_setting`` says which case holds.
    """
    held = HeldThreads(_setting(held=_limit.enter()))
    try:
        yield held
    finally:
        if not _limit.leave():
            held.threads = {"blas": "not held at 1"}


class OneBlasThread:
    """One BLAS thread inside, as :func:`one_blas_thread`, for who enters often: libraries are found once."""

    def __init__(self) -> None:
        self._libraries = blas_libraries()
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        self._before = [(each, number) for each in self._libraries if (number := each.num_threads) != 1]
        for library, _ in self._before:
            _set_threads(library, 1)

    def __exit__(self, *_: object) -> None:
        for library, number in self._before:
            _set_threads(library, number)


def thread_setting() -> dict[str, str | None]:
    """Return how many BLAS threads a run computes with: 1, or what the environment asks for."""
    return _setting(held=bool(blas_libraries()))


def _setting(*, held: bool) -> dict[str, str | None]:
    if held:
        return {"blas": "1"}
    return {name: os.environ.get(name) for name in THREAD_VARIABLES}


def blas_libraries() -> list[Any]:
    """Return the controllers of the BLAS libraries that are loaded, those of numpy and scipy among them."""
    import numpy.linalg  # noqa: F401 - loads the BLAS of numpy
    from threadpoolctl import ThreadpoolController

    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        # A library that is loaded later is not limited, and would not limit itself.
        import scipy.linalg  # noqa: F401
    libraries: list[Any] = ThreadpoolController().select(user_api="blas").lib_controllers
    return libraries
