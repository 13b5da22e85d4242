"""Local search over associations: moves and swaps by the joint step, MODEL.md section 8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim_policies.dashf.association import round_to_slots
from mecsim_policies.dashf.dinkelbach import Point, optimise, slots_by_capacity
from mecsim_policies.dashf.moves import changed, promising
from mecsim_policies.dashf.resources import Solution
from mecsim_policies.dashf.shares import Price, ShareProblem
from mecsim_policies.joint import glance, polish
from mecsim_policies.participants import Participants, everyone_alone

_ROUGH_GAP = 1e-3
_GLANCE_GAIN = 1e-3
_NEAR = 2e-2
_SECOND_OPINIONS = 3
_GAIN = 3e-4
_KICKED = 0.3


class LocalSearch:
    """Moves and swaps of users from DASHF's answer and other starts, each judged by the joint step.

    Parameters
    ----------
    starts : int
        From how many associations to search: DASHF's, the strongest servers within slots, the
        strongest servers, and then the best found with some users moved at random.
    patience : int
        How many changes in a row may fail to help before an association counts as the best around.

    Attributes
    ----------
    iterations : int
        How many associations the last decision looked at.
    """

    def __init__(self, starts: int = 3, patience: int = 40) -> None:
        self.starts = whole("starts", starts, 1)
        self.patience = whole("patience", patience, 1)
        self.iterations = 0

    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than DASHF's."""
        self.iterations = 0
        participants = Participants.of(observation)
        if participants is None:
            return everyone_alone(observation)
        found, self.iterations = search(participants, self.starts, self.patience)
        return participants.among_all(observation, found.allocation(participants.instance))


def whole(name: str, value: object, least: int) -> int:
    """Return a parameter that must be a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} = {value!r}: must be a whole number >= {least}")
    return value


def search(participants: Participants, starts: int, patience: int) -> tuple[Point, int]:
    """Return the best point found and how many associations were looked at."""
    instance, allowed = participants.instance, participants.allowed
    best = optimise(instance, allowed, participants.start).point
    walk = _Walk(participants, patience)
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


@dataclass(eq=False)
class _Walk:
    """Descents by first improvement."""

    participants: Participants
    patience: int
    looked_at: int = 0
    everyone_at: tuple[ShareProblem, ...] = field(init=False)

    def __post_init__(self) -> None:
        users, servers = self.participants.allowed.shape
        instance = self.participants.instance
        self.everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))

    def down(self, start: Point) -> Point:
        """Return where no move and no swap helps any more.

        Changes are compared at a glance; the nearest that does not seem to help gets a second
        opinion, the joint step in full.
        """
        instance = self.participants.instance
        best = polish(instance, start, gap=_ROUGH_GAP)
        improved = True
        while improved:
            price = Price.at(instance, best.scr)
            problem, seat, near = self._by_glances(best, price)
            found = polish(instance, Point.of(instance, problem, seat.shares), gap=_ROUGH_GAP)
            best = found if found.scr > best.scr else best
            improved = False
            for other, solution in near:
                found = polish(instance, Point.of(instance, other, solution.shares), gap=_ROUGH_GAP)
                if found.scr > best.scr * (1.0 + _GAIN):
                    best, improved = found, True
                    break
        return best

    def _by_glances(
        self, point: Point, price: Price
    ) -> tuple[ShareProblem, Solution, list[tuple[ShareProblem, Solution]]]:
        """Return the best association as far as glances tell, and those around it that come nearest."""
        problem, seat = point.problem, glance(point.problem, price, point.shares)
        seen = {problem.server.tobytes()}
        improved = True
        while improved:
            improved = False
            near: list[tuple[ShareProblem, Solution]] = []
            for change in promising(self.everyone_at, problem, seat, price, self.participants.allowed):
                server, shares = changed(problem, seat.shares, change)
                if server.tobytes() in seen:
                    continue
                seen.add(server.tobytes())
                self.looked_at += 1
                other = ShareProblem.of(self.participants.instance, server)
                solution = glance(other, price, shares)
                if solution.cost < seat.cost - _GLANCE_GAIN:
                    problem, seat, improved = other, solution, True
                    break
                near.append((other, solution))
                if len(near) == self.patience:
                    break
        near = [pair for pair in near if pair[1].cost < seat.cost + _NEAR]
        near.sort(key=lambda pair: pair[1].cost)
        return problem, seat, near[:_SECOND_OPINIONS]
