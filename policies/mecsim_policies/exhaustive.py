"""Every association by the joint step, for small systems: the best SCR that is found."""

from __future__ import annotations

import heapq
import itertools

import numpy as np

from mecsim.errors import PolicyError
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.ends import point_at_ends, polish_from_ends
from mecsim_policies.optim.joint import polish, screen
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import Solution
from mecsim_policies.optim.shares import PHI, ShareProblem

_STARTS = 4
_WIDTH = 48
_FINALISTS = 20
_ROUGH_GAP = 1e-4
_AT_ONCE = 128


class Exhaustive:
    """Every association by the joint step: screened first, then solved in full for the best few.

    What it returns is the best found, not a proven optimum: the joint step finds stationary points.

    Parameters
    ----------
    max_associations : int
        Refuse systems that have more associations than this.

    Attributes
    ----------
    iterations : int
        How many associations the last decision compared.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.

    Raises
    ------
    PolicyError
        From ``allocate``, for systems with more than ``max_associations``.
    """

    def __init__(self, max_associations: int = 5000) -> None:
        self.max_associations = whole_number("max_associations", max_associations, 1)
        self.iterations, self.predicted_scr = 0, float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than the local search's."""
        self.iterations, self.predicted_scr = 0, float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        count = self._count(observation, participants)
        found = search(participants, _STARTS, _WIDTH).point
        self.iterations = count
        best = _best_of_all(participants, found)
        self.predicted_scr = participants.scr_of_all(observation, best.scr)
        return participants.for_all_users(observation, best.allocation(participants.instance))

    def _count(self, observation: Observation, participants: Participants) -> int:
        """Return the number of associations to compare; PolicyError if there are too many."""
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


def _best_of_all(participants: Participants, known: Point) -> Point:
    """Return the best point of all associations; ``known`` sets the price at which they are compared."""
    instance, allowed = participants.instance, participants.allowed
    users, servers = allowed.shape
    price = Price.at(instance, known.scr)
    everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))
    associations = itertools.product(*(np.flatnonzero(row) for row in allowed))
    nearest: list[tuple[float, int, ShareProblem, Solution]] = []
    seen = 0
    while batch := list(itertools.islice(associations, _AT_ONCE)):
        problem = ShareProblem.stack(everyone_at, np.array(batch)).relaxed()
        start = problem.equal_split(np.tile(known.shares[:, PHI], len(batch)))
        found = screen(problem, price, start)
        nearest += [
            (float(found.costs[copy]), seen + copy, *found.solution(copy))
            for copy in np.argsort(found.costs, kind="stable")[:_FINALISTS].tolist()
        ]
        nearest = heapq.nsmallest(_FINALISTS, nearest)
        seen += len(batch)
    best = known
    for _, _, problem, solution in nearest:
        at_ends = point_at_ends(instance, problem, solution.shares, price)
        point = polish(instance, at_ends, gap=_ROUGH_GAP)
        best = point if point.scr > best.scr else best
    return polish_from_ends(instance, best)
