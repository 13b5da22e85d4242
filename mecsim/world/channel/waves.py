"""Sums of plane waves, at any phases or quickly on a uniform grid.

Fading and shadowing are both sums of waves whose phase is linear in the way travelled. On a
uniform grid of points the sum splits by angle addition: with point ``c L + f``,
``sum_k exp(i(a_k + (c L + f) d_k)) = sum_k C_ck F_fk``, a matrix product of a coarse and a fine
factor, and the factors are powers found by doubling. That costs two sines and cosines a wave
for the whole grid instead of one a wave and point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats

COARSE, FINE = 16, 32
GRID = COARSE * FINE

Complexes = NDArray[np.complex128]


def unit_phasor(phase: Floats) -> Complexes:
    """Return ``exp(i phase)`` for an array of phases in rad."""
    phasor = np.empty(phase.shape, dtype=np.complex128)
    phasor.real = np.cos(phase)
    phasor.imag = np.sin(phase)
    return phasor


def complex_sum_on_grid(start: Floats, step: Floats) -> Complexes:
    """Return ``sum_k exp(i(start_k + j step_k))`` for j = 0 .. GRID-1.

    Parameters
    ----------
    start, step : (P, K) float
        Phase of each of K waves at the first point, and what it gains from point to point, in rad.

    Returns
    -------
    (P, GRID) complex
    """
    coarse, fine = _factors(start, step, +1.0)
    total: Complexes = np.matmul(coarse, fine.swapaxes(1, 2))
    return total.reshape(len(start), GRID)


def cosine_sum_on_grid(start: Floats, step: Floats) -> Floats:
    """Return ``sum_k cos(start_k + j step_k)`` for j = 0 .. GRID-1, shape (P, GRID)."""
    # Re(C F) = Re C Re F - Im C Im F: with F conjugated, a real product of the interleaved parts.
    coarse, fine = _factors(start, step, -1.0)
    parts = coarse.view(np.float64), fine.view(np.float64)
    total: Floats = np.matmul(parts[0], parts[1].swapaxes(1, 2))
    return total.reshape(len(start), GRID)


def _factors(start: Floats, step: Floats, sign: float) -> tuple[Complexes, Complexes]:
    pairs, waves = start.shape
    coarse = np.empty((pairs, COARSE, waves), dtype=np.complex128)
    fine = np.empty((pairs, FINE, waves), dtype=np.complex128)
    coarse[:, 0] = unit_phasor(start)
    fine[:, 0] = 1.0
    stride = _fill_powers(fine, unit_phasor(sign * step))
    _fill_powers(coarse, stride if sign > 0 else stride.conj())
    return coarse, fine


def _fill_powers(table: Complexes, ratio: Complexes) -> Complexes:
    """Fill ``table[:, j] = table[:, 0] * ratio ** j`` by doubling; return the next power of ratio."""
    done, factor = 1, ratio
    while done < table.shape[1]:
        np.multiply(table[:, :done], factor[:, None], out=table[:, done : 2 * done])
        done, factor = 2 * done, factor * factor
    return factor
