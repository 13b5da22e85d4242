"""The state of one run of DASHF: the snapshot, Dinkelbach's y, the trace."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.charges import Charges
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price, Totals
from mecsim_policies.optim.shares import PHI, ShareProblem
from mecsim_policies.optim.trace import Iterate
from mecsim_policies.optim.work_factors import HALF, WorkFactors


@dataclass(eq=False)
class Run:
    """The state of one run of the algorithm.

    Parameters
    ----------
    instance : Instance
    allowed : (N, M) bool
        Which servers each user may have.
    work : WorkFactors or None
        How much of each user's work counts; None for whole rounds.

    Attributes
    ----------
    y : float
        Dinkelbach's y; it never falls.
    trace : list of Iterate
    everyone_at : tuple of ShareProblem
        For each server m the problem in which every user is with m.
    ends_at : tuple of ShareProblem
        The same, with work that is linear from end to end of phi.
    """

    instance: Instance
    allowed: NDArray[np.bool_]
    work: WorkFactors | None
    y: float = 0.0
    trace: list[Iterate] = field(default_factory=list)
    slots: Floats = field(init=False)
    fixed: NDArray[np.bool_] = field(init=False)
    everyone_at: tuple[ShareProblem, ...] = field(init=False)
    ends_at: tuple[ShareProblem, ...] = field(init=False)

    def __post_init__(self) -> None:
        users, servers = self.allowed.shape
        self.slots = slots_by_capacity(self.instance)
        self.fixed = np.zeros(users, dtype=bool) if self.work is None else self.work.fixed
        self.everyone_at = tuple(self.problem(np.full(users, m)) for m in range(servers))
        self.ends_at = tuple(problem.relaxed() for problem in self.everyone_at)

    @property
    def charges(self) -> Charges | None:
        """The charges at the ends of phi, None where the work has none and phi no bound."""
        return self.everyone_at[0].charges

    @property
    def shares_gpu(self) -> bool:
        """Whether the GPUs of any server draw by the sum of the speeds in use."""
        return any(problem.power is not None and problem.power.shares for problem in self.everyone_at)

    def price(self) -> Price:
        """Return the prices at y."""
        return Price.at(self.instance, self.y)

    def raise_y(self, scr: float) -> Price:
        """Bring y up to a SCR that has been reached; return the prices there."""
        self.y = max(self.y, scr)
        return self.price()

    def problem(self, server: Ints) -> ShareProblem:
        """Return the share problem of an association."""
        return ShareProblem.of(self.instance, server, self.work)

    def point(self, problem: ShareProblem, shares: Floats, totals: Totals | None = None) -> Point:
        """Return the point of some shares, whose totals may be known already."""
        return Point.of(self.instance, problem, shares, totals)

    def pairs(self, current: Point | None) -> Pairs:
        """Return part 1's constants with the resources of a point, or with slots alone."""
        if current is None:
            return Pairs.at_slots(self.instance, self.slots, work=self.work).only(self.allowed)
        server, shares = current.problem.server, current.problem.own_in_full(current.shares)
        return Pairs.at_slots(self.instance, self.slots, server, shares, self.work).only(self.allowed)

    def fractions(self, pairs: Pairs, server: Ints) -> Floats:
        """Return the best phi at y; 1/2 for users whose phi is fixed."""
        return np.where(self.fixed, HALF, best_fractions(pairs, self.price(), server))

    def equal_split(self, server: Ints, pairs: Pairs | None) -> Point:
        """Return an association with equal shares and the best phi, or one half without ``pairs``."""
        users = np.arange(len(server))
        # A user may find no slot at the servers it is allowed: then the slots do not bind it.
        strongest = np.where(self.allowed, self.instance.gain, -1.0).argmax(axis=1)
        server = np.where(self.allowed[users, server], server, strongest)
        problem = self.problem(server)
        phi = np.full(len(server), HALF) if pairs is None else self.fractions(pairs, server)
        return self.point(problem, problem.equal_split(phi))

    def inside(self, allocation: Allocation, margin: float) -> Point:
        """Return an interior point close to an allocation."""
        problem = self.problem(allocation.server)
        shares = problem.inside(problem.of_allocation(self.instance, allocation), margin)
        shares[self.fixed, PHI] = HALF
        return self.point(problem, shares)

    def note(
        self,
        outer: int,
        part: str,
        point: Point,
        *,
        status: str,
        accepted: bool,
        steps: int,
        began: float,
    ) -> None:
        """Add a row to the trace; ``began`` is the process's CPU time when the step began."""
        objective = -self.instance.score_law.scale * point.totals.cost(self.price())
        spent = time.process_time() - began
        self.trace.append(Iterate(outer, part, self.y, objective, point.scr, status, accepted, steps, spent))
