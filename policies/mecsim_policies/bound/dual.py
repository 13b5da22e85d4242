"""The dual function by a soft maximum over alternatives, its derivatives, and prices that make it small.

    D(y; lambda, mu) = sum of lambda + sum over n of max over its alternatives of their value

D(y) <= 0 for any prices proves SCR <= y. The search below only chooses the prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Alternatives
from mecsim_policies.bound.responses import Answers, Prices, Responder
from mecsim_policies.bound.rigorous import Shares, dual_from_above, values_from_above
from mecsim_policies.optim.price import Price

_MATTERS = 1e-5
SOFTNESS = (1e-2, 2e-3, 5e-4, 1e-4)


@dataclass(frozen=True, eq=False, slots=True)
class Multipliers:
    """Prices that a bound was found with, to start the next one from.

    Parameters
    ----------
    share_price : (M, 3) float
        lambda of each server's band, power and GPU: the price of all of it, in score / s1.
    delay_weight : (N,) float
        mu over pi: whose delay the price of the largest delay is for. The sum is 1.
    """

    share_price: Floats
    delay_weight: Floats

    @classmethod
    def first(cls, users: int, servers: int, score_slope: float) -> Multipliers:
        """Return prices for which users who share a server equally are at their best, or nearly so."""
        sigma = score_slope / (1.0 + 3.0 * score_slope * servers / max(users, servers))
        return cls(np.full((servers, 3), 1.2 * sigma), np.full(users, 1.0 / users))


class Value(NamedTuple):
    """The dual function: its value, derivative in y, gradients, and the weights of alternatives (K,)."""

    dual: float
    by_y: float
    by_share_price: Floats
    by_delay_weight: Floats
    weight: Floats
    answers: Answers


@dataclass(eq=False)
class Dual:
    """The dual function of some alternatives of an instance.

    Parameters
    ----------
    instance : Instance
    alternatives : Alternatives
    responder : Responder
    """

    instance: Instance
    alternatives: Alternatives
    responder: Responder = field(init=False)

    def __post_init__(self) -> None:
        self.responder = Responder(self.alternatives, self.instance.score_law.slope)
        user = self.alternatives.ends.user
        self.first: Ints = np.flatnonzero(np.diff(user, prepend=-1))

    def prices(self, y: float, multipliers: Multipliers, softness: float) -> Prices:
        """Return the prices that the alternatives see."""
        ends, price = self.alternatives.ends, Price.at(self.instance, y)
        return Prices(
            multipliers.share_price[ends.server],
            price.per_s * multipliers.delay_weight[ends.user],
            price.per_j,
            softness,
        )

    def at(self, y: float, multipliers: Multipliers, softness: float) -> Value:
        """Return the dual function with maxima rounded by the softness, never below the exact ones."""
        ends = self.alternatives.ends
        answers = self.responder.answer(self.prices(y, multipliers, softness))
        scaled = answers.value / softness
        top = np.maximum.reduceat(scaled, self.first)
        counts = np.diff(np.append(self.first, len(scaled)))
        exponential = np.exp(scaled - np.repeat(top, counts))
        total = np.add.reduceat(exponential, self.first)
        weight = exponential / np.repeat(total, counts)
        self.responder.matters = weight > _MATTERS
        dual = multipliers.share_price.sum() + softness * (top + np.log(total)).sum()
        servers, users = multipliers.share_price.shape[0], len(multipliers.delay_weight)
        demand = [_summed(ends.server, weight * share, servers) for share in answers.share.T]
        delay_s = _summed(ends.user, weight * answers.delay_s, users)
        price = Price.at(self.instance, 1.0)
        energy = price.per_j * float((weight * answers.energy_j).sum())
        by_y = -energy - price.per_s * float((multipliers.delay_weight * delay_s).sum())
        by_delay_weight = -price.per_s * y * delay_s
        return Value(float(dual), by_y, 1.0 - np.stack(demand, axis=1), by_delay_weight, weight, answers)


def _summed(rows: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(rows, values, count).astype(np.float64)


def descend(
    dual: Dual, y: float, start: Multipliers, softness: float, iterations: int
) -> tuple[Multipliers, Value]:
    """Return prices after some iterations of L-BFGS on the logarithms, and the dual function there."""
    servers = len(start.share_price)
    found: dict[bytes, Value] = {}

    def unpacked(x: Floats) -> Multipliers:
        logits = x[3 * servers :]
        weight = np.exp(logits - logits.max())
        return Multipliers(np.exp(x[: 3 * servers]).reshape(-1, 3), weight / weight.sum())

    def evaluate(x: Floats) -> tuple[float, Floats]:
        at = unpacked(x)
        value = dual.at(y, at, softness)
        w, by_weight = at.delay_weight, value.by_delay_weight
        by_logit = w * (by_weight - (w * by_weight).sum())
        found.clear()
        found[x.tobytes()] = value
        return value.dual, np.concatenate([(at.share_price * value.by_share_price).ravel(), by_logit])

    x = np.concatenate([np.log(start.share_price).ravel(), np.log(start.delay_weight)])
    outcome = minimize(
        evaluate, x, jac=True, method="L-BFGS-B", options={"maxiter": iterations, "maxcor": 20, "maxls": 10}
    )
    best = unpacked(outcome.x)
    value = found.get(outcome.x.tobytes())
    return best, dual.at(y, best, softness) if value is None else value


def certified(dual: Dual, y: float, multipliers: Multipliers) -> float:
    """Return a number that the dual function at y and these prices does not exceed, proved."""
    prices = dual.prices(y, multipliers, SOFTNESS[-1])
    responder = dual.responder
    answers = responder.answer(prices)
    responder.polish(prices)
    best = np.maximum.reduceat(answers.value, dual.first)
    enough = best[np.searchsorted(dual.alternatives.ends.user[dual.first], dual.alternatives.ends.user)]
    shares = Shares(answers.sigma, responder.band, responder.gpu)
    values = values_from_above(dual.alternatives, prices, shares, enough - 1e-3, responder.score_slope)
    return dual_from_above(values, multipliers.share_price, dual.first)
