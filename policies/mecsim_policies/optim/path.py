"""Along the central path: corrector steps at one barrier weight, predictor steps to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.newton import Derivatives, Step

# Newton's model predicts a decrease of half the squared decrement.
_PREDICTED_DECREASE = 0.5
_MAX_HALVINGS = 30


@dataclass(frozen=True, eq=False, slots=True)
class PathPoint:
    """Where K copies stopped.

    Parameters
    ----------
    shares : (K N, 6) float
    longest_s, value : (K,) float
        T and the barrier's value.
    steps : (K,) int
        Newton steps taken.
    derivatives : Derivatives or None
        Those at this point, if they are known for all copies.
    """

    shares: Floats
    longest_s: Floats
    value: Floats
    steps: Ints
    derivatives: Derivatives | None


def initial_longest_s(barrier: Barrier, shares: Floats) -> Floats:
    """Return a T to start from, (K,): above the largest delay by its slack if all delays were equal."""
    copies, _, users = barrier.problem.member.shape
    longest_s: Floats = barrier.smooth.evaluate(shares)[0].reshape(copies, users).max(axis=1)
    weight_per_s = barrier.weight * barrier.price.per_s
    slack_s = users / weight_per_s if weight_per_s > 0 else np.inf
    above_s: Floats = longest_s + np.minimum(np.maximum(slack_s, 1e-6 * longest_s), 0.1 * longest_s)
    return above_s


def corrector(
    barrier: Barrier,
    shares: Floats,
    longest_s: Floats,
    value: Floats,
    tolerance: float,
    max_steps: int,
    cutoff: float = np.inf,
    gap_to_best: float = np.inf,
) -> PathPoint:
    """Minimise the barrier function of every copy by Newton steps.

    A copy stops when its squared decrement is below ``tolerance``, when its value is not predicted to fall
    below ``cutoff`` nor to end less than ``gap_to_best`` above one that has converged, or after
    ``max_steps``; so do copies that find no descent.
    """
    copies, _, users = barrier.problem.member.shape
    stopped = shares.reshape(copies, users, 6).copy(), longest_s.copy(), value.copy()
    result = PathPoint(*stopped, np.full(copies, max_steps), None)
    active, stuck, derivatives = np.arange(copies), np.zeros(copies, dtype=bool), None
    for step in range(max_steps + 1):
        if step < max_steps:
            derivatives = barrier.derivatives(shares, longest_s)
            newton = barrier.newton(derivatives, barrier.weight)
            done = newton.decrement < tolerance
            if done.any():
                cutoff = min(cutoff, value[done].min() + gap_to_best)
            done |= value - _PREDICTED_DECREASE * newton.decrement > cutoff
            result.steps[active[done & ~stuck]] = step
            done |= stuck
        else:
            derivatives, done = None, np.ones(len(active), dtype=bool)
        if done.any():
            result.shares[active] = shares.reshape(len(active), users, 6)
            result.longest_s[active], result.value[active] = longest_s, value
            if done.all():
                break
            barrier, newton, shares = _select(barrier, newton, shares, ~done)
            active, longest_s, value = active[~done], longest_s[~done], value[~done]
        shares, longest_s, value, stuck = _descend(barrier, shares, longest_s, value, newton)
    flat = result.shares.reshape(copies * users, 6)
    return replace(result, shares=flat, derivatives=derivatives if len(active) == copies else None)


def _select(
    barrier: Barrier, newton: Step, shares: Floats, copies: NDArray[np.bool_]
) -> tuple[Barrier, Step, Floats]:
    """Return the barrier, Newton step and shares of some of the copies."""
    of_users = np.repeat(copies, len(shares) // len(copies))
    step = Step(newton.move[of_users], *(x[copies] for x in newton[1:]))
    return replace(barrier, problem=barrier.problem.take(copies)), step, shares[of_users]


def predictor(barrier: Barrier, heavier: Barrier, start: PathPoint) -> tuple[Floats, Floats, Floats]:
    """Step along the tangent of the central path, as a function of 1 / weight, to a heavier weight.

    Slacks of active constraints go like 1 / weight, so this tangent shrinks them by the right
    factor where a Newton step for the heavier weight would run into the boundary.

    Returns
    -------
    shares, longest_s, value
        The last being the heavier barrier's.
    """
    shares, longest_s, derivatives = start.shares, start.longest_s, start.derivatives
    users = len(shares) // len(longest_s)
    derivatives = barrier.derivatives(shares, longest_s) if derivatives is None else derivatives
    move, move_s, *_ = barrier.newton(derivatives, heavier.weight)
    part = barrier.weight / heavier.weight
    size = part * barrier.longest_step(shares, part * move)
    for _ in range(_MAX_HALVINGS):
        trial = shares + np.repeat(size, users)[:, None] * move
        trial_s = longest_s + size * move_s
        value = heavier.value(trial, trial_s)
        outside = ~(value < np.inf)
        if not outside.any():
            return trial, trial_s, value
        size = np.where(outside, 0.7 * size, size)
    trial = np.where(np.repeat(outside, users)[:, None], shares, trial)
    trial_s = np.where(outside, longest_s, trial_s)
    return trial, trial_s, heavier.value(trial, trial_s)


def _descend(
    barrier: Barrier, shares: Floats, longest_s: Floats, value: Floats, newton: Step
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Backtrack along a Newton step until the value falls.

    Returns shares, T, value, and which copies found no descent and stay where they are.
    """
    users = len(shares) // len(longest_s)
    size = barrier.longest_step(shares, newton.move, newton.growth)
    for _ in range(_MAX_HALVINGS):
        trial = shares + np.repeat(size, users)[:, None] * newton.move
        trial_s = longest_s + size * newton.move_s
        trial_value = barrier.value(trial, trial_s)
        short = ~(trial_value <= value - 0.05 * size * newton.decrement)
        if not short.any():
            return trial, trial_s, trial_value, short
        size = np.where(short, 0.5 * size, size)
    back = np.repeat(short, users)[:, None]
    return (
        np.where(back, shares, trial),
        np.where(short, longest_s, trial_s),
        np.where(short, value, trial_value),
        short,
    )
