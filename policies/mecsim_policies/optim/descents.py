"""Local search over associations: moves and swaps by the joint step, docs/model.md section 8."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.dinkelbach import optimise
from mecsim_policies.optim.ends import point_at_ends, polish_from_ends
from mecsim_policies.optim.joint import polish, screen
from mecsim_policies.optim.moves import apply_change, ranked_changes
from mecsim_policies.optim.pairs import slots_by_capacity
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import Solution
from mecsim_policies.optim.shares import PHI, ShareProblem

_ROUGH_GAP = 1e-3
_SCREEN_GAIN = 1e-3
_NEAR = 2e-2
_REEVALUATED = 3
_LEAST_GAIN = 3e-4
_PERTURBED = 0.3
_FIXED_STARTS = 3


class Found(NamedTuple):
    """The best point found, and how many associations were compared."""

    point: Point
    compared: int


PricedStart = Callable[[Participants, float], Point | None]


def search(participants: Participants, starts: int, width: int, priced: PricedStart | None = None) -> Found:
    """Return the best point that descents from some associations reach.

    Parameters
    ----------
    participants : Participants
    starts : int
        From how many associations to descend: DASHF's, the strongest servers within slots, the
        strongest servers, and then the best found with some users moved at random.
    width : int
        How many neighbours are compared at once.
    priced : callable, optional
        Returns one more start, given an SCR that has been reached; None where it has none.
    """
    instance, allowed = participants.instance, participants.allowed
    best = optimise(instance, allowed, participants.start).point
    if instance.score_law.scale * instance.score_law.slope == 0:  # nothing is worth anything
        return Found(best, 0)
    descent = _Descent(participants, width)
    visited: set[bytes] = set()
    from_prices = None if priced is None else priced(participants, best.scr)
    for start in (best, *_others(participants, starts), from_prices):
        if start is None:
            continue
        server = start.problem.server
        if server.tobytes() in visited:
            continue
        visited.add(server.tobytes())
        found = descent.down(start)
        visited.add(found.problem.server.tobytes())
        best = found if found.scr > best.scr else best
    for seed in range(_FIXED_STARTS, starts):
        found = descent.down(_perturbed(participants, best, seed))
        best = found if found.scr > best.scr else best
    return Found(polish_from_ends(instance, best), descent.compared)


def _others(participants: Participants, starts: int) -> Iterator[Point]:
    """Return the starts after DASHF's that do not depend on what is found."""
    instance, allowed = participants.instance, participants.allowed
    gain = np.log(np.where(allowed, instance.gain, 1e-300))
    if starts > 1:
        within_slots = participants.or_strongest(round_to_slots(gain, slots_by_capacity(instance)))
        yield _equal_split(participants, within_slots)
    if starts > 2:
        yield _equal_split(participants, participants.strongest())


def _equal_split(participants: Participants, server: Ints) -> Point:
    instance = participants.instance
    problem = ShareProblem.of(instance, server)
    shares = problem.equal_split(np.full(len(server), 0.3))
    if problem.charges is None:
        return Point.of(instance, problem, shares)
    return point_at_ends(
        instance, problem.relaxed(), shares, Price.at(instance, problem.scr(instance, shares))
    )


def _perturbed(participants: Participants, best: Point, seed: int) -> Point:
    """Return an equal split with some users of the best association moved to servers drawn at random."""
    rng = np.random.default_rng(seed)
    allowed = participants.allowed
    drawn = np.where(allowed, rng.random(allowed.shape), -1.0).argmax(axis=1)
    moved = rng.random(len(drawn)) < _PERTURBED
    return _equal_split(participants, np.where(moved, drawn, best.problem.server))


def _key(problem: ShareProblem, server: Ints, shares: Floats) -> bytes:
    """Return what tells associations apart, and ends of phi where no largest delay holds phi between them."""
    return server.tobytes() + np.rint(shares[:, PHI]).tobytes() if problem.mean else server.tobytes()


class _Screened(NamedTuple):
    """An association's problem, and its solution at the low weight of the screening."""

    problem: ShareProblem
    solution: Solution


@dataclass(eq=False)
class _Descent:
    """Descents by best improvement."""

    participants: Participants
    width: int
    compared: int = 0
    everyone_at: tuple[ShareProblem, ...] = field(init=False)
    ends_at: tuple[ShareProblem, ...] = field(init=False)

    def __post_init__(self) -> None:
        users, servers = self.participants.allowed.shape
        instance = self.participants.instance
        self.everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))
        self.ends_at = tuple(problem.relaxed() for problem in self.everyone_at)

    def down(self, start: Point) -> Point:
        """Return a point that no move and no swap improves.

        All changes are screened; the nearest that do not seem to gain are evaluated again, by the
        joint step in full.
        """
        instance = self.participants.instance
        best = polish(instance, start, gap=_ROUGH_GAP)
        improved = True
        while improved:
            price = Price.at(instance, best.scr)
            incumbent, near = self._by_screening(best, price)
            found = polish(instance, self._point(incumbent, price), gap=_ROUGH_GAP)
            best = found if found.scr > best.scr else best
            improved = False
            for other in near:
                found = polish(instance, self._point(other, price), gap=_ROUGH_GAP)
                if found.scr > best.scr * (1.0 + _LEAST_GAIN):
                    best, improved = found, True
                    break
        return best

    def _by_screening(self, point: Point, price: Price) -> tuple[_Screened, list[_Screened]]:
        """Return the best association as far as screening tells, and the nearest of its neighbours."""
        incumbent = self._screened(point.problem.server[None], point.shares, price)[0]
        seen = {_key(incumbent.problem, incumbent.problem.server, incumbent.solution.shares)}
        while True:
            servers: list[Ints] = []
            starts: list[Floats] = []
            allowed = self.participants.allowed
            for change in ranked_changes(self.ends_at, *incumbent, price, allowed):
                server, shares = apply_change(incumbent.problem, incumbent.solution.shares, change)
                key = _key(incumbent.problem, server, shares)
                if key not in seen and len(servers) < self.width:
                    seen.add(key)
                    servers.append(server)
                    starts.append(shares)
            if not servers:
                return incumbent, []
            self.compared += len(servers)
            near = self._screened(np.stack(servers), np.concatenate(starts), price)
            near.sort(key=lambda screened: screened.solution.cost)
            cost = incumbent.solution.cost
            if near[0].solution.cost >= cost - _SCREEN_GAIN:
                return incumbent, [n for n in near if n.solution.cost < cost + _NEAR][:_REEVALUATED]
            incumbent = near[0]

    def _screened(self, servers: Ints, shares: Floats, price: Price) -> list[_Screened]:
        """Return the associations with the least costs at the screening, the first among equals first."""
        found = screen(ShareProblem.stack(self.everyone_at, servers).relaxed(), price, shares)
        nearest = np.argsort(found.costs, kind="stable")[: _REEVALUATED + 1]
        return [_Screened(*found.solution(int(copy))) for copy in nearest]

    def _point(self, screened: _Screened, price: Price) -> Point:
        instance = self.participants.instance
        return point_at_ends(instance, screened.problem, screened.solution.shares, price)
