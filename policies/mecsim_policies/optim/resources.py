"""AO part 2, resources for a fixed association and phi, and the joint step over phi as well.

Only ``p / r_u`` and ``q / r_d`` in the energy are not convex. The transform of Zhao, Qian and Yu
(JSAC 2024), ``A / r = min over nu of A^2 nu + 1 / (4 nu r^2)``, attained at ``nu = 1 / (2 A r)``,
makes the problem convex for fixed nu; the paper alternates nu and the convex problem. Transform
and term touch at that nu, so a point the alternation cannot move is one where the gradient of the
true problem vanishes. Newton's method goes to such a point directly: nu is refreshed at every step,
and the curvature that the transform adds is taken away again wherever the rest is convex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.barrier import Barrier, Transform
from mecsim_policies.optim.path import Centre, ceiling_s, centre, follow
from mecsim_policies.optim.shares import SHARED, Price, ShareProblem, Totals

# Larger steps lose the path where the energies bend the wrong way, and take longer to come back.
_GROWTH = 6.0
_DECREMENT = 1.0
_HOT_STEPS = 6
_WARM_WEIGHT = 1e3
_WARM_MARGIN = 1e-3


@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """The shares found (N, 6) with T, the price and their cost (-F / s1) there, what binds them.

    ``delay_price`` (N,) is what a second of each user's own delay costs (they add up to the price of
    T), ``share_price`` (M, 3) what all of a server's bandwidth, power and GPU speed would cost.
    """

    shares: Floats
    longest_s: float
    price: Price
    totals: Totals
    delay_price: Floats
    share_price: Floats
    steps: int
    converged: bool

    @property
    def cost(self) -> float:
        """-F / s1 at the price."""
        return self.totals.cost(self.price)


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
    steps: int = 40,
    enough: float = _DECREMENT,
    on_the_way: float = _DECREMENT,
    refresh: Callable[[Floats], Price] | None = None,
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
    enough : float
        Squared Newton decrement to stop at; prices need a small one, the cost does not.
    on_the_way : float
        The same before the last weight.
    refresh : callable, optional
        Returns the price at which to go on from the shares reached at each weight: Dinkelbach's y is
        brought up to date on the way.
    """
    if last_weight is None:
        constraints = (1 + 2 * free - SHARED) * len(start) + SHARED * len(problem.member)
        last_weight = constraints / (gap * len(start))
    shares = start
    barrier = Barrier(problem, price, min(first_weight, last_weight), free, nu)
    above_s = ceiling_s(barrier, shares) if longest_s is None else np.array([longest_s])
    value = barrier.value(shares, above_s)
    taken = 0
    while True:
        last = barrier.weight >= last_weight
        there = centre(barrier, shares, above_s, value, enough if last else on_the_way, steps)
        shares, above_s, used = there.shares, there.longest_s, int(there.steps[0])
        taken += used
        if last:
            return _solution(barrier, shares, above_s, taken, converged=used < steps)
        if refresh is not None:
            barrier = replace(barrier, price=refresh(shares))
        heavier = replace(barrier, weight=min(barrier.weight * _GROWTH, last_weight))
        shares, above_s, value = follow(barrier, heavier, there)
        barrier, taken = heavier, taken + 1


def compare(
    problem: ShareProblem,
    price: Price,
    start: Floats,
    *,
    weight: float,
    steps: int,
    free: int = 5,
    hopeless: float = np.inf,
    behind: float = np.inf,
) -> Compared:
    """Return solutions of many associations at one weight of the barrier: cheap, and one measure for all.

    Parameters
    ----------
    problem, price : ShareProblem, Price
        The problem has one copy for each association.
    start : (K N, 6) float
        Shares strictly inside all bounds and budgets.
    weight, steps, free
        As for :func:`solve`.
    hopeless : float
        Give an association up when its barrier function does not promise to fall below this.
    behind : float
        The same for so much above another's that is solved.
    """
    barrier = Barrier(problem, price, weight, free)
    above_s = ceiling_s(barrier, start)
    value = barrier.value(start, above_s)
    found = centre(barrier, start, above_s, value, _DECREMENT, steps, hopeless, behind)
    costs = np.where(found.value <= hopeless, problem.costs(price, found.shares), np.inf)
    return Compared(barrier, found, costs)


def compare_again(before: Compared, copies: Ints, weight: float, *, steps: int) -> Compared:
    """Return solutions of some of the associations at a heavier weight, which tells them apart better."""
    chosen = np.zeros(len(before.costs), dtype=bool)
    chosen[copies] = True
    barrier = replace(before.barrier, problem=before.barrier.problem.take(chosen))
    heavier, old = replace(barrier, weight=weight), before.centre
    shares = old.shares.reshape(len(chosen), -1, 6)[chosen].reshape(-1, 6)
    there = Centre(shares, old.longest_s[chosen], old.value[chosen], old.steps[chosen], None)
    found = centre(heavier, *follow(barrier, heavier, there), _DECREMENT, steps)
    return Compared(heavier, found, heavier.problem.costs(heavier.price, found.shares))


@dataclass(frozen=True, eq=False, slots=True)
class Compared:
    """Solutions of K associations, and their costs (-F / s1), infinite for those given up, (K,)."""

    barrier: Barrier
    centre: Centre
    costs: Floats

    def solution(self, copy: int) -> tuple[ShareProblem, Solution]:
        """Return one association's problem and solution."""
        chosen = np.arange(len(self.costs)) == copy
        barrier, centre = replace(self.barrier, problem=self.barrier.problem.take(chosen)), self.centre
        shares = centre.shares.reshape(len(chosen), -1, 6)[copy]
        steps, longest_s = int(centre.steps[copy]), centre.longest_s[chosen]
        return barrier.problem, _solution(barrier, shares, longest_s, steps, converged=True)


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


def _solution(
    barrier: Barrier, shares: Floats, longest_s: Floats, steps: int, *, converged: bool
) -> Solution:
    problem = barrier.problem
    delay_s, energy_j, score = problem.evaluate(shares)
    return Solution(
        shares=shares,
        longest_s=float(longest_s[0]),
        price=barrier.price,
        totals=Totals(float(delay_s.max()), float(energy_j.sum()), float(score.sum())),
        delay_price=1.0 / (barrier.weight * (longest_s - delay_s)),
        share_price=1.0 / (barrier.weight * (1.0 - problem.used(shares))),
        steps=steps,
        converged=converged,
    )
