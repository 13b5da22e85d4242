"""AO part 2, resources for a fixed association and phi, and the joint step over phi as well.

Only ``p / r_u`` and ``q / r_d`` in the energy are not convex. The transform of Zhao, Qian and Yu
(JSAC 2024), ``A / r = min over nu of A^2 nu + 1 / (4 nu r^2)``, attained at ``nu = 1 / (2 A r)``,
makes the problem convex for fixed nu; the paper alternates nu and the convex problem. Transform
and term touch at that nu, so a point the alternation cannot move is one where the gradient of the
true problem vanishes. Newton's method goes to such a point directly: nu is refreshed at every step,
and the curvature that the transform adds is taken away again wherever the rest is convex.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.dashf.barrier import Barrier, Transform
from mecsim_policies.dashf.shares import SHARED, Price, ShareProblem

_GROWTH = 15.0
_DECREMENT = 1.0
_HOT_STEPS = 6
_WARM_WEIGHT = 1e3
_WARM_MARGIN = 1e-3
_LAST_DECREMENT = 0.1


@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """The shares found (N, 6) with T, their cost (-F / s1), what binds them, and the Newton steps taken.

    ``delay_price`` (N,) is what a second of each user's own delay costs (they add up to the price of
    T), ``share_price`` (M, 3) what all of a server's bandwidth, power and GPU speed would cost.
    """

    shares: Floats
    longest_s: float
    cost: float
    delay_price: Floats
    share_price: Floats
    steps: int
    converged: bool


def solve(
    problem: ShareProblem,
    price: Price,
    start: Floats,
    *,
    gap: float = 1e-6,
    first_weight: float = 30.0,
    last_weight: float | None = None,
    longest_s: float | None = None,
    free: int = 5,
    nu: Transform | None = None,
    steps: int = 20,
) -> Solution:
    """Return shares at a stationary point of F for a fixed association.

    Parameters
    ----------
    problem, price : ShareProblem, Price
    start : (N, 6) float
        Shares strictly inside all bounds and budgets.
    gap : float
        Where to stop: duality gap a user, in units of score / s1.
    first_weight : float
        Weight of the objective against the barrier to begin with; large for a good start.
    last_weight : float, optional
        Weight to end with, instead of the one that ``gap`` asks for.
    longest_s : float, optional
        T to start with, above all delays; without it one is chosen.
    free : int
        5 for part 2; 6 moves phi too.
    nu : Transform, optional
        Solve the convex problem of this nu instead.
    steps : int
        Most Newton steps for one weight.
    """
    if last_weight is None:
        constraints = (1 + 2 * free - SHARED) * len(start) + SHARED * len(problem.member)
        last_weight = constraints / (gap * len(start))
    shares = start
    barrier = Barrier(problem, price, min(first_weight, last_weight), free, nu)
    if longest_s is None:
        longest_s = _ceiling_s(barrier, shares)
    taken = 0
    while True:
        last = barrier.weight >= last_weight
        enough = _LAST_DECREMENT if last else _DECREMENT
        shares, longest_s, used = _centre(barrier, shares, longest_s, enough, steps)
        taken += used
        if last:
            delay_s, _, _ = problem.evaluate(shares)
            spare = 1.0 - problem.member @ shares[:, :SHARED]
            return Solution(
                shares=shares,
                longest_s=longest_s,
                cost=problem.cost(price, shares),
                delay_price=1.0 / (barrier.weight * (longest_s - delay_s)),
                share_price=1.0 / (barrier.weight * spare),
                steps=taken,
                converged=used < steps,
            )
        heavier = replace(barrier, weight=min(barrier.weight * _GROWTH, last_weight))
        shares, longest_s = _follow(barrier, heavier, shares, longest_s)
        barrier, taken = heavier, taken + 1


def solve_again(problem: ShareProblem, price: Price, last: Solution, *, gap: float) -> Solution:
    """Solve for a price near that of the last solution: from that solution itself, if it will do.

    Parameters
    ----------
    problem, price, gap
        As for :func:`solve`.
    last : Solution
        The solution of the same problem for another price.
    """
    if last.converged:
        found = solve(
            problem,
            price,
            last.shares,
            gap=gap,
            first_weight=np.inf,
            longest_s=last.longest_s,
            steps=_HOT_STEPS,
        )
        if found.converged:
            return found
    inside = problem.inside(last.shares, _WARM_MARGIN)
    return solve(problem, price, inside, gap=gap, first_weight=_WARM_WEIGHT)


def _ceiling_s(barrier: Barrier, shares: Floats) -> float:
    """Return a T to start from: above the largest delay by what it would be if all delays were that."""
    longest_s = float(barrier.problem.evaluate(shares)[0].max())
    pull = barrier.weight * barrier.price.per_s
    slack_s = len(shares) / pull if pull > 0 else np.inf
    return longest_s + min(max(slack_s, 1e-6 * longest_s), 0.1 * longest_s)


def _centre(
    barrier: Barrier, shares: Floats, longest_s: float, enough: float, most: int
) -> tuple[Floats, float, int]:
    """Minimise the barrier function by Newton steps until the squared decrement is ``enough``."""
    value = barrier.value(shares, longest_s)
    for step in range(most):
        move, move_s, decrement = barrier.newton(shares, longest_s, barrier.weight)
        if decrement < enough:
            return shares, longest_s, step
        size = barrier.longest_step(shares, move)
        for _ in range(30):
            trial, trial_s = shares + size * move, longest_s + size * move_s
            trial_value = barrier.value(trial, trial_s)
            if trial_value <= value - 0.05 * size * decrement:
                break
            size *= 0.5
        else:
            return shares, longest_s, most  # no descent to be had: not converged
        shares, longest_s, value = trial, trial_s, trial_value
    return shares, longest_s, most


def _follow(barrier: Barrier, heavier: Barrier, shares: Floats, longest_s: float) -> tuple[Floats, float]:
    """Step along the tangent of the central path, as a function of 1 / weight, to a heavier weight.

    Slacks of active constraints go like 1 / weight, so this tangent shrinks them by the right
    factor where a Newton step for the heavier weight would run into the boundary.
    """
    move, move_s, _ = barrier.newton(shares, longest_s, heavier.weight)
    part = barrier.weight / heavier.weight
    size = part * barrier.longest_step(shares, part * move)
    for _ in range(30):
        trial, trial_s = shares + size * move, longest_s + size * move_s
        if heavier.value(trial, trial_s) < np.inf:
            return trial, trial_s
        size *= 0.7
    return shares, longest_s
