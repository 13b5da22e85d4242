"""Along the central path: centring by Newton steps, and the way from one barrier weight to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.newton import Derivatives, Step

# Newton's model promises half the squared decrement.
_PROMISE = 0.5
_HALVINGS = 30


@dataclass(frozen=True, eq=False, slots=True)
class Centre:
    """Where K copies stopped: shares (K N, 6), T, barrier value and steps taken (K,).

    ``there`` holds the derivatives at that point, if they are known for all copies.
    """

    shares: Floats
    longest_s: Floats
    value: Floats
    steps: Ints
    there: Derivatives | None


def ceiling_s(barrier: Barrier, shares: Floats) -> Floats:
    """Return a T to start from: above the largest delay by what it would be if all delays were that."""
    copies, _, users = barrier.problem.member.shape
    longest_s: Floats = barrier.problem.evaluate(shares)[0].reshape(copies, users).max(axis=1)
    pull = barrier.weight * barrier.price.per_s
    slack_s = users / pull if pull > 0 else np.inf
    above_s: Floats = longest_s + np.minimum(np.maximum(slack_s, 1e-6 * longest_s), 0.1 * longest_s)
    return above_s


def centre(
    barrier: Barrier,
    shares: Floats,
    longest_s: Floats,
    value: Floats,
    enough: float,
    most: int,
    hopeless: float = np.inf,
    behind: float = np.inf,
) -> Centre:
    """Minimise the barrier function of every copy by Newton steps.

    A copy stops when its squared decrement is ``enough``, when its value does not promise to fall below
    ``hopeless`` nor to end less than ``behind`` above one that has converged, or after ``most`` steps;
    so do those that find no descent.
    """
    copies, _, users = barrier.problem.member.shape
    every = Centre(
        shares.reshape(copies, users, 6).copy(), longest_s.copy(), value.copy(), np.full(copies, most), None
    )
    at_work, stuck, there = np.arange(copies), np.zeros(copies, dtype=bool), None
    for step in range(most + 1):
        if step < most:
            there = barrier.derivatives(shares, longest_s)
            newton = barrier.newton(there, barrier.weight)
            done = newton.decrement < enough
            if done.any():
                hopeless = min(hopeless, value[done].min() + behind)
            done |= value - _PROMISE * newton.decrement > hopeless
            every.steps[at_work[done & ~stuck]] = step
            done |= stuck
        else:
            there, done = None, np.ones(len(at_work), dtype=bool)
        if done.any():
            every.shares[at_work] = shares.reshape(len(at_work), users, 6)
            every.longest_s[at_work], every.value[at_work] = longest_s, value
            if done.all():
                break
            keep = ~done
            barrier = replace(barrier, problem=barrier.problem.take(keep))
            of_users = np.repeat(keep, users)
            at_work, shares, longest_s, value = at_work[keep], shares[of_users], longest_s[keep], value[keep]
            newton = Step(newton.move[of_users], *(x[keep] for x in newton[1:]))
        shares, longest_s, value, stuck = _descend(barrier, shares, longest_s, value, newton)
    return replace(
        every,
        shares=every.shares.reshape(copies * users, 6),
        there=there if len(at_work) == copies else None,
    )


def follow(barrier: Barrier, heavier: Barrier, centre: Centre) -> tuple[Floats, Floats, Floats]:
    """Step along the tangent of the central path, as a function of 1 / weight, to a heavier weight.

    Slacks of active constraints go like 1 / weight, so this tangent shrinks them by the right
    factor where a Newton step for the heavier weight would run into the boundary. Returns shares, T
    and the heavier barrier's value.
    """
    shares, longest_s, there = centre.shares, centre.longest_s, centre.there
    users = len(shares) // len(longest_s)
    there = barrier.derivatives(shares, longest_s) if there is None else there
    move, move_s, *_ = barrier.newton(there, heavier.weight)
    part = barrier.weight / heavier.weight
    size = part * barrier.longest_step(shares, part * move)
    for _ in range(_HALVINGS):
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
    """Go along a Newton step as far as the value falls; say which copies find no descent and stay."""
    users = len(shares) // len(longest_s)
    size = barrier.longest_step(shares, newton.move, newton.growth)
    for _ in range(_HALVINGS):
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
