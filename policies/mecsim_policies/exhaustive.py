"""Every association by the joint step, for small systems: the best SCR that is found."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import numpy as np

from mecsim.errors import PolicyError
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.dashf.dinkelbach import Point
from mecsim_policies.dashf.moves import Change, changed
from mecsim_policies.dashf.shares import Price, ShareProblem
from mecsim_policies.joint import glance, polish
from mecsim_policies.local_search import search, whole
from mecsim_policies.participants import Participants, everyone_alone

_STARTS = 3
_PATIENCE = 40
_FINALISTS = 20
_ROUGH_GAP = 1e-4
# phi of a user that has just been moved.
_FRACTION = 0.3


class Exhaustive:
    """Every association by the joint step: at a glance first, in full for the best few.

    What it returns is the best found, not a proven optimum: the joint step finds stationary points.

    Parameters
    ----------
    max_associations : int
        Refuse systems that have more associations than this.

    Attributes
    ----------
    iterations : int
        How many associations the last decision looked at.

    Raises
    ------
    PolicyError
        From ``allocate``, for systems with more than ``max_associations``.
    """

    def __init__(self, max_associations: int = 5000) -> None:
        self.max_associations = whole("max_associations", max_associations, 1)
        self.iterations = 0

    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than the local search's."""
        self.iterations = 0
        participants = Participants.of(observation)
        if participants is None:
            return everyone_alone(observation)
        count = self._count(observation, participants)
        found, _ = search(participants, _STARTS, _PATIENCE)
        self.iterations = count
        best = _best_of_all(participants, found)
        return participants.among_all(observation, best.allocation(participants.instance))

    def _count(self, observation: Observation, participants: Participants) -> int:
        """Return the number of associations to look at; PolicyError if there are too many."""
        count = int(np.prod(participants.allowed.sum(axis=1).astype(object)))
        if count > self.max_associations:
            users, servers = observation.instance.gain.shape
            raise PolicyError(
                f"exhaustive: {users} users and {servers} servers have {_size(servers**users)} associations "
                f"({servers}^{users}), {_size(count)} of them possible here; the limit is "
                f"max_associations = {self.max_associations}; 'local_search' has no limit"
            )
        return count


def _size(count: int) -> str:
    return str(count) if count < 10**9 else f"about 10^{len(str(count)) - 1}"


def _one_by_one(choices: Sequence[Ints]) -> Iterator[tuple[int, ...]]:
    """Yield every association, each differing from the one before in one user (a reflected Gray code)."""
    if not choices:
        yield ()
        return
    for k, others in enumerate(_one_by_one(choices[1:])):
        first = choices[0] if k % 2 == 0 else choices[0][::-1]
        for server in first.tolist():
            yield (server, *others)


def _best_of_all(participants: Participants, known: Point) -> Point:
    """Return the best point of all associations; ``known`` sets the price at which they are compared."""
    instance = participants.instance
    price = Price.at(instance, known.scr)
    choices = [np.flatnonzero(row) for row in participants.allowed]
    problem, shares = known.problem, known.shares
    glances: list[tuple[float, int, ShareProblem, Floats]] = []
    for association in _one_by_one(choices):
        server = np.array(association)
        moved = np.flatnonzero(server != problem.server).tolist()
        change = Change(0.0, tuple(moved), tuple(server[moved].tolist()), (_FRACTION,) * len(moved))
        _, start = changed(problem, shares, change)
        problem = ShareProblem.of(instance, server)
        solution = glance(problem, price, start)
        shares = solution.shares
        glances.append((solution.cost, len(glances), problem, shares))
    best = known
    for _, _, problem, shares in heapq.nsmallest(_FINALISTS, glances):
        found = polish(instance, Point.of(instance, problem, shares), gap=_ROUGH_GAP)
        best = found if found.scr > best.scr else best
    return polish(instance, best)
