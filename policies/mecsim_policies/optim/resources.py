"""AO part 2, resources for a fixed association and phi, and the joint step over phi as well.

Only ``p / r_u`` and ``q / r_d`` in the energy are not convex. The transform of Zhao, Qian and Yu
(JSAC 2024), ``A / r = min over nu of A^2 nu + 1 / (4 nu r^2)``, attained at ``nu = 1 / (2 A r)``,
makes the problem convex for fixed nu; the paper alternates nu and the convex problem. Transform
and term touch at that nu, so a point the alternation cannot move is one where the gradient of the
true problem vanishes. Newton's method goes to such a point directly: nu is refreshed at every step,
and the curvature that the transform adds is subtracted where the rest is convex.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.barrier import Barrier, Transform
from mecsim_policies.optim.path import PathPoint, corrector, initial_longest_s, predictor
from mecsim_policies.optim.price import Price, Totals
from mecsim_policies.optim.shares import PHI, SHARED, ShareProblem

# Larger steps lose the path where the energies are not convex, and need more steps to return to it.
_GROWTH = 6.0
_DECREMENT = 1.0
_HOT_STEPS = 6
FIRST_WEIGHT = 30.0
MARGIN = 8e-2


@dataclass(frozen=True, eq=False, slots=True)
class Solution:
    """A solution for one association and price.

    Parameters
    ----------
    shares : (N, 6) float
    longest_s : float
        T, above all delays; of no meaning where the mean delay counts.
    price, totals : Price, Totals
    delay_price : (N,) float
        What a second of each user's own delay, with its weight, costs; they add up to the price of T.
    share_price : (M, 3) float
        What all of a server's bandwidth, power and GPU speed would cost.
    weight : float
        Weight of the objective against the barrier in the end.
    steps : int
        Newton steps taken.
    converged : bool
        Whether the weight is the last one and its steps have converged.
    """

    shares: Floats
    longest_s: float
    price: Price
    totals: Totals
    delay_price: Floats
    share_price: Floats
    weight: float
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
    first_weight: float = FIRST_WEIGHT,
    last_weight: float | None = None,
    cutoff: float = np.inf,
    longest_s: float | None = None,
    move_phi: bool = False,
    nu: Transform | None = None,
    steps: int = 40,
    final_tolerance: float = _DECREMENT,
    path_tolerance: float = _DECREMENT,
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
    cutoff : float
        Give up where the gap left on the path says that the cost will not fall to this.
    longest_s : float, optional
        T to start with, above all delays; without it one is chosen.
    move_phi : bool
        Whether phi moves with the resources: the joint step instead of part 2.
    nu : Transform, optional
        Solve the convex problem of this nu instead.
    steps : int
        Most Newton steps for one weight.
    final_tolerance : float
        Squared Newton decrement to stop at; prices need a small one, the cost does not.
    path_tolerance : float
        The same before the last weight.
    refresh : callable, optional
        Returns the price at which to go on from the shares reached at each weight: Dinkelbach's y is
        brought up to date on the way.
    """
    shares = _freed(problem, start) if move_phi else start
    barrier = Barrier(problem.settled(start[:, PHI]), price, first_weight, move_phi, nu)
    constraints = (2 * barrier.free - SHARED + (not problem.mean)) * len(start) + SHARED * len(problem.member)
    last_weight = constraints / (gap * len(start)) if last_weight is None else last_weight
    barrier, taken = replace(barrier, weight=min(first_weight, last_weight)), 0
    above_s = initial_longest_s(barrier, shares) if longest_s is None else np.array([longest_s])
    value = barrier.value(shares, above_s)
    while True:
        is_last = barrier.weight >= last_weight
        tolerance = final_tolerance if is_last else path_tolerance
        centred = corrector(barrier, shares, above_s, value, tolerance, steps)
        used = int(centred.steps[0])
        taken += used
        hopeless = not is_last and _least_cost(barrier, centred, constraints) > cutoff
        if is_last or hopeless:
            converged = used < steps and not hopeless
            found = _solution(barrier, centred.shares, centred.longest_s, taken, converged=converged)
            return replace(found, shares=_held(problem, found.shares, start))
        if refresh is not None:
            barrier = replace(barrier, price=refresh(_held(problem, centred.shares, start)))
        heavier = replace(barrier, weight=min(barrier.weight * _GROWTH, last_weight))
        shares, above_s, value = predictor(barrier, heavier, centred)
        barrier, taken = heavier, taken + 1


