"""The dual function from above, proved up to the rounding that is budgeted here.

Every value is a sum of terms, each computed by at most a hundred operations from the instance's numbers, with
relative errors of at most 4 units in the last place for elementary functions and half a unit for arithmetic.
So a term is wrong by less than 1e-13 of itself, no term is a small difference of large ones that are not
counted themselves, and ``SLACK`` times the sum of the absolute values of all terms is added.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.bound.alternatives import Alternatives
from mecsim_policies.bound.gpus import own_speed
from mecsim_policies.bound.links import Terms
from mecsim_policies.bound.responses import Prices
from mecsim_policies.bound.rigorous_links import SLACK, cost_bounds

_TOLERANCE = 2e-7
_NEAR = 3e-4 * 2.0 ** np.arange(12)
_FAR = np.array([1.0, 1.7, 2.7, 4.0, 6.0, 9.0, 14.0])
# Edges of the first cells over the best share of band, and of those where they do not do.
_COARSE = np.exp(np.array([-14.0, -6.0, -3.0, -1.5, -0.7, -0.3, 0.0, 0.3, 0.7, 1.5, 3.0, 14.0]))
_FINE = np.exp(np.concatenate([-_FAR[::-1], -_NEAR[::-1], [0.0], _NEAR, _FAR]))
_PARTS = 4
_MOST_SPLITS = 12
_MOST_CELLS = 20000
_MOST_CELLS_EACH = 200


class Shares(NamedTuple):
    """Where to evaluate: sigma, and shares of band and of GPU that are best or nearly so, arrays (K,).

    The server's power lies between ``low`` and ``high``.
    """

    sigma: Floats
    band: Floats
    gpu: Floats
    low: Floats
    high: Floats


class _Sum(NamedTuple):
    """A bound from above and the sum of the absolute values of its terms, arrays."""

    value: Floats
    size: Floats

    def plus(self, other: _Sum) -> _Sum:
        return _Sum(self.value + other.value, self.size + other.size)


def values_from_above(
    alternatives: Alternatives, prices: Prices, shares: Shares, enough: Floats, score_slope: float
) -> Floats:
    """Return values that no shares in [0, 1] of any alternative exceed, (K,).

    Parameters
    ----------
    alternatives : Alternatives
    prices : Prices
        Not negative. Their softness does not count.
    shares : Shares
    enough : (K,) float
        Values below which a bound need not be any closer.
    score_slope : float
    """
    rest = _score(shares.sigma, score_slope)
    rest = rest.plus(_own(alternatives, prices)).plus(_training(alternatives, prices, shares))
    rest = rest.plus(_fillers(alternatives, prices, shares.sigma))
    proved = rest.value + SLACK * rest.size
    return np.asarray(proved + _links(alternatives, prices, shares, enough - proved))


def dual_from_above(values: Floats, share_price: Floats, first: Ints) -> float:
    """Return the dual function from above, given values (K,) sorted by user with these first rows."""
    of_users = np.maximum.reduceat(values, first)
    every = [*share_price.ravel().tolist(), *of_users.tolist()]
    return math.fsum(every) + SLACK * math.fsum(map(abs, every))


def _score(sigma: Floats, s2: float) -> _Sum:
    part = sigma / s2
    return _Sum(part - 1.0 - np.log(part), part + 1.0 + np.abs(np.log(part)))


def _own(a: Alternatives, prices: Prices) -> _Sum:
    """Return the bound of a concave function of the user's speed by its tangent."""
    per_s, per_j = prices.per_s * a.own_s, prices.per_j * a.own_j
    speed = own_speed(per_s, per_j, a.own_floor)
    parts = (per_s / speed, per_j * speed**2)
    slope = per_s / speed**2 - 2.0 * per_j * speed
    rise = np.maximum(slope * (1.0 - speed), slope * (a.own_floor - speed))
    size = parts[0] + parts[1] + per_s / speed**2 + 2.0 * per_j * speed
    return _Sum(rise - parts[0] - parts[1], size)


def _training(a: Alternatives, prices: Prices, shares: Shares) -> _Sum:
    """Return the same for the share of the server's speed, which earns sigma and has a price."""
    g, price = shares.gpu, prices.share[:, 2]
    per_s, per_j = prices.per_s * a.gpu_s, prices.per_j * a.gpu_j
    reward = shares.sigma - price
    slope = reward + per_s / g**2 - 2.0 * per_j * g
    rise = np.maximum(slope * (1.0 - g), -slope * g)
    size = shares.sigma + price + per_s / g + per_s / g**2 + 3.0 * per_j
    used = a.gpu_s > 0
    return _Sum(np.where(used, reward * g - per_s / g - per_j * g**2 + rise, 0.0), np.where(used, size, 0.0))


def _fillers(a: Alternatives, prices: Prices, sigma: Floats) -> _Sum:
    up, down = a.up.time_s > 0, a.down.time_s > 0
    unused = np.stack([~(up | down), ~down, a.gpu_s <= 0], axis=1)
    earned = np.maximum(0.0, sigma[:, None] - prices.share)
    size = sigma[:, None] + prices.share
    return _Sum((earned * unused).sum(axis=1), (size * unused).sum(axis=1))


