"""The best allocation at given prices of delay and energy: the joint step, and moves and swaps of users.

Without a ratio there is no y to raise: the cost ``per_s max T + per_j sum E - sum v / s1`` is minimised.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.ends import point_at_ends
from mecsim_policies.optim.joint import screen
from mecsim_policies.optim.moves import apply_change, ranked_changes
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import Solution, solve
from mecsim_policies.optim.shares import PHI, ShareProblem

_GAP = 1e-4
_ROUGH_GAP = 1e-3
_MARGIN = 1e-2
_WIDTH = 32
_REEVALUATED = 2
_MOST_MOVES = 12
_LEAST_GAIN = 1e-4
# Largest first, as for points of the ratio.
_SNAPS = (1e-2, 1e-3, 1e-4)
_SNAP_LOSS = 1e-5


class BestAtPrice(NamedTuple):
    """The best point found, and how many associations were compared."""

    point: Point
    compared: int


def best_at_price(participants: Participants, price: Price, start: Point) -> BestAtPrice:
    """Return a point that no move and no swap improves at these prices, as far as the screening tells.

    Parameters
    ----------
    participants : Participants
    price : Price
    start : Point
        Any feasible one on allowed servers.
    """
    instance, (users, servers) = participants.instance, participants.allowed.shape
    everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))
    ends_at = tuple(problem.relaxed() for problem in everyone_at)
    best, solution = _joint(instance, start, price)
    seen, compared = {best.problem.server.tobytes()}, 0
    for _ in range(_MOST_MOVES):
        relaxed = best.problem.relaxed()
        near, starts = list[Ints](), list[Floats]()
        for change in ranked_changes(ends_at, relaxed, solution, price, participants.allowed):
            server, shares = apply_change(relaxed, solution.shares, change)
            if server.tobytes() not in seen and len(near) < _WIDTH:
                seen.add(server.tobytes())
                near.append(server)
                starts.append(shares)
        if not near:
            break
        compared += len(near)
        stacked = ShareProblem.stack(everyone_at, np.stack(near)).relaxed()
        found = screen(stacked, price, np.concatenate(starts))
        before = best.totals.cost(price)
        for copy in np.argsort(found.costs, kind="stable")[:_REEVALUATED].tolist():
            problem, screened = found.solution(copy)
            point, own = _joint(instance, point_at_ends(instance, problem, screened.shares, price), price)
            if point.totals.cost(price) < best.totals.cost(price) - _LEAST_GAIN:
                best, solution = point, own
        if best.totals.cost(price) == before:
            break
    return BestAtPrice(best, compared)


def _joint(instance: Instance, point: Point, price: Price) -> tuple[Point, Solution]:
    """Return where the joint step ends for the association of a point, never worse, and a solution.

    Where the ends of phi have charges, no small step leads from one to the other: then the solution is that
    of the relaxed problem, and the joint step begins at the ends that it suggests, too.
    """
    problem = point.problem
    if problem.charges is None:
        found = _solved(problem, point.shares, price, _GAP)
        return _better(instance, point, found.shares, price), found
    relaxed = problem.relaxed()
    found = _solved(relaxed, point.shares, price, _ROUGH_GAP)
    nearest = np.column_stack([found.shares[:, :PHI], np.rint(found.shares[:, PHI])])
    suggested = point_at_ends(instance, relaxed, found.shares, price).shares
    starts = {shares[:, PHI].tobytes(): shares for shares in (nearest, suggested, point.shares)}
    best = point
    for shares in starts.values():
        best = _better(instance, best, _solved(problem, shares, price, _GAP).shares, price)
    return best, found


def _solved(problem: ShareProblem, shares: Floats, price: Price, gap: float) -> Solution:
    return solve(problem, price, problem.inside(shares, _MARGIN, move_phi=True), gap=gap, move_phi=True)


def _better(instance: Instance, point: Point, shares: Floats, price: Price) -> Point:
    """Return a point, or that of other shares for its association if it costs less."""
    other = _snapped(instance, Point.of(instance, point.problem, shares), price)
    return other if other.totals.cost(price) < point.totals.cost(price) else point


def _snapped(instance: Instance, point: Point, price: Price) -> Point:
    """Return the point with every phi close to 0 or 1 set to it, if that costs next to nothing."""
    most = point.totals.cost(price) + _SNAP_LOSS * len(point.shares)
    for near in _SNAPS:
        shares = point.shares.copy()
        phi = shares[:, PHI]
        shares[:, PHI] = np.where(phi < near, 0.0, np.where(phi > 1.0 - near, 1.0, phi))
        trial = Point.of(instance, point.problem, shares)
        if trial.totals.cost(price) <= most:
            return trial
    return point
