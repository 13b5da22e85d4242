"""Prices that make the dual function small, by L-BFGS on their logarithms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from mecsim.system.arrays import Floats
from mecsim_policies.bound.dual import Dual, Multipliers, Value

_MOST_RESTARTS = 2
_LEAST_GAIN = 1e-6
_LEAST_BEND = 0.01
_WIDE = 1e3
_MOST_LOG = 20.0
_MOST_TRIALS = 3


def descend(
    dual: Dual, y: float, start: Multipliers, softness: float, iterations: int
) -> tuple[Multipliers, Value]:
    """Return prices after some iterations of L-BFGS on the logarithms, and the dual function there."""
    slope = _Slope.at(dual, y, start, softness)
    x, before = np.zeros_like(slope.logs), np.inf
    # With bounds, even wide ones, the first step has the length of the gradient.
    bounds = [(-_WIDE, _WIDE)] * len(x)
    for _ in range(_MOST_RESTARTS + 1):
        slope.trials = _MOST_TRIALS * (iterations + 1)
        limits: Any = {"maxiter": iterations, "maxcor": 20, "maxls": 10}
        try:
            outcome: OptimizeResult = minimize(
                slope.evaluate, x, jac=True, method="L-BFGS-B", bounds=bounds, options=limits
            )
        except _NoLeastValue:
            break
        x, iterations = outcome.x, iterations - outcome.nit
        if iterations <= 0 or outcome.fun > before - _LEAST_GAIN:
            break
        # It stops early where another share of band has become the best.
        before = outcome.fun
        slope.part_power(x)
    return slope.multipliers(x), slope.value(x)


class _NoLeastValue(Exception):
    """In a node without any allocation there is no least value, and a line search has no end."""


@dataclass(eq=False)
class _Slope:
    """The dual function of scaled logarithms of prices; the last value is kept, as it is asked for again."""

    dual: Dual
    y: float
    softness: float
    shape: tuple[int, ...]
    logs: Floats
    unit: Floats
    _last: Value
    trials: int = 0
    _at: bytes = field(init=False)

    def __post_init__(self) -> None:
        self._at = np.zeros_like(self.logs).tobytes()

    @classmethod
    def at(cls, dual: Dual, y: float, start: Multipliers, softness: float) -> Self:
        """Return the function around some prices, which are its zero."""
        if not dual.sought:
            dual.part_power(y, start, softness)
        dual.sought = False
        value = dual.at(y, start, softness)
        # Second derivatives are of the size of what all of a budget costs, and all of a user's delay.
        bend = np.concatenate([start.share_price.ravel(), -start.delay_weight * value.by_delay_weight])
        unit = 1.0 / np.sqrt(np.maximum(bend, _LEAST_BEND * bend.max()))
        logs = np.concatenate([np.log(start.share_price).ravel(), np.log(start.delay_weight)])
        return cls(dual, y, softness, start.share_price.shape, logs, unit, value)

    def multipliers(self, x: Floats) -> Multipliers:
        """Return the prices at a point; where a step is too long, they do not overflow."""
        prices, logits = np.split(self.logs + self.unit * x, [self.shape[0] * self.shape[1]])
        weight = np.exp(logits - logits.max())
        return Multipliers(np.exp(np.minimum(prices, _MOST_LOG)).reshape(self.shape), weight / weight.sum())

    def value(self, x: Floats) -> Value:
        """Return the dual function at a point."""
        if self._at != x.tobytes():
            self._at, self._last = x.tobytes(), self.dual.at(self.y, self.multipliers(x), self.softness)
        return self._last

    def evaluate(self, x: Floats) -> tuple[float, Floats]:
        """Return the value at a point and its gradient."""
        at, value = self.multipliers(x), self.value(x)
        self.trials -= 1
        if self.trials < 0 or not np.isfinite(value.dual):
            raise _NoLeastValue
        w, by_weight = at.delay_weight, value.by_delay_weight
        by_logit = w * (by_weight - (w * by_weight).sum())
        by_price = (at.share_price * value.by_share_price).ravel()
        return value.dual, self.unit * np.concatenate([by_price, by_logit])

    def part_power(self, x: Floats) -> None:
        """Seek answers everywhere at a point, which has another value then."""
        self.dual.part_power(self.y, self.multipliers(x), self.softness)
        self._at = b""
