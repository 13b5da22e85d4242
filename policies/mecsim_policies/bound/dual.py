"""The dual function by a soft maximum over alternatives, its derivatives, and prices that make it small.

    D(y; lambda, mu) = sum of lambda + sum over n of max over its alternatives of their value

D(y) <= 0 for any prices proves SCR <= y. The search below only chooses the prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Alternatives
from mecsim_policies.bound.power_ranges import power_ranges
from mecsim_policies.bound.responses import Answers, Prices, Responder
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.weights import counts_mean

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
        mu over pi: whose delay the price of the largest delay is for. The sum is 1. Where the mean delay
        counts it is of no meaning: mu of each user is pi / N then.
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
    sought : bool
        Whether answers were just sought everywhere.
    """

    instance: Instance
    alternatives: Alternatives
    responder: Responder = field(init=False)
    sought: bool = False

    def __post_init__(self) -> None:
        self.responder = Responder(self.alternatives, self.instance.score_law.slope)
        user = self.alternatives.ends.user
        self.first: Ints = np.flatnonzero(np.diff(user, prepend=-1))

    def prices(self, y: float, multipliers: Multipliers, softness: float) -> Prices:
        """Return the prices that the alternatives see."""
        ends, price = self.alternatives.ends, Price.at(self.instance, y)
        return Prices(
            multipliers.share_price[ends.server],
            price.per_s * self.delay_weight(multipliers)[ends.user],
            price.per_j,
            softness,
        )

    def delay_weight(self, multipliers: Multipliers) -> Floats:
        """Return mu over pi, (N,): with the mean delay nothing is to be chosen."""
        weight = multipliers.delay_weight
        return np.full(len(weight), 1.0 / len(weight)) if counts_mean(self.instance) else weight

    def at(self, y: float, multipliers: Multipliers, softness: float) -> Value:
        """Return the dual function with maxima rounded by the softness, never below the exact ones."""
        ends = self.alternatives.ends
        answers = self.responder.answer(self.prices(y, multipliers, softness))
        scaled = answers.value / softness
        top = np.maximum.reduceat(scaled, self.first)
        exponential = np.exp(scaled - self.of_users(top))
        total = np.add.reduceat(exponential, self.first)
        weight = exponential / self.of_users(total)
        self.responder.matters = weight > _MATTERS
        dual = multipliers.share_price.sum() + softness * (top + np.log(total)).sum()
        servers, users = multipliers.share_price.shape[0], len(multipliers.delay_weight)
        demand = [_summed(ends.server, weight * share, servers) for share in answers.share.T]
        by_y = self.slope(multipliers, weight, answers)
        by_delay_weight = -Price.at(self.instance, y).per_s * _summed(
            ends.user, weight * answers.delay_s, users
        )
        if counts_mean(self.instance):
            by_delay_weight = np.zeros(users)
        return Value(float(dual), by_y, 1.0 - np.stack(demand, axis=1), by_delay_weight, weight, answers)

    def part_power(self, y: float, multipliers: Multipliers, softness: float) -> None:
        """Seek answers everywhere, and then keep those with some of the power from nearly all of it."""
        self.responder.restart()
        prices = self.prices(y, multipliers, softness)
        self.responder.answer(prices)
        self.responder.limit_power(power_ranges(self.responder, prices)[1])

    def hard(self, y: float, multipliers: Multipliers) -> float:
        """Return the dual function with maxima that are not rounded."""
        answers = self.responder.answer(self.prices(y, multipliers, SOFTNESS[-1]), settled=True)
        best = np.maximum.reduceat(answers.value, self.first)
        return float(multipliers.share_price.sum() + best.sum())

    def near(self, value: Value, margin: float) -> NDArray[np.bool_]:
        """Return which alternatives come within a margin of the best of their user, (K,)."""
        best = self.of_users(np.maximum.reduceat(value.answers.value, self.first))
        return np.asarray(value.answers.value >= best - margin)

    def only(self, rows: NDArray[np.bool_]) -> Dual:
        """Return the dual function of some alternatives, which goes on from the last answers."""
        part = Dual(self.instance, self.alternatives.take(rows))
        part.responder, part.sought = self.responder.only(rows), True
        return part

    def slope(self, multipliers: Multipliers, weight: Floats, answers: Answers) -> float:
        """Return the derivative of the dual function in y at some weights of alternatives."""
        price = Price.at(self.instance, 1.0)
        per_s = price.per_s * self.delay_weight(multipliers)[self.alternatives.ends.user]
        return -float((weight * (per_s * answers.delay_s + price.per_j * answers.energy_j)).sum())

    def of_users(self, values: Floats) -> Floats:
        """Return for each alternative what there is for its user, given one value for each user, in order."""
        return np.repeat(values, np.diff(np.append(self.first, len(self.alternatives.own_s))))


def _summed(rows: Ints, values: Floats, count: int) -> Floats:
    return np.bincount(rows, values, count).astype(np.float64)