def _links(a: Alternatives, prices: Prices, shares: Shares, enough: Floats) -> Floats:
    """Return bounds by cells of the share of band, few at first, then split until they are close enough."""
    radio = _Radio(a, prices, shares)
    value, level = np.zeros_like(enough), enough.copy()
    at = np.flatnonzero((a.up.time_s > 0) | (a.down.time_s > 0))
    value[at] = -np.inf
    edges = _around(shares.band[at], _COARSE)
    for split in range(_MOST_SPLITS + 1):
        bound, reached = radio.cells(at, edges)
        np.maximum.at(level, at, reached + _TOLERANCE)
        loose = np.asarray(bound > level[at, None])
        if split == _MOST_SPLITS or bound.size > max(_MOST_CELLS, _MOST_CELLS_EACH * len(value)):
            loose[:] = False
        if split == 0:  # all of the band again, where it matters
            loose |= np.any(loose, axis=1, keepdims=True)
        np.maximum.at(value, at, np.where(loose, -np.inf, bound).max(axis=1))
        if split == 0:
            at = at[loose[:, 0]]
            edges = _around(shares.band[at], _FINE)
        else:
            row, cell = np.nonzero(loose)
            at, edges = at[row], _split(edges[row, cell], edges[row, cell + 1])
        if not at.size:
            break
    return value


def _around(band: Floats, factors: Floats) -> Floats:
    """Return edges of cells that cover all shares of band, and lie close together around some, (R, E)."""
    edges = np.minimum(band[:, None] * factors, 1.0)
    edges[:, 0], edges[:, -1] = 0.0, 1.0
    return edges


def _split(low: Floats, high: Floats) -> Floats:
    start = np.where(low > 0, low, high * 1e-3)[:, None]
    edges = start * (high[:, None] / start) ** np.linspace(0.0, 1.0, _PARTS + 1)
    edges[:, 0], edges[:, -1] = low, high
    return np.asarray(edges)


class _Radio:
    """The links of alternatives as functions of the share of band."""

    def __init__(self, a: Alternatives, prices: Prices, shares: Shares) -> None:
        self._a, self._prices, self._sigma = a, prices, shares.sigma
        none = np.zeros_like(shares.sigma)
        self._ranges = (
            (none, none, none + 1.0),
            (shares.sigma - prices.share[:, 1], shares.low, shares.high),
        )

    def cells(self, rows: Ints, edges: Floats) -> tuple[Floats, Floats]:
        """Return bounds of the value in cells of band, (R, E - 1), and a value that is reached, (R,).

        Costs are least at the upper end, as rates rise with the band, and the band earns most at an end. And
        on a path from the best point of the cell to its ends, which keeps either the power or its ratio to
        the band, costs c have ``b^2 c'' <= 2 c``, but for a corner where a bound of the power reaches the
        kink of the rate. So for a width w the value is at most ``max c w^2 / (4 b^2)`` above the larger of
        those at the ends, and with a corner ``max c w / (4 b)`` more.
        """
        sigma, price = self._sigma[rows, None], self._prices.share[rows, 0, None]
        below, above, terms, paid, corner = self._costs(
            rows, np.maximum(edges, 1e-3 * edges[:, 1:2])
        )  # nothing is paid at 0
        earned = (sigma - price) * edges
        most = earned - below + SLACK * ((sigma + price) * edges + terms)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = edges[:, 1:] / edges[:, :-1]
        excess = 0.25 * ratio * paid[:, :-1] * (ratio - 1.0) * (ratio - 1.0 + corner)
        by_ends = np.maximum(most[:, 1:], most[:, :-1]) + (1.0 + SLACK) * excess
        by_upper_end = most[:, 1:] + np.maximum(0.0, earned[:, :-1] - earned[:, 1:])
        by_ends = np.where(edges[:, :-1] > 0, by_ends, np.inf)
        some = edges[:, :-1] < edges[:, 1:]
        bound = np.where(some, np.minimum(by_upper_end, by_ends), -np.inf)
        return bound, (earned - above)[:, 1:].max(axis=1)

    def _costs(self, rows: Ints, band: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """Return the least costs from below and above, the size of their terms, and the most that is paid.

        All are for shares of band (R, E). Last is how many corners may be in each of the cells, (R, E - 1).
        """
        total, corner = np.zeros((4, *band.shape)), np.zeros((len(band), band.shape[1] - 1))
        for link, (reward, low, high) in zip((self._a.up, self._a.down), self._ranges, strict=True):
            has_link = link.time_s[rows] > 0
            those = rows[has_link]
            if not those.size:
                continue
            own, b = link.take(those), band[has_link]
            of_rows = reward[those], low[those], high[those]
            found = cost_bounds(Terms.of(own, self._prices.per_s[those], self._prices.per_j, b, *of_rows))
            total[:3, has_link] += found
            total[3, has_link] += found.above + np.maximum(of_rows[0], 0.0)[:, None]
            for power in of_rows[1:]:
                kink = (power * own.snr / np.expm1(np.minimum(own.kink, 700.0)))[:, None]
                ratio = 1.01 * b[:, 1:] / b[:, :-1]
                corner[has_link] += (kink * ratio >= b[:, :-1]) & (kink <= b[:, 1:] * ratio)
        return total[0], total[1], total[2], total[3], corner
