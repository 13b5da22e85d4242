"""Sums of plane waves, at any phases or quickly on a uniform grid.

Fading and shadowing are both sums of waves whose phase is linear in the way travelled. On a
uniform grid of points the sum splits by angle addition: with point ``c L + f``,
``sum_k exp(i(a_k + (c L + f) d_k)) = sum_k C_ck F_fk``, a matrix product of a coarse and a fine
factor, and the factors are powers found by doubling. That costs at most two sines and cosines a wave
for the whole grid instead of one a wave and point. A part of the grid costs less, and its points have
the bits that they have in the whole.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats

COARSE, FINE = 16, 32
GRID = COARSE * FINE
WHOLE = range(GRID)
_PAIRS_AT_ONCE = 8

Complexes = NDArray[np.complex128]
Number = TypeVar("Number", np.float64, np.complex128)


def unit_phasor(phase: Floats) -> Complexes:
    """Return ``exp(i phase)`` for an array of phases in rad."""
    phasor = np.empty(phase.shape, dtype=np.complex128)
    phasor.real = np.cos(phase)
    phasor.imag = np.sin(phase)
    return phasor


def complex_sum_on_grid(start: Floats, turn: Complexes, points: range = WHOLE) -> Complexes:
    """Return ``sum_k exp(i start_k) turn_k ** j`` for the points j of the grid.

    Parameters
    ----------
    start : (P, K) float
        Phase of each of K waves at point 0, in rad.
    turn : (P, K) complex
        Phasors of what the phases gain from point to point.
    points : range
        Successive points of the grid.

    Returns
    -------
    (P, len(points)) complex
    """
    part = _Part.of(points)
    total = np.empty((len(start), *part.shape), dtype=np.complex128)
    for pairs, coarse, fine in _factors(start, turn, part):
        np.matmul(coarse.swapaxes(0, 1), fine.transpose(1, 2, 0), out=total[pairs])
    return part.chosen(total)


def cosine_sum_on_grid(start: Floats, step: Floats, points: range = WHOLE) -> Floats:
    """Return ``sum_k cos(start_k + j step_k)`` for the points j of the grid, (P, len(points))."""
    part = _Part.of(points)
    total = np.empty((len(start), *part.shape))
    # Re(C F) = Re C Re F - Im C Im F: with F conjugated, a real product of the interleaved parts.
    for pairs, coarse, fine in _factors(start, unit_phasor(step), part, conjugate=True):
        real_coarse, real_fine = coarse.view(np.float64), fine.view(np.float64)
        np.matmul(real_coarse.swapaxes(0, 1), real_fine.transpose(1, 2, 0), out=total[pairs])
    return part.chosen(total)


class _Part(NamedTuple):
    """Which rows and columns of the grid, COARSE x FINE, are computed for some points.

    There are always two rows at least: BLAS adds the products of one row in another order.
    """

    rows: slice
    columns: slice
    chosen_rows: slice
    chosen_points: slice

    @classmethod
    @cache
    def of(cls, points: range) -> _Part:
        """Return the smallest part that has some points."""
        first, last = points.start // FINE, (points.stop - 1) // FINE
        if first < last:
            begin = points.start - first * FINE
            chosen = slice(begin, begin + len(points))
            return cls(slice(first, last + 1), slice(0, FINE), slice(None), chosen)
        above = max(first - 1, 0)
        columns = slice(points.start % FINE, points.start % FINE + len(points))
        return cls(slice(above, above + 2), columns, slice(first - above, first - above + 1), slice(None))

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def chosen(self, total: NDArray[Number]) -> NDArray[Number]:
        """Return the points asked for, (P, points), of values of the part, (P, *shape)."""
        rows = total[:, self.chosen_rows]
        return rows.reshape(len(rows), -1)[:, self.chosen_points]


class _Tables(threading.local):
    """Memory for the factors of a few pairs, kept by each thread.

    Fresh memory of this size comes from the system page by page, which costs more than what is computed
    in it, and what is computed for a few pairs at a time stays in the cache.
    """

    def __init__(self) -> None:
        self._of_waves: dict[int, Complexes] = {}

    def of(self, pairs: int, waves: int) -> tuple[Complexes, Complexes]:
        """Return a coarse and a fine table, (COARSE, P, K) and (FINE, P, K), until the next call."""
        if waves not in self._of_waves:
            self._of_waves[waves] = np.empty((COARSE + FINE) * _PAIRS_AT_ONCE * waves, dtype=np.complex128)
        flat = self._of_waves[waves][: (COARSE + FINE) * pairs * waves]
        table = flat.reshape(COARSE + FINE, pairs, waves)
        return table[:COARSE], table[COARSE:]


_tables = _Tables()


def _factors(
    start: Floats, turn: Complexes, part: _Part, *, conjugate: bool = False
) -> Iterator[tuple[slice, Complexes, Complexes]]:
    """Yield a few pairs at a time with their coarse and fine factors, which hold until the next ones.

    The fine one is its complex conjugate if asked for.
    """
    for first in range(0, len(start), _PAIRS_AT_ONCE):
        pairs = slice(first, first + _PAIRS_AT_ONCE)
        coarse, fine = _tables.of(*start[pairs].shape)
        coarse, fine = coarse[: part.rows.stop], fine[: part.columns.stop]
        coarse[0] = unit_phasor(start[pairs])
        fine[0] = 1.0
        stride = _fill_powers(fine, turn[pairs].conj() if conjugate else turn[pairs], FINE)
        _fill_powers(coarse, stride.conj() if conjugate else stride, COARSE)
        yield pairs, coarse[part.rows], fine[part.columns]


def _fill_powers(table: Complexes, ratio: Complexes, power: int) -> Complexes:
    """Fill ``table[j] = table[0] * ratio ** j`` by doubling; return a power of two of ratio."""
    done, factor = 1, ratio
    while done < power:
        count = min(done, len(table) - done)
        if count > 0:
            np.multiply(table[:count], factor, out=table[done : done + count])
        done, factor = 2 * done, factor * factor
    return factor
