"""Local search over associations: moves and swaps by the joint step, docs/model.md section 8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.dinkelbach import optimise
from mecsim_policies.optim.joint import glances, polish
from mecsim_policies.optim.moves import changed, promising
from mecsim_policies.optim.pairs import slots_by_capacity
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.resources import Solution
from mecsim_policies.optim.shares import Price, ShareProblem

_ROUGH_GAP = 1e-3
_GLANCE_GAIN = 1e-3
_NEAR = 2e-2
_SECOND_OPINIONS = 3
_GAIN = 3e-4
_KICKED = 0.3


def search(participants: Participants, starts: int, width: int) -> tuple[Point, int]:
    """Return the best point found and how many associations were looked at."""
    instance, allowed = participants.instance, participants.allowed
    best = optimise(instance, allowed, participants.start).point
    walk = _Walk(participants, width)
    visited: set[bytes] = set()
    for start in (best, *_others(participants, starts)):
        server = start.problem.server
        if server.tobytes() in visited:
            continue
        visited.add(server.tobytes())
        found = walk.down(start)
        visited.add(found.problem.server.tobytes())
        best = found if found.scr > best.scr else best
    for kick in range(3, starts):
        found = walk.down(_kicked(participants, best, kick))
        best = found if found.scr > best.scr else best
    final = polish(instance, best)
    return final, walk.looked_at


def _others(participants: Participants, starts: int) -> Iterator[Point]:
    """Return the starts after DASHF's that do not depend on what is found."""
    instance, allowed = participants.instance, participants.allowed
    gain = np.log(np.where(allowed, instance.gain, 1e-300))
    if starts > 1:
        within_slots = participants.or_strongest(round_to_slots(gain, slots_by_capacity(instance)))
        yield _evenly(participants, within_slots)
    if starts > 2:
        yield _evenly(participants, participants.strongest())


def _evenly(participants: Participants, server: Ints) -> Point:
    problem = ShareProblem.of(participants.instance, server)
    return Point.of(participants.instance, problem, problem.equal_split(np.full(len(server), 0.3)))


def _kicked(participants: Participants, best: Point, seed: int) -> Point:
    """Return an even start with some users of the best association moved to servers drawn at random."""
    rng = np.random.default_rng(seed)
    allowed = participants.allowed
    drawn = np.where(allowed, rng.random(allowed.shape), -1.0).argmax(axis=1)
    moved = rng.random(len(drawn)) < _KICKED
    return _evenly(participants, np.where(moved, drawn, best.problem.server))


class _Glanced(NamedTuple):
    """An association's problem, and its solution at a glance."""

    problem: ShareProblem
    solution: Solution


@dataclass(eq=False)
class _Walk:
    """Descents by best improvement."""

    participants: Participants
    width: int
    looked_at: int = 0
    everyone_at: tuple[ShareProblem, ...] = field(init=False)

    def __post_init__(self) -> None:
        users, servers = self.participants.allowed.shape
        instance = self.participants.instance
        self.everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))

    def down(self, start: Point) -> Point:
        """Return where no move and no swap helps any more.

        All changes are compared at a glance; the nearest that do not seem to help get a second
        opinion, the joint step in full.
        """
        instance = self.participants.instance
        best = polish(instance, start, gap=_ROUGH_GAP)
        improved = True
        while improved:
            price = Price.at(instance, best.scr)
            seat, near = self._by_glances(best, price)
            found = polish(instance, self._point(seat), gap=_ROUGH_GAP)
            best = found if found.scr > best.scr else best
            improved = False
            for other in near:
                found = polish(instance, self._point(other), gap=_ROUGH_GAP)
                if found.scr > best.scr * (1.0 + _GAIN):
                    best, improved = found, True
                    break
        return best

    def _by_glances(self, point: Point, price: Price) -> tuple[_Glanced, list[_Glanced]]:
        """Return the best association as far as glances tell, and those around it that come nearest."""
        seat = self._glanced(point.problem.server[None], point.shares, price)[0]
        seen = {seat.problem.server.tobytes()}
        while True:
            servers: list[Ints] = []
            starts: list[Floats] = []
            allowed, everyone_at = self.participants.allowed, self.everyone_at
            for change in promising(everyone_at, seat.problem, seat.solution, price, allowed):
                server, shares = changed(seat.problem, seat.solution.shares, change)
                if server.tobytes() not in seen and len(servers) < self.width:
                    seen.add(server.tobytes())
                    servers.append(server)
                    starts.append(shares)
            if not servers:
                return seat, []
            self.looked_at += len(servers)
            near = self._glanced(np.stack(servers), np.concatenate(starts), price)
            near.sort(key=lambda glanced: glanced.solution.cost)
            if near[0].solution.cost >= seat.solution.cost - _GLANCE_GAIN:
                near = [other for other in near if other.solution.cost < seat.solution.cost + _NEAR]
                return seat, near[:_SECOND_OPINIONS]
            seat = near[0]

    def _glanced(self, servers: Ints, shares: Floats, price: Price) -> list[_Glanced]:
        """Return the nearest associations at a glance, the best first among equals."""
        found = glances(ShareProblem.stack(self.everyone_at, servers), price, shares)
        nearest = np.argsort(found.costs, kind="stable")[: _SECOND_OPINIONS + 1]
        return [_Glanced(*found.solution(int(copy))) for copy in nearest]

    def _point(self, glanced: _Glanced) -> Point:
        return Point.of(self.participants.instance, glanced.problem, glanced.solution.shares)
