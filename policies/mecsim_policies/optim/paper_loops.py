"""DASHF's loops as the paper has them: Dinkelbach outside, the alternating optimisation inside.

The arithmetic is handed in: `dashf` brings a fast one, `dashf_reference` a literal one. The one addition is
the safeguard: a new association is kept only if F does not fall, and the best allocation met is the answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.equations import service_cost_ratio
from mecsim.system.instance import Instance
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.shares import PHI, ShareProblem
from mecsim_policies.optim.trace import Iterate

_Y_TOLERANCE = 1e-4
_F_TOLERANCE = 1e-5
_ALTERNATIONS = 10
_LEAST_AT_START = 1e-3


class Association(NamedTuple):
    """Part 1's fractional association, (N, M); None if no solver has succeeded; what it took."""

    weight: Floats | None
    status: str
    steps: int


class Resources(NamedTuple):
    """The allocation that part 2 ends with, and what it took."""

    allocation: Allocation
    status: str
    steps: int


class Arithmetic(Protocol):
    """How the problems of both parts are solved on one snapshot."""

    def pairs(self, current: Allocation | None) -> Pairs:
        """Return part 1's constants: with the resources in force, or with slots alone."""

    def relax(self, pairs: Pairs, price: Price, slots: Floats) -> Association:
        """Solve the semidefinite relaxation of part 1."""

    def fractions(self, pairs: Pairs, price: Price, server: Ints) -> Floats:
        """Return the best phi for an association, as parts of the largest."""

    def resources(self, start: Allocation, y: float, *, at_least: float) -> Resources:
        """Solve part 2 to a stationary point, or until F is seen to end below ``at_least``."""


@dataclass(frozen=True, eq=False, slots=True)
class Met:
    """An allocation that has been met: its score, and the delay in s and energy in J that count."""

    instance: Instance
    allocation: Allocation
    score: float
    delay_s: float
    energy_j: float

    @classmethod
    def of(cls, instance: Instance, allocation: Allocation) -> Met:
        """Evaluate an allocation by the equations of the model."""
        costs = instance.costs(allocation)
        delay_s, energy_j = (
            instance.total_delay(costs.delay_s.sum(axis=1)),
            instance.total_energy(costs.energy_j),
        )
        return cls(instance, allocation, float(instance.score(allocation).sum()), delay_s, energy_j)

    @property
    def scr(self) -> float:
        """The service-cost ratio."""
        w = self.instance.weights
        return service_cost_ratio(self.score, self.delay_s, self.energy_j, w.delay_per_s, w.energy_per_j)

    def objective(self, y: float) -> float:
        """Return F = score - y cost of docs/model.md section 5."""
        w, cost = self.instance.weights, 0.0
        if w.delay_per_s:
            cost += w.delay_per_s * self.delay_s
        if w.energy_per_j:
            cost += w.energy_per_j * self.energy_j
        return self.score - (y * cost if y else 0.0)


