"""The search for prices, and the proof at the ones found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import BoundError
from mecsim.system.instance import Instance
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
# From here on those are searched alone that come near to the best of their user.
_MANY = 300
_NEAR = 0.05
_FEW_AT_A_SERVER = 10.0
_LEAST_SOFTNESS = 5e-4
_MOST_MISSES = 3
_MISSED = 1e-4
_MOST_REPEATS = 30
_MOST_PROOFS = 20
_HOPELESS = 100.0
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
    many, warm = len(dual.alternatives.own_s) >= _MANY, start is not None
    searched = dual
    if start is None:
        start = Multipliers.first(instance.user_count, instance.server_count, instance.score_law.slope)
        stages = cold_stages(instance) if stages is None else stages
        if iterations is not None:
            stages = tuple(stage._replace(iterations=iterations) for stage in stages)
    elif stages is None:
        stages = (Stage(_WARM_SOFTNESS, _WARM_ITERATIONS if iterations is None else iterations),)
        if many:
            searched = dual.only(dual.near(_everywhere(dual, y, start, _WARM_SOFTNESS), _NEAR))
    for number, stage in enumerate(stages):
        for _ in range(most_repeats):
            start, value = descend(searched, y, start, *stage)
            found = Prices(y, start, value)
            before, y = y, found.root
            if many and searched is dual:
                rows = dual.near(value, _NEAR)
                searched = dual.only(rows)
            if number > 0 or abs(y - before) < _FAR * before:
                break
    if searched is dual:
        return found
    if warm:
        return found._replace(value=dual.at(found.y, found.multipliers, stages[-1].softness))
    return _with_all(dual, rows, found, stages[-1])


def cold_stages(instance: Instance, stages: tuple[Stage, ...] = COLD) -> tuple[Stage, ...]:
    """Return stages less soft where many share a server, as less is at stake for each of them."""
    factor = min(1.0, _FEW_AT_A_SERVER * instance.server_count / instance.user_count)
    return tuple(
        stage._replace(softness=max(factor * stage.softness, min(stage.softness, _LEAST_SOFTNESS)))
        for stage in stages
    )


def _with_all(dual: Dual, rows: NDArray[np.bool_], found: Prices, stage: Stage) -> Prices:
    """Return prices with the dual function of all alternatives, also of those that were left out.

    Where one of these has become better than those that were searched, the search goes on with it.
    """
    for left in reversed(range(_MOST_MISSES)):
        of_all = found._replace(value=_everywhere(dual, found.y, found.multipliers, stage.softness))
        if left == 0 or of_all.root <= found.root * (1.0 + _MISSED):
            break
        rows = rows | dual.near(of_all.value, _NEAR)
        found = Prices(of_all.root, *descend(dual.only(rows), of_all.root, found.multipliers, *stage))
    return of_all


def _everywhere(dual: Dual, y: float, multipliers: Multipliers, softness: float) -> Value:
    """Return the dual function at some prices, with answers sought everywhere."""
    dual.part_power(y, multipliers, softness)
    return dual.at(y, multipliers, softness)


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
    best, margin, before = float("inf"), _LEAST_STEP, float("inf")
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
        elif y > _HOPELESS * found.root and proof.dual >= before:
            break  # what is added for rounding rises with y, and faster than the costs
        else:
            before = proof.dual
            y = min((y + (1.0 + _BEYOND) * step) * (1.0 + margin), best)
            margin *= _GROWTH
    return best