def compare(
    problem: ShareProblem,
    price: Price,
    start: Floats,
    *,
    weight: float,
    steps: int,
    move_phi: bool = False,
    cutoff: float = np.inf,
    gap_to_best: float = np.inf,
) -> Compared:
    """Return solutions of many associations at one weight of the barrier: cheap, and one measure for all.

    Parameters
    ----------
    problem, price : ShareProblem, Price
        The problem has one copy for each association.
    start : (K N, 6) float
        Shares strictly inside all bounds and budgets.
    weight, steps, move_phi
        As for :func:`solve`.
    cutoff : float
        Give an association up when its barrier function is not predicted to fall below this.
    gap_to_best : float
        The same for this much above the least barrier function of those that are solved.
    """
    barrier = Barrier(problem.settled(start[:, PHI]), price, weight, move_phi)
    shares = _freed(problem, start) if move_phi else start
    above_s = initial_longest_s(barrier, shares)
    value = barrier.value(shares, above_s)
    found = corrector(barrier, shares, above_s, value, _DECREMENT, steps, cutoff, gap_to_best)
    costs = np.where(found.value <= cutoff, barrier.problem.costs(price, found.shares), np.inf)
    found = replace(found, shares=_held(problem, found.shares, start))
    return Compared(barrier, found, costs)


def _freed(problem: ShareProblem, start: Floats) -> Floats:
    """Return shares with ``PHI`` where the barrier leaves it, for users who stay at an end of phi."""
    if problem.charges is None:
        return start
    shares = start.copy()
    shares[(start[:, PHI] <= 0.0) | (start[:, PHI] >= 1.0), PHI] = 0.5
    return shares


def _held(problem: ShareProblem, shares: Floats, start: Floats) -> Floats:
    """Return shares with ``PHI`` of the start for users who stay at an end of phi."""
    if problem.charges is None:
        return shares
    held, phi = shares.copy(), start[:, PHI]
    held[:, PHI] = np.where((phi > 0.0) & (phi < 1.0), shares[:, PHI], phi)
    return held


def compare_again(before: Compared, copies: Ints, weight: float, *, steps: int) -> Compared:
    """Return solutions of some of the associations at a heavier weight, which tells them apart better."""
    chosen = np.zeros(len(before.costs), dtype=bool)
    chosen[copies] = True
    barrier = replace(before.barrier, problem=before.barrier.problem.take(chosen))
    heavier, old = replace(barrier, weight=weight), before.point
    shares = old.shares.reshape(len(chosen), -1, 6)[chosen].reshape(-1, 6)
    start = PathPoint(shares, old.longest_s[chosen], old.value[chosen], old.steps[chosen], None)
    found = corrector(heavier, *predictor(barrier, heavier, start), _DECREMENT, steps)
    return Compared(heavier, found, heavier.problem.costs(heavier.price, found.shares))


@dataclass(frozen=True, eq=False, slots=True)
class Compared:
    """Solutions of K associations at one weight of the barrier.

    Parameters
    ----------
    barrier : Barrier
    point : PathPoint
        Where the copies stopped.
    costs : (K,) float
        -F / s1, infinite for associations given up.
    """

    barrier: Barrier
    point: PathPoint
    costs: Floats

    def solution(self, copy: int) -> tuple[ShareProblem, Solution]:
        """Return one association's problem and solution."""
        chosen = np.arange(len(self.costs)) == copy
        barrier, point = replace(self.barrier, problem=self.barrier.problem.take(chosen)), self.point
        shares = point.shares.reshape(len(chosen), -1, 6)[copy]
        steps, longest_s = int(point.steps[copy]), point.longest_s[chosen]
        return barrier.problem, _solution(barrier, shares, longest_s, steps, converged=True)


def solve_again(
    problem: ShareProblem, price: Price, last: Solution, *, gap: float, cutoff: float = np.inf
) -> Solution:
    """Solve for a price near that of the last solution: from that solution itself, if it will do.

    Parameters
    ----------
    problem, price, gap, cutoff
        As for :func:`solve`.
    last : Solution
        The solution of the same problem for another price, or where that was given up.
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
        return solve(problem, price, problem.inside(last.shares, MARGIN), gap=gap, cutoff=cutoff)
    return solve(problem, price, last.shares, gap=gap, first_weight=last.weight, cutoff=cutoff)


def _least_cost(barrier: Barrier, point: PathPoint, constraints: int) -> float:
    """Return what the cost cannot fall below from a point of the path, where the problem is convex."""
    return float(barrier.problem.costs(barrier.price, point.shares)[0]) - constraints / barrier.weight


def _solution(
    barrier: Barrier, shares: Floats, longest_s: Floats, steps: int, *, converged: bool
) -> Solution:
    problem = barrier.problem
    delay_s, energy_j, score = problem.evaluate(shares)
    smooth_s = delay_s if barrier.smooth is problem else barrier.smooth.evaluate(shares)[0]
    if problem.mean:
        delay_price = np.full(len(shares), barrier.per_user_s)
    else:
        delay_price = 1.0 / (barrier.weight * (longest_s - smooth_s))
    return Solution(
        shares=shares,
        longest_s=float(longest_s[0]),
        price=barrier.price,
        totals=Totals(float(problem.counted_s(delay_s)[0]), float(energy_j.sum()), float(score.sum())),
        delay_price=delay_price,
        share_price=1.0 / (barrier.weight * (1.0 - problem.used(shares))),
        weight=barrier.weight,
        steps=steps,
        converged=converged,
    )
