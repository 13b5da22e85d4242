"""DASHF as literally as the paper has it: one dense SDR, one LP, general conic solvers; slow."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
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
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.trace import Iterate

_SDR_SOLVERS = {"SCS": ("SCS", "CLARABEL"), "CLARABEL": ("CLARABEL", "SCS")}  # should the first fail
_Y_TOLERANCE = 1e-4
_F_TOLERANCE = 1e-4
_NU_TOLERANCE = 1e-5
_ALTERNATIONS = 10
_MOST_NU = 30
_LEAST_AT_START = 1e-3


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
        run = _Run(instance, participants.allowed, solvers, self.solvers)
        best = run.dinkelbach(participants.start, self.max_iterations)
        self.trace = tuple(run.trace)
        self.predicted_scr = participants.scr_of_all(observation, instance.scr(best))
        return participants.for_all_users(observation, best)


@dataclass(eq=False)
class _Run:
    """One run of the algorithm on a snapshot."""

    instance: Instance
    allowed: NDArray[np.bool_]
    solvers: tuple[str, ...]
    solved: dict[str, int]
    slots: Floats = field(init=False)
    trace: list[Iterate] = field(default_factory=list)
    outer: int = 0

    def __post_init__(self) -> None:
        self.slots = slots_by_capacity(self.instance)

    def dinkelbach(self, start: Allocation | None, most: int) -> Allocation:
        """Repeat the alternating optimisation with y = SCR of its result until y moves no more."""
        best = equal_split(self.instance, self._strongest(), 0.5)
        if start is not None:
            shares = Shares.of(self.instance, start, least=_LEAST_AT_START)
            best = shares.allocation(self.instance, start.server, start.local_fraction)
        served = start is not None
        for self.outer in range(most):
            y = self.instance.scr(best)
            best = self._alternate(best, y, served)
            served = True
            if self.instance.scr(best) - y <= _Y_TOLERANCE * y:
                break
        if start is not None and self.instance.scr(start) > self.instance.scr(best):
            return start
        return best

    def _alternate(self, best: Allocation, y: float, served: bool) -> Allocation:
        """Repeat part 1 and part 2 for one y until F moves no more; F never falls."""
        for _ in range(_ALTERNATIONS):
            before = self._objective(best, y)
            found = self._new_association(best, y, served)
            found = self._in_force(found, y)
            if self._objective(found, y) - before <= _F_TOLERANCE * self.instance.score_law.scale:
                return found
            best, served = found, True
        return best

    def _new_association(self, best: Allocation, y: float, served: bool) -> Allocation:
        """Solve part 1, and part 2 for its association and phi; accept them if F does not fall."""
        began, price = time.process_time(), Price.at(self.instance, y)
        pairs = self._pairs(best if served else None)
        try:
            relaxed, solved = relax_dense(pairs, price, self._slots_for_all(), self.solvers)
        except NoSolution as error:
            self._note("association", y, best, str(error), False, 0, began)
            return best
        self._count(solved)
        server = self._allowed_only(round_to_slots(relaxed.association, self.slots))
        if served and np.array_equal(server, best.server):
            self._note("association", y, best, f"{solved.status}, unchanged", False, solved.iterations, began)
            return best
        phi = self.instance.users.local_fraction_max * fractions(pairs, price, server)
        trial = Shares.equal(server).allocation(self.instance, server, phi)
        trial, steps, status = self._resources(trial, y)
        better = self._objective(trial, y) >= self._objective(best, y)
        steps += solved.iterations
        self._note("association", y, trial, f"{solved.status}; {status}", better, steps, began)
        return trial if better else best

    def _in_force(self, best: Allocation, y: float) -> Allocation:
        """Solve for phi, and then part 2, with the association in force."""
        began, price = time.process_time(), Price.at(self.instance, y)
        phi = self.instance.users.local_fraction_max * fractions(self._pairs(best), price, best.server)
        trial = Shares.of(self.instance, best).allocation(self.instance, best.server, phi)
        trial, steps, status = self._resources(trial, y)
        better = self._objective(trial, y) >= self._objective(best, y)
        self._note("resources", y, trial, status, better, steps, began)
        return trial if better else best

    def _resources(self, start: Allocation, y: float) -> tuple[Allocation, int, str]:
        """Part 2: the convex problem and nu in turn until F moves no more; the best point met."""
        price, instance = Price.at(self.instance, y), self.instance
        best, steps, status = start, 0, "no step"
        last = Shares.of(instance, start)
        for _ in range(_MOST_NU):
            try:
                last, _, solved = solve_convex(instance, start.server, start.local_fraction, price, last)
            except NoSolution as error:
                return best, steps, str(error)
            self._count(solved)
            steps, status = steps + solved.iterations, solved.status
            found = last.allocation(instance, start.server, start.local_fraction)
            gain = self._objective(found, y) - self._objective(best, y)
            if gain > 0:
                best = found
            if gain <= _NU_TOLERANCE * instance.score_law.scale:
                break
        return best, steps, status

    def _count(self, solved: Solved) -> None:
        self.solved[solved.solver] = self.solved.get(solved.solver, 0) + 1

    def _objective(self, allocation: Allocation, y: float) -> float:
        """Return F of docs/model.md section 5."""
        instance, w = self.instance, self.instance.weights
        cost = 0.0
        if w.delay_per_s:
            cost += w.delay_per_s * float(instance.delay(allocation).max())
        if w.energy_per_j:
            cost += w.energy_per_j * float(instance.energy(allocation).sum())
        return float(instance.score(allocation).sum()) - (y * cost if y else 0.0)

    def _pairs(self, current: Allocation | None) -> Pairs:
        return pairs_of(self.instance, self.slots, current, self.allowed)

    def _slots_for_all(self) -> Floats:
        """Return the slots; where they do not hold those with one choice only, they do not bind."""
        rows = np.arange(len(self.allowed))
        seated = round_to_slots(self.allowed.astype(np.float64), self.slots)
        fits = self.allowed[rows, seated].all()
        return self.slots if fits else np.full_like(self.slots, float(len(self.allowed)))

    def _strongest(self) -> Ints:
        server: Ints = np.where(self.allowed, self.instance.gain, -1.0).argmax(axis=1)
        return server

    def _allowed_only(self, server: Ints) -> Ints:
        return np.where(self.allowed[np.arange(len(server)), server], server, self._strongest())

    def _note(
        self, part: str, y: float, found: Allocation, status: str, accepted: bool, steps: int, began: float
    ) -> None:
        objective, scr = self._objective(found, y), self.instance.scr(found)
        spent = time.process_time() - began
        self.trace.append(Iterate(self.outer, part, y, objective, scr, status, accepted, steps, spent))
