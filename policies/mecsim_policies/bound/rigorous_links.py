"""Bounds of what a transfer costs at given shares of band, from below for every power and from above at one.

In the notation of :mod:`mecsim_policies.bound.links`, ``f(u) = delta u + (k + epsilon u) / z(u)`` for u from
low / per_snr to high / per_snr. z is concave: a tangent ``z <= rest + w u`` with ``w = e^-z0`` and
``rest = z0 - 1 + w`` is above it, and makes f a ratio of affine functions and a line. Beyond the kink z is
constant.

- delta = 0: the ratio is monotone, so one of the ends is least;
- delta > 0: the ratio is convex, or rises, so its least value has a closed form;
- delta < 0: below the kink f is convex where ``k / epsilon >= J(u) = ((u + 2) z - 2 u) / (z + 2)``, concave
  from there on, as J rises (J' = z^2 / (z + 2)^2). Where it is convex it is above its tangents, where it is
  concave above the lesser of its ends, and beyond the kink it is affine.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.bound.links import Terms, first_z, newton

_STEPS = 8
_SERIES_UP_TO = 0.5
_SERIES_TERMS = 16
_INFLECTION_STEPS = 10
# Of (e^z + 1) z - 2 (e^z - 1) = sum over n >= 3 of (n - 2) z^n / n!, the highest power first.
_INFLECTION_SERIES = [(n - 2.0) / math.factorial(n) for n in range(2 + _SERIES_TERMS, 2, -1)]
_GUARD = 1e-7


SLACK = 1e-11
"""Of the sum of the absolute values of all terms: what is added for rounding."""


class Bounds(NamedTuple):
    """Least cost from below and from above, and the sum of the absolute values of all terms on the way."""

    below: Floats
    above: Floats
    size: Floats


def cost_bounds(terms: Terms) -> Bounds:
    """Return bounds of the least cost at each share of band, arrays like ``terms.k``."""
    z = newton(terms, first_z(terms), _STEPS)
    w, rest = np.exp(-z), tangent_rest(z)
    u_most = np.expm1(terms.most)
    ends = terms.low / terms.per_snr, terms.high / terms.per_snr
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        reached = [terms.cost(np.clip(np.expm1(z), *ends), z), terms.cost(ends[1], terms.most)]
        above = np.minimum(*reached)
        size = (
            np.abs(reached[0]) + (terms.k + terms.epsilon * np.expm1(z)) / z + np.abs(terms.delta) * ends[1]
        )
        below = _monotone(terms, w, rest, u_most)
        if (terms.delta > 0).any():
            below = np.where(terms.delta > 0, _convex(terms, w, rest, ends[0], u_most), below)
        earning = terms.delta < 0
        if earning.any():
            some = Terms(*(np.broadcast_to(column, earning.shape)[earning] for column in terms))
            below[earning] = _rewarded(some, z[earning], u_most[earning], below[earning])
    return Bounds(below, above, size)


def tangent_rest(z: Floats) -> Floats:
    """Return ``z - 1 + e^-z`` to a few units in the last place, z > 0."""
    small = np.minimum(z, _SERIES_UP_TO)
    series = np.zeros_like(z)
    for n in range(_SERIES_TERMS, 1, -1):
        series = 1.0 - small / (n + 1.0) * series
    return np.where(z < _SERIES_UP_TO, 0.5 * small * small * series, z + np.expm1(-z))


def inflection(z: Floats) -> Floats:
    """Return J, the ratio of k to epsilon above which the cost is convex, at ``z = ln(1 + u)``."""
    small = np.minimum(z, _SERIES_UP_TO)
    series = np.zeros_like(z)
    for factor in _INFLECTION_SERIES:
        series = series * small + factor
    u = np.expm1(z)
    return np.where(z < _SERIES_UP_TO, small**3 * series, (u + 2.0) * z - 2.0 * u) / (z + 2.0)


def _monotone(terms: Terms, w: Floats, rest: Floats, u_most: Floats) -> Floats:
    at_most = (terms.k + terms.epsilon * u_most) / (rest + w * u_most)
    return np.where(terms.k > 0, np.minimum(terms.k / rest, at_most), np.minimum(at_most, terms.epsilon))


def _convex(terms: Terms, w: Floats, rest: Floats, u_low: Floats, u_most: Floats) -> Floats:
    """Return the least value of ``delta u + epsilon / w + convex / v`` over ``v = rest + w u``.

    More power than the kink takes is worth nothing where it has a price.
    """
    convex = terms.k - terms.epsilon * rest / w
    v_low = rest + w * u_low
    v = np.sqrt(np.maximum(convex, 0.0) * w / terms.delta)
    v = np.clip(v, v_low, np.maximum(rest + w * u_most, v_low))
    at_low = terms.delta * u_low + (terms.k + terms.epsilon * u_low) / v_low
    value = np.where(v > v_low, terms.delta * ((v - rest) / w) + terms.epsilon / w + convex / v, at_low)
    # Without a price of time the cost is that of energy, at least epsilon.
    below = np.where(convex > 0, value, np.where((terms.k > 0) | (u_low > 0), at_low, terms.epsilon))
    return np.where((u_low >= u_most) & (u_low > 0), terms.cost(u_low, terms.least), below)


def _rewarded(terms: Terms, z: Floats, u_most: Floats, plain: Floats) -> Floats:
    """Return the bound for delta < 0, less its own rounding; ``plain`` is the bound for delta = 0."""
    k, epsilon, delta, least, most, per_snr, low, high = terms
    turn = _turn(k / epsilon)
    first, last = turn * (1.0 - _GUARD), turn * (1.0 + _GUARD)
    bent = last < most  # else f is convex up to the kink
    proved = ~bent | ((inflection(first) <= k / epsilon) & (inflection(last) >= k / epsilon))
    z = np.where(bent, np.minimum(z, first), z)
    u, w, u_low = np.expm1(z), np.exp(-z), low / per_snr
    u_last = np.where(bent, np.expm1(np.minimum(last, most)), u_most)
    parts = (epsilon / z, (k + epsilon * u) * w / z**2)
    slope = delta + parts[0] - parts[1]
    tangent = terms.cost(u, z) + np.minimum(slope * (u_low - u), slope * (u_last - u))
    whole = high / per_snr
    at_ends = np.minimum(terms.cost(np.maximum(u_most, u_low), most), terms.cost(whole, most))
    at_ends = np.where(low > 0, np.minimum(at_ends, terms.cost(u_low, least)), at_ends)
    below = np.where(u_low < u_last, np.minimum(tangent, at_ends), at_ends)
    size = (np.abs(delta) + parts[0] + parts[1]) * np.maximum(u, u_last) + (k + epsilon * whole) / most
    size = size - delta * whole + np.where(low > 0, (k + epsilon * u_low) / least, 0.0)
    below = np.where(proved & np.isfinite(below), below - SLACK * size, -np.inf)
    # The reward of all of the power and the least cost apart.
    return np.maximum(below, delta * whole + plain)


def _turn(ratio: Floats) -> Floats:
    """Return z where J is the ratio, by Newton's method; infinite for an infinite ratio."""
    z = np.minimum(np.where(ratio < 1.0, np.cbrt(12.0 * ratio), np.log1p(2.0 * ratio) + 1.5), 700.0)
    for _ in range(_INFLECTION_STEPS):
        z = np.maximum(z - (inflection(z) - ratio) * np.exp(-z) * ((z + 2.0) / z) ** 2, 0.5 * z)
    return np.where(np.isfinite(ratio), z, np.inf)
