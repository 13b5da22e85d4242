"""The search for prices, and the proof at the ones found."""

from __future__ import annotations

from typing import NamedTuple

from mecsim.errors import BoundError
from mecsim_policies.bound.descent import descend
from mecsim_policies.bound.dual import Dual, Multipliers, Value
from mecsim_policies.bound.proof import Proof, certified


class Stage(NamedTuple):
    """Iterations of L-BFGS at a softness of the maxima."""

    softness: float
    iterations: int


COLD = (Stage(1e-2, 15), Stage(2e-3, 15), Stage(5e-4, 20), Stage(1e-4, 20))
_WARM_SOFTNESS = 5e-4
_WARM_ITERATIONS = 8
_FAR = 0.1
_MOST_REPEATS = 30
_MOST_PROOFS = 20
_WORTHWHILE = 3e-5
_BEYOND = 1e-3
_LEAST_STEP = 1e-7
_AIM = 0.3
_GROWTH = 10.0


class Prices(NamedTuple):
    """Multipliers, the y that they were found for, and the dual function there."""

    y: float
    multipliers: Multipliers
    value: Value

    @property
    def root(self) -> float:
        """Where the tangent of the dual function in y is 0."""
        return self.y - self.value.dual / self.value.by_y


def optimised(
    dual: Dual,
    y: float,
    start: Multipliers | None,
    iterations: int | None,
    stages: tuple[Stage, ...] | None = None,
) -> Prices:
    """Return prices at which the root of the dual function in y is small, from a y that is not above it.

    With stages that are given, y stays near: in a node of branch and bound that holds no allocation there is
    no root.
    """
    instance, most_repeats = dual.instance, _MOST_REPEATS if stages is None else 1
    if start is None:
        start = Multipliers.first(instance.user_count, instance.server_count, instance.score_law.slope)
        stages = COLD if iterations is None else tuple(s._replace(iterations=iterations) for s in COLD)
    elif stages is None:
        stages = (Stage(_WARM_SOFTNESS, _WARM_ITERATIONS if iterations is None else iterations),)
    for number, stage in enumerate(stages):
        for _ in range(most_repeats):
            start, value = descend(dual, y, start, *stage)
            found = Prices(y, start, value)
            before, y = y, found.root
            if number > 0 or abs(y - before) < _FAR * before:
                break
    return found


def proved(
    dual: Dual, found: Prices, *, start: Proof | None = None, worthwhile: float = _WORTHWHILE
) -> float:
    """Return a y at which the dual function at the prices found is proved not to be positive.

    It is convex in y and falls, so Newton's method from above ends below the root: a little less is taken.

    Parameters
    ----------
    dual : Dual
    found : Prices
    start : Proof, optional
        What is proved at ``found.y`` already.
    worthwhile : float
        By how much y must fall, as a share of it, for another proof.
    """
    if not found.value.by_y < 0.0:
        raise BoundError("no upper bound is proved for this instance: a round of all users costs nothing")
    if start is None:
        y, slope = found.root, found.value.by_y
        step = dual.hard(y, found.multipliers) / -slope
    else:
        y, slope = found.y, start.by_y
        step = start.dual / -slope
    best, margin = float("inf"), _LEAST_STEP
    y = max(y + step, 0.5 * y) * (1.0 + _AIM * worthwhile)
    for _ in range(_MOST_PROOFS):
        proof = certified(dual, y, found.multipliers)
        step = proof.dual / -proof.by_y
        if step <= 0.0:
            best = min(best, y)
            if -step < worthwhile * y:
                break
            y += (1.0 - _BEYOND) * step
        elif y >= best * (1.0 - worthwhile):
            break
        else:
            y = min((y + (1.0 + _BEYOND) * step) * (1.0 + margin), best)
            margin *= _GROWTH
    return best
