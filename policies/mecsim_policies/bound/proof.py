"""The proof at given prices: the dual function from above; ranges of power are cut where it is loose."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.bound.alternatives import Alternatives
from mecsim_policies.bound.dual import SOFTNESS, Dual, Multipliers
from mecsim_policies.bound.power_ranges import power_ranges
from mecsim_policies.bound.responses import Prices, Responder
from mecsim_policies.bound.rigorous import Shares, dual_from_above, values_from_above

_LOOSE = 2e-5
_PARTS = 4
_MOST_CUTS = 3
_NARROW = 1e-3


class Proof(NamedTuple):
    """What the dual function does not exceed at some prices, and its derivative in y, or nearly so.

    No value of an alternative exceeds its entry in ``values`` (K,).
    """

    dual: float
    by_y: float
    values: Floats


def certified(dual: Dual, y: float, multipliers: Multipliers, margin: float = 1e-3) -> Proof:
    """Return the dual function at y and these prices from above, proved.

    Parameters
    ----------
    dual : Dual
    y : float
    multipliers : Multipliers
    margin : float
        How much below the best of its user the value of an alternative is of no interest.
    """
    prices = dual.prices(y, multipliers, SOFTNESS[-1])
    responder = dual.responder
    answers = responder.answer(prices, settled=True)
    responder.polish(prices)
    best = dual.of_users(np.maximum.reduceat(answers.value, dual.first))
    ranges = power_ranges(responder, prices)
    shares = Shares(answers.sigma, responder.band, responder.gpu, *ranges)
    values = values_from_above(dual.alternatives, prices, shares, best - margin, responder.score_slope)
    _cut_power(dual.alternatives, prices, ranges, best, values, responder.score_slope)
    ties = (answers.value >= best).astype(np.float64)
    ties /= dual.of_users(np.add.reduceat(ties, dual.first))
    by_y = dual.slope(multipliers, ties, answers)
    return Proof(dual_from_above(values, multipliers.share_price, dual.first), by_y, values)


def _cut_power(
    a: Alternatives, prices: Prices, ranges: tuple[Floats, Floats], best: Floats, values: Floats, slope: float
) -> None:
    """Lower the values that exceed the best known of their user, in parts of their range of power.

    A sigma that is good for little power is not for much of it: each part has its own.
    """
    row: Ints = np.arange(len(values))
    low, high, bound = *ranges, values.copy()
    settled = np.full(len(values), -np.inf)
    for _ in range(_MOST_CUTS):
        loose = (bound > best[row] + _LOOSE) & (a.down.time_s[row] > 0) & (high - low > _NARROW)
        np.maximum.at(settled, row[~loose], bound[~loose])
        row, low, high = _parts(row[loose], low[loose], high[loose])
        if not row.size:
            return
        bound = _values(a.take(row), prices.take(row), low, high, best[row], slope)
        of_parts = settled.copy()
        np.maximum.at(of_parts, row, bound)
        values[row] = np.fmin(values[row], of_parts[row])


def _parts(row: Ints, low: Floats, high: Floats) -> tuple[Ints, Floats, Floats]:
    edges = low + (high - low) * np.linspace(0.0, 1.0, _PARTS + 1)[:, None]
    edges[-1] = high
    return np.repeat(row, _PARTS), edges[:-1].T.ravel(), edges[1:].T.ravel()


def _values(
    a: Alternatives, prices: Prices, low: Floats, high: Floats, enough: Floats, slope: float
) -> Floats:
    """Return values that alternatives with power in these ranges do not exceed."""
    responder = Responder(a.with_power(low, high), slope)
    answers = responder.answer(prices, settled=True)
    responder.polish(prices)
    shares = Shares(answers.sigma, responder.band, responder.gpu, low, high)
    return values_from_above(responder.alternatives, prices, shares, enough, slope)
