"""The numerical kernels in use: libraries choose them by processor and by environment variables.

The last bits of a result depend on these choices, which neither versions nor the processor's name tell:
``OPENBLAS_CORETYPE``, ``GLIBC_TUNABLES`` and ``NPY_DISABLE_CPU_FEATURES`` change them. So fixed calculations
are made, and digests of their bits are recorded.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache

import numpy as np

from mecsim.results.blas import blas_libraries, one_blas_thread

_MATH = (math.exp, math.expm1, math.log, math.log1p, math.log2, math.sin, math.cos, math.tan, math.tanh)
_UFUNCS = (np.exp, np.expm1, np.log, np.log1p, np.log2, np.log10, np.sin, np.cos, np.tan, np.tanh, np.sqrt)


@lru_cache(maxsize=1)
def kernels() -> dict[str, str]:
    """Return what computes here.

    Returns
    -------
    ``blas`` (the core type that OpenBLAS has chosen), and digests of the results of fixed
    calculations: ``libm`` of the C library's functions, ``numpy`` of array functions and sums,
    ``linalg`` of products, solutions and eigenvalues.
    """
    values = np.random.default_rng(13).uniform(0.01, 20.0, 3000)
    with one_blas_thread():
        return {
            "blas": _core_type(),
            "libm": _digest(_scalars(values)),
            "numpy": _digest(_arrays(values)),
            "linalg": _digest(_matrices(values)),
        }


def _core_type() -> str:
    """Return the core type of numpy's BLAS; that of others is chosen by the same rules."""
    found = [library for library in blas_libraries() if "numpy" in library.filepath] or blas_libraries()
    return ", ".join(sorted({str(getattr(library, "architecture", "unknown")) for library in found}))


def _scalars(values: np.ndarray) -> list[np.ndarray]:
    numbers = values[:1000].tolist()
    powers = [math.pow(x, 0.37) for x in numbers]
    angles = [math.atan2(x, 3.3) for x in numbers]
    return [np.array([function(x) for x in numbers]) for function in _MATH] + [np.array([powers, angles])]


def _arrays(values: np.ndarray) -> list[np.ndarray]:
    found = [function(values) for function in _UFUNCS]
    return [
        *found,
        np.power(values, 0.37),
        np.hypot(values, values[::-1]),
        np.array([values.sum(), values.std()]),
    ]


def _matrices(values: np.ndarray) -> list[np.ndarray]:
    a, b = values[:1225].reshape(35, 35), values[1225:2450].reshape(35, 35)
    return [
        np.array([values @ values[::-1]]),
        a @ b,
        a @ values[:35],
        np.linalg.solve(a, b),
        np.linalg.cholesky(a @ a.T + np.eye(35)),
        np.linalg.eigvalsh(a + a.T),
        np.linalg.svd(b, compute_uv=False),
    ]


def _digest(results: list[np.ndarray]) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in results)).hexdigest()[:12]
