"""DASHF as literally as the paper has it: one dense SDR, one LP, general conic solvers; slow."""

from __future__ import annotations

from dataclasses import dataclass

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.resources import Shares, solve_convex
from mecsim_policies.dashf_reference.sdr import (
    LARGEST_ORDER,
    fractions,
    order_of,
    refuse_if_too_large,
    relax_dense,
)
from mecsim_policies.dashf_reference.solvers import NoSolution, Solved
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.paper_loops import Association, Met, PaperLoops, Resources
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.trace import Iterate

_SDR_SOLVERS = {"SCS": ("SCS", "CLARABEL"), "CLARABEL": ("CLARABEL", "SCS")}  # should the first fail
_NU_TOLERANCE = 1e-5
_MOST_NU = 30


class DashfReference:
    """DASHF to the letter, with a dense SDR and convex problems through cvxpy; for checks, small N only.

    Parameters
    ----------
    solver : str
        For the SDR, ``SCS`` or ``CLARABEL``; should it fail, the other one is tried if it can.
    max_iterations : int
        Most steps of Dinkelbach's y.

    Attributes
    ----------
    trace : tuple of Iterate
        Every iterate of the last decision; ``newton_steps`` counts the solvers' iterations.
    iterations : int
        How many they were.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    solvers : dict of str to int
        How many problems each solver has solved in all decisions. Which solvers are tried depends on what is
        installed, so runs record it.
    """

    def __init__(self, solver: str = "SCS", max_iterations: int = 10) -> None:
        if solver not in _SDR_SOLVERS:
            raise ValueError(f"solver = {solver!r}: must be one of {', '.join(_SDR_SOLVERS)}")
        self.solver, self.max_iterations = solver, whole_number("max_iterations", max_iterations, 1)
        self.trace: tuple[Iterate, ...] = ()
        self.predicted_scr = float("nan")
        self.solvers: dict[str, int] = {}

    @property
    def iterations(self) -> int:
        """Number of iterates of the last decision."""
        return len(self.trace)

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best feasible allocation met.

        Raises
        ------
        PolicyError
            If there are too many users and servers for the dense matrix.
        """
        self.trace, self.predicted_scr = (), float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance = participants.instance
        refuse_if_too_large(instance.user_count, instance.server_count, self.solver)
        order = order_of(instance.user_count, instance.server_count)
        solvers = tuple(name for name in _SDR_SOLVERS[self.solver] if order <= LARGEST_ORDER[name])
        loops = PaperLoops(participants, _Literal(participants, solvers, self.solvers))
        best = loops.dinkelbach(self.max_iterations)
        self.trace = tuple(loops.trace)
        self.predicted_scr = participants.scr_of_all(observation, best.scr)
        return participants.for_all_users(observation, best.allocation)


@dataclass(frozen=True, eq=False, slots=True)
class _Literal:
    """The arithmetic of general solvers; ``solved`` counts the problems that each has solved."""

    participants: Participants
    solvers: tuple[str, ...]
    solved: dict[str, int]

    def pairs(self, current: Allocation | None) -> Pairs:
        """Return part 1's constants from the model itself."""
        instance = self.participants.instance
        return pairs_of(instance, slots_by_capacity(instance), current, self.participants.allowed)

    def relax(self, pairs: Pairs, price: Price, slots: Floats) -> Association:
        """Solve the relaxation with one dense matrix."""
        try:
            relaxed, solved = relax_dense(pairs, price, slots, self.solvers)
        except NoSolution as error:
            return Association(None, str(error), 0)
        self._count(solved)
        return Association(relaxed.association, solved.status, solved.iterations)

    def fractions(self, pairs: Pairs, price: Price, server: Ints) -> Floats:
        """Return the best phi by a linear program."""
        return fractions(pairs, price, server)

    def resources(self, start: Allocation, y: float, *, at_least: float) -> Resources:
        """Solve the convex problem and set nu in turn until F moves no more; return the best point met."""
        instance = self.participants.instance
        price, least = Price.at(instance, y), _NU_TOLERANCE * instance.score_law.scale
        best, steps, status = Met.of(instance, start), 0, "no step"
        last = Shares.of(instance, start)
        for _ in range(_MOST_NU):
            try:
                last, _, solved = solve_convex(instance, start.server, start.local_fraction, price, last)
            except NoSolution as error:
                return Resources(best.allocation, str(error), steps)
            self._count(solved)
            steps, status = steps + solved.iterations, solved.status
            found = Met.of(instance, last.allocation(instance, start.server, start.local_fraction))
            gain = found.objective(y) - best.objective(y)
            best = found if gain > 0 else best
            if gain <= least:
                break
        return Resources(best.allocation, status, steps)

    def _count(self, solved: Solved) -> None:
        self.solved[solved.solver] = self.solved.get(solved.solver, 0) + 1
