"""The largest value on a grid of each row, between its points by a parabola."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from mecsim.system.arrays import Floats, Ints

_MOST_OFFSET = 0.5


class Vertex(NamedTuple):
    """Weights (3, R) of three neighbouring points, the column of the first, and the second derivative, (R,).

    At an end of the grid all weight is on that end, and the second derivative is 0. The vertex of the
    parabola through the three points may be beyond it, ``offset`` (R,) from the second of them.
    """

    weights: Floats
    first: Ints
    bend: Floats
    offset: Floats

    @classmethod
    def of(cls, value: Floats, spacing: float) -> Self:
        """Return the vertex of every row of ``value`` (R, J) on equidistant points."""
        rows, last = np.arange(len(value)), value.shape[1] - 1
        best = value.argmax(axis=1)
        middle = np.minimum(np.maximum(best, 1), last - 1)
        left, centre, right = (value[rows, middle + k] for k in (-1, 0, 1))
        bend = left - 2.0 * centre + right
        inside = (middle == best) & (bend < 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            vertex = np.where(bend < 0, 0.5 * (left - right) / bend, np.sign(right - left) * np.inf)
        t = np.where(inside, vertex, best - middle)
        weights = np.stack([0.5 * t * (t - 1.0), 1.0 - t * t, 0.5 * t * (t + 1.0)])
        offset = np.where(np.isnan(vertex), 0.0, vertex) * spacing
        offset = np.minimum(np.maximum(offset, -_MOST_OFFSET), _MOST_OFFSET)
        return cls(weights, middle - 1, np.where(inside, bend / spacing**2, 0.0), offset)

    def beyond(self, points: Floats) -> Floats:
        """Return the equidistant points (R, J) at the vertices, or closer to them, (R,)."""
        return np.asarray(points[np.arange(len(self.first)), self.first + 1] + self.offset)

    def __call__(self, values: Floats) -> Floats:
        """Return what any values (..., R, J) are at the vertices, (..., R)."""
        if values.shape[-1] == len(self.weights):
            return np.asarray((values * self.weights.T).sum(axis=-1))
        near = values[..., np.arange(len(self.first))[:, None], self.first[:, None] + np.arange(3)]
        return np.asarray((near * self.weights.T).sum(axis=-1))

    def nearest(self) -> Ints:
        """Return the column nearest to each vertex, (R,)."""
        return np.asarray(self.first + self.weights.argmax(axis=0))
