"""One BLAS thread while a run computes: the last bits of a matrix product depend on how many there are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Compute with one BLAS thread inside, with as many as before afterwards.

    A BLAS that threadpoolctl does not know, such as Apple's Accelerate, takes its number of threads
    from the environment when it is loaded; ``thread_setting`` says which case holds.
    """
    with blas_controller().limit(limits=1):
        yield


def thread_setting() -> dict[str, str | None]:
    """Return how many BLAS threads a run computes with: 1, or what the environment asks for."""
    if blas_controller().lib_controllers:
        return {"blas": "1"}
    return {name: os.environ.get(name) for name in THREAD_VARIABLES}


@cache
def blas_controller() -> ThreadpoolController:
    """Return the controller of the BLAS libraries of numpy and scipy."""
    import numpy.linalg  # noqa: F401 - loads the BLAS of numpy
    from threadpoolctl import ThreadpoolController

    if any(os.environ.get(name) != "1" for name in THREAD_VARIABLES):
        # A library that is loaded later is not limited, and would not limit itself.
        import scipy.linalg  # noqa: F401
    return ThreadpoolController().select(user_api="blas")