@dataclass(eq=False)
class PaperLoops:
    """One run of the algorithm on a snapshot.

    Parameters
    ----------
    participants : Participants
        Whom it decides for, and from where it starts.
    arithmetic : Arithmetic

    Attributes
    ----------
    trace : list of Iterate
    """

    participants: Participants
    arithmetic: Arithmetic
    trace: list[Iterate] = field(default_factory=list)
    instance: Instance = field(init=False)
    slots: Floats = field(init=False)
    slots_for_all: Floats = field(init=False)
    outer: int = 0

    def __post_init__(self) -> None:
        self.instance = self.participants.instance
        self.slots = slots_by_capacity(self.instance)
        self.slots_for_all = _slots_for_all(self.participants, self.slots)

    def dinkelbach(self, most: int) -> Met:
        """Repeat the alternating optimisation with y = SCR of its result until y moves no more.

        At most ``most`` times. Part 1 starts from slots. An allocation in force goes through part 2 first:
        with it y starts close to its end, and its association stays unless a new one is better.
        """
        start = self.participants.start
        if start is None:
            best = self._met(equal_split(self.instance, self.participants.strongest(), 0.5))
        else:
            best = self._met(_with_something_for_all(self.instance, start))
            best = self._in_force(best, best.scr)
        for self.outer in range(most):
            y = best.scr
            best = self._alternate(best, y, served=self.outer > 0)
            if best.scr - y <= _Y_TOLERANCE * y:
                break
        in_force = best if start is None else self._met(start)
        kept = in_force.scr > best.scr and not in_force.allocation.violations(self.instance)
        return in_force if kept else best

    def _alternate(self, best: Met, y: float, *, served: bool) -> Met:
        """Repeat part 1 and part 2 for one y until F moves no more; F never falls."""
        least = _F_TOLERANCE * self.instance.user_count * self.instance.score_law.scale
        for _ in range(_ALTERNATIONS):
            before = best.objective(y)
            best = self._in_force(self._new_association(best, y, served), y)
            if best.objective(y) - before <= least:
                break
            served = True
        return best

    def _new_association(self, best: Met, y: float, served: bool) -> Met:
        """Solve part 1, and part 2 for its association and phi; accept them if F does not fall."""
        began, price = time.process_time(), Price.at(self.instance, y)
        pairs = self.arithmetic.pairs(best.allocation if served else None)
        weight, status, steps = self.arithmetic.relax(pairs, price, self.slots_for_all)
        if weight is None:
            return self._kept("association", y, best, best, status, steps, began)
        server = self.participants.or_strongest(round_to_slots(weight, self.slots))
        if served and np.array_equal(server, best.allocation.server):
            return self._kept("association", y, best, best, f"{status}, unchanged", steps, began)
        phi = self.arithmetic.fractions(pairs, price, server)
        trial = equal_split(self.instance, server, self.instance.users.local_fraction_max * phi)
        solved = self.arithmetic.resources(trial, y, at_least=best.objective(y))
        found, status = self._met(solved.allocation), f"{status}; {solved.status}"
        return self._kept("association", y, best, found, status, steps + solved.steps, began)

    def _in_force(self, best: Met, y: float) -> Met:
        """Solve for phi, and then part 2, with the association in force."""
        began, price, allocation = time.process_time(), Price.at(self.instance, y), best.allocation
        phi = self.arithmetic.fractions(self.arithmetic.pairs(allocation), price, allocation.server)
        start = replace(allocation, local_fraction=self.instance.users.local_fraction_max * phi)
        solved = self.arithmetic.resources(start, y, at_least=-np.inf)
        found = self._met(solved.allocation)
        return self._kept("resources", y, best, found, solved.status, solved.steps, began)

    def _met(self, allocation: Allocation) -> Met:
        return Met.of(self.instance, allocation)

    def _kept(self, part: str, y: float, best: Met, found: Met, status: str, steps: int, began: float) -> Met:
        """Add a row to the trace; return what was found if its F is no lower, else the best so far."""
        value = found.objective(y)
        better = found is not best and value >= best.objective(y)
        spent = time.process_time() - began
        self.trace.append(Iterate(self.outer, part, y, value, found.scr, status, better, steps, spent))
        return found if better else best


def _with_something_for_all(instance: Instance, allocation: Allocation) -> Allocation:
    """Return an allocation in which nobody's share of a resource is next to nothing."""
    problem = ShareProblem.of(instance, allocation.server)
    shares = problem.of_allocation(instance, allocation)
    shares[:, :PHI] = np.maximum(shares[:, :PHI], _LEAST_AT_START)
    return problem.allocation(instance, shares)


def _slots_for_all(participants: Participants, slots: Floats) -> Floats:
    """Return the slots; where they do not hold those with one choice only, they do not bind."""
    allowed = participants.allowed
    seated = round_to_slots(allowed.astype(np.float64), slots)
    fits = allowed[np.arange(len(allowed)), seated].all()
    return slots if fits else np.full_like(slots, float(len(allowed)))
