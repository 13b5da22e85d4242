"""DASHF as a policy: the paper's loops with the blocks of the relaxation and a structured Newton method."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.optim.association import best_fractions, relax
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.paper_loops import Association, PaperLoops, Resources
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import MARGIN, Solution, solve, solve_again
from mecsim_policies.optim.shares import ShareProblem
from mecsim_policies.optim.trace import Iterate

_RELAXATION_TOLERANCE = 1e-6
_GAP = 2e-5


class Dashf:
    """The paper's DASHF: Dinkelbach, alternating optimisation, SDR, Hungarian, fractional programming.

    Parameters
    ----------
    max_iterations : int
        Most steps of Dinkelbach's y.

    Attributes
    ----------
    trace : tuple of Iterate
        Every iterate of the last decision.
    iterations : int
        How many they were.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    def __init__(self, max_iterations: int = 10) -> None:
        self.max_iterations = whole_number("max_iterations", max_iterations, 1)
        self.trace: tuple[Iterate, ...] = ()
        self.predicted_scr = float("nan")

    @property
    def iterations(self) -> int:
        """Number of iterates of the last decision."""
        return len(self.trace)

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best feasible allocation met."""
        self.trace, self.predicted_scr = (), float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance = participants.instance
        loops = PaperLoops(participants, _Fast(instance, participants.allowed, slots_by_capacity(instance)))
        best = loops.dinkelbach(self.max_iterations)
        self.trace = tuple(loops.trace)
        self.predicted_scr = participants.scr_of_all(observation, best.scr)
        return participants.for_all_users(observation, best.allocation)


@dataclass(frozen=True, eq=False, slots=True)
class _Fast:
    """The arithmetic of the project's own solvers."""

    instance: Instance
    allowed: NDArray[np.bool_]
    slots: Floats
    known: dict[tuple[bytes, bytes], Solution] = field(default_factory=dict)

    def pairs(self, current: Allocation | None) -> Pairs:
        """Return part 1's constants."""
        if current is None:
            return Pairs.at_slots(self.instance, self.slots).only(self.allowed)
        shares = ShareProblem.of(self.instance, current.server).of_allocation(self.instance, current)
        return Pairs.at_slots(self.instance, self.slots, current.server, shares).only(self.allowed)

    def relax(self, pairs: Pairs, price: Price, slots: Floats) -> Association:
        """Solve the relaxation in blocks."""
        relaxed = relax(pairs, price, slots, tolerance=_RELAXATION_TOLERANCE)
        return Association(relaxed.association, relaxed.status, 0)

    def fractions(self, pairs: Pairs, price: Price, server: Ints) -> Floats:
        """Return the best phi, exactly."""
        return best_fractions(pairs, price, server)

    def resources(self, start: Allocation, y: float, *, at_least: float) -> Resources:
        """Go along the central path to a point where the gradient of F vanishes."""
        problem, price = ShareProblem.of(self.instance, start.server), Price.at(self.instance, y)
        scale = self.instance.score_law.scale
        cutoff = -at_least / scale if scale else np.inf
        case = start.server.tobytes(), start.local_fraction.tobytes()
        last = self.known.get(case)
        if last is None:
            inside = problem.inside(problem.of_allocation(self.instance, start), MARGIN)
            found = solve(problem, price, inside, gap=_GAP, cutoff=cutoff)
        elif last.converged and last.price.same(price):
            found = replace(last, steps=0)
        else:
            found = solve_again(problem, price, last, gap=_GAP, cutoff=cutoff)
        self.known[case] = found
        status = "solved" if found.converged else "stopped"
        return Resources(problem.allocation(self.instance, found.shares), status, found.steps)
