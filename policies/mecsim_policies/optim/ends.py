"""The ends of phi, tried apart where they have charges: no small step leads from one to the other."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.joint import polish
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import compare, solve
from mecsim_policies.optim.run import Run
from mecsim_policies.optim.shares import PHI, ShareProblem

_MARGIN = 8e-2
_CLOSE = 0.1
_GAP_TO_BEST = 1.0
_WEIGHT = 400.0
_MOST_FLIPS = 2
_ROUGH_GAP = 1e-3


def best_ends(run: Run, problem: ShareProblem, shares: Floats, steps: int) -> tuple[Point, float]:
    """Return a point with phi for a relaxed solution, whose phi moved freely, and its barrier weight.

    Compared at this weight, by the true work, are the best phi for the resources of the relaxed solution, the
    nearest ends, each of the users farthest from an end at the other one, and phi as it is if not near one.

    Parameters
    ----------
    run : Run
    problem : ShareProblem
        That of the association, with its charges.
    shares : (N, 6) float
        The relaxed solution.
    steps : int
        As for :func:`mecsim_policies.optim.resources.compare`.
    """
    phi = shares[:, PHI]
    exact = run.fractions(run.pairs(run.point(problem, shares)), problem.server)
    nearest = np.where(run.fixed, phi, np.rint(phi))
    way = np.abs(nearest - phi)
    users = [n for n in np.argsort(-way, kind="stable")[:_MOST_FLIPS] if way[n] >= _CLOSE]
    flips = [np.where(np.arange(len(phi)) == n, 1.0 - nearest, nearest) for n in users]
    tried = _different(exact, nearest, *flips, np.where(way < _CLOSE, nearest, phi))
    copies = np.concatenate([_with_phi(shares, phi) for phi in tried])
    stacked = ShareProblem.stack(run.everyone_at, np.tile(problem.server, (len(tried), 1)))
    start = stacked.inside(copies, _MARGIN, move_phi=True)
    found = compare(
        stacked, run.price(), start, weight=_WEIGHT, steps=steps, move_phi=True, gap_to_best=_GAP_TO_BEST
    )
    return run.point(problem, found.solution(int(found.costs.argmin()))[1].shares), _WEIGHT


def point_at_ends(instance: Instance, problem: ShareProblem, shares: Floats, price: Price) -> Point:
    """Return the point of a relaxed solution, with the best phi for its resources where there are charges."""
    if problem.fixed is None:
        return Point.of(instance, problem, shares)
    whole = ShareProblem.of(instance, problem.server)
    return Point.of(instance, whole, _with_phi(shares, _best_phi(instance, whole, shares, price)))


def polish_from_ends(instance: Instance, point: Point) -> Point:
    """Return the best of stationary points of the SCR: that of a point's phi, and those of other ends."""
    best = polish(instance, point)
    problem = best.problem
    if problem.charges is None:
        return best
    relaxed, price = problem.relaxed(), Price.at(instance, best.scr)
    start = relaxed.inside(best.shares, _MARGIN, move_phi=True)
    shares = solve(relaxed, price, start, gap=_ROUGH_GAP, move_phi=True).shares
    for phi in _different(_best_phi(instance, problem, shares, price), np.rint(shares[:, PHI])):
        found = polish(instance, Point.of(instance, problem, _with_phi(shares, phi)))
        best = found if found.scr > best.scr else best
    return best


def _best_phi(instance: Instance, problem: ShareProblem, shares: Floats, price: Price) -> Floats:
    in_force = problem.own_in_full(shares)
    pairs = Pairs.at_slots(instance, slots_by_capacity(instance), problem.server, in_force)
    return best_fractions(pairs, price, problem.server)


def _different(*choices: Floats) -> list[Floats]:
    return list({phi.tobytes(): phi for phi in choices}.values())


def _with_phi(shares: Floats, phi: Floats) -> Floats:
    return np.column_stack([shares[:, :PHI], phi])
