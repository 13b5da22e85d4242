"""DASHF's loops: Dinkelbach outside, the two parts of the alternating optimisation inside."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.dashf.association import best_fractions, relax, round_to_slots
from mecsim_policies.dashf.horizon import HALF, Horizon
from mecsim_policies.dashf.moves import Change, changed, promising
from mecsim_policies.dashf.pairs import Pairs
from mecsim_policies.dashf.resources import Solution, solve, solve_again
from mecsim_policies.dashf.shares import PHI, Price, ShareProblem

_Y_TOLERANCE = 1e-4
_F_TOLERANCE = 1e-4
_GAP = 1e-4
_ALTERNATIONS = 4
_WARM_WEIGHT = 1e3
_WARM_MARGIN = 1e-3
# Associations are compared at one low weight of the barrier: cheap, and the same for all of them.
_LOOK_WEIGHT = 50.0
_LOOK_STEPS = 10
_LOOK_MARGIN = 1e-2
_LOOK_GAIN = 1e-3


class Iterate(NamedTuple):
    """One step of the algorithm, a row of the trace.

    ``part`` is ``start``, ``association``, ``second look`` or ``resources``; ``objective`` is F for
    this ``y``; ``accepted`` says whether the step was kept; ``newton_steps`` and ``cpu_s`` what it took.
    """

    outer: int
    part: str
    y: float
    objective: float
    scr: float
    status: str
    accepted: bool
    newton_steps: int
    cpu_s: float


@dataclass(frozen=True, eq=False, slots=True)
class Point:
    """A feasible point: shares for an association, and their SCR."""

    problem: ShareProblem
    shares: Floats
    scr: float

    @classmethod
    def of(cls, instance: Instance, problem: ShareProblem, shares: Floats) -> Point:
        """Return the point of some shares."""
        return cls(problem, shares, problem.scr(instance, shares))

    def allocation(self, instance: Instance) -> Allocation:
        """Return the allocation that the shares stand for."""
        return self.problem.allocation(instance, self.shares)


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """The best feasible point seen, and every iterate."""

    point: Point
    trace: tuple[Iterate, ...]


def slots_by_capacity(instance: Instance) -> Floats:
    """Return how many users each server has slots for: at least one each, at least N in all.

    Slots follow the server's part of all bandwidth, power and GPU speed; like servers have
    ``ceil(N / M)`` each.
    """
    s = instance.servers
    budgets = (s.bandwidth_hz, s.max_power_w, s.gpu_count * s.max_gpu_flops)
    share = np.mean([budget / budget.sum() for budget in budgets], axis=0)
    slots: Floats = np.maximum(1.0, np.ceil(instance.user_count * share - 1e-9))
    return slots


def optimise(
    instance: Instance,
    allowed: NDArray[np.bool_],
    start: Allocation | None = None,
    *,
    horizon: Horizon | None = None,
    looks: int = 8,
    max_iterations: int = 10,
) -> Outcome:
    """Run DASHF on a snapshot.

    Parameters
    ----------
    instance : Instance
    allowed : (N, M) bool
        Which servers each user may have, at least one each, all of them with a gain > 0.
    start : Allocation, optional
        A feasible allocation on allowed servers to start from; without it part 1 starts from slots.
    horizon : Horizon, optional
        How much of each user's work counts; whole rounds by default.
    looks : int
        For how many changes of the association the second look solves part 2.
    max_iterations : int
        Most steps of Dinkelbach's y.
    """
    search = _Search(instance, allowed, horizon, looks)
    point = search.from_slots() if start is None else search.from_allocation(start)
    for outer in range(max_iterations):
        y = point.scr
        point = search.improve(outer, point)
        if point.scr - y <= _Y_TOLERANCE * y:
            break
    return Outcome(point, tuple(search.trace))


def next_fractions(instance: Instance, allowed: NDArray[np.bool_], point: Point) -> Floats:
    """Return the best phi of everybody's next whole round with the resources of a point."""
    server, shares = point.problem.server, point.shares
    pairs = Pairs.at_slots(instance, slots_by_capacity(instance), server, shares).only(allowed)
    scr = instance.scr(point.allocation(instance))
    return best_fractions(pairs, Price.at(instance, scr), server)


@dataclass(frozen=True, eq=False, slots=True)
class _Seat:
    """An association, part 2's solution for it, and who says so."""

    problem: ShareProblem
    solution: Solution
    status: str


@dataclass(eq=False)
class _Search:
    """The state of one run of the algorithm."""

    instance: Instance
    allowed: NDArray[np.bool_]
    horizon: Horizon | None
    looks: int
    fixed: NDArray[np.bool_] = field(init=False)
    slots: Floats = field(init=False)
    everyone_at: tuple[ShareProblem, ...] = field(init=False)
    trace: list[Iterate] = field(default_factory=list)
    tried: set[bytes] = field(default_factory=set)
    last: Solution | None = None

    def __post_init__(self) -> None:
        users, servers = self.allowed.shape
        self.slots = slots_by_capacity(self.instance)
        self.fixed = np.zeros(users, dtype=bool) if self.horizon is None else self.horizon.fixed
        self.everyone_at = tuple(self._problem(np.full(users, m)) for m in range(servers))

    def from_slots(self) -> Point:
        """Return where part 1 gets alone, with equal slots and the y of everybody's strongest server."""
        began = time.process_time()
        instance = self.instance
        pairs = self._pairs(None)
        strongest = np.where(self.allowed, instance.gain, -1.0)
        first = self._equal(round_to_slots(np.log(np.maximum(strongest, 1e-300)), self.slots), pairs, None)
        price = Price.at(instance, first.scr)
        relaxed = relax(pairs, price, self.slots)
        point = self._equal(round_to_slots(relaxed.association, self.slots), pairs, price)
        better = point.scr > first.scr
        self._note(
            0, "start", price, first.scr, point.problem, point.shares, relaxed.status, better, 0, began
        )
        return point if better else first

    def from_allocation(self, start: Allocation) -> Point:
        """Return the point of an allocation, drawn in a little from its bounds."""
        problem = self._problem(start.server)
        shares = problem.inside(problem.of_allocation(self.instance, start), _WARM_MARGIN)
        shares[self.fixed, PHI] = HALF
        return Point.of(self.instance, problem, shares)

    def improve(self, outer: int, point: Point) -> Point:
        """Return a point whose F at this point's y is no less: part 1 with a second look, then part 2."""
        price = Price.at(self.instance, point.scr)
        self.tried.add(point.problem.server.tobytes())
        if outer == 0 or self.looks > 0:
            in_force = self._try(point.problem, price, point.shares, "in force")
            seat = self._relaxation(outer, price, point, in_force)
            seat = self._second_look(outer, price, point.scr, seat)
            for choice in (seat,) if seat is in_force else (seat, in_force):
                start = Point.of(self.instance, choice.problem, choice.solution.shares)
                found = self._alternate(outer, price, point.scr, start, _LOOK_WEIGHT)
                if found.scr > point.scr:
                    return found
            return point
        return self._alternate(outer, price, point.scr, point, _WARM_WEIGHT)

    def _relaxation(self, outer: int, price: Price, point: Point, seat: _Seat) -> _Seat:
        """Part 1 with the resources in force: keep the rounded relaxation if it pays."""
        began = time.process_time()
        pairs = self._pairs(point)
        relaxed = relax(pairs, price, self.slots)
        trial = self._equal(round_to_slots(relaxed.association, self.slots), pairs, price)
        if not self._is_new(trial.problem.server, trial.shares):
            return seat
        in_force = self._equal(point.problem.server, pairs, price)
        if trial.problem.cost(price, trial.shares) > in_force.problem.cost(price, in_force.shares):
            return seat
        tried = self._try(trial.problem, price, trial.shares, relaxed.status)
        return self._better(outer, "association", price, point.scr, tried, seat, began)

    def _second_look(self, outer: int, price: Price, y: float, seat: _Seat) -> _Seat:
        """Solve part 2 for the most promising changes; take the first that pays and look again."""
        improved = True
        while improved and self.looks > 0:
            improved = False
            for change in self._promising(seat, price):
                began = time.process_time()
                server, start = changed(seat.problem, seat.solution.shares, change, self.fixed)
                if not self._is_new(server, start):
                    continue
                self.looks -= 1
                trial = self._try(self._problem(server), price, start, "promising")
                found = self._better(outer, "second look", price, y, trial, seat, began)
                improved = found is trial
                seat = found
                if improved or self.looks == 0:
                    break
        return seat

    def _is_new(self, server: Ints, shares: Floats) -> bool:
        key = server.tobytes() + np.rint(100.0 * shares[:, PHI]).tobytes()
        new = key not in self.tried
        self.tried.add(key)
        return new

    def _try(self, problem: ShareProblem, price: Price, start: Floats, status: str) -> _Seat:
        """Return part 2's solution at the weight at which associations are compared."""
        inside = problem.inside(start, _LOOK_MARGIN)
        solution = solve(
            problem, price, inside, first_weight=_LOOK_WEIGHT, last_weight=_LOOK_WEIGHT, steps=_LOOK_STEPS
        )
        return _Seat(problem, solution, status)

    def _better(
        self, outer: int, part: str, price: Price, y: float, trial: _Seat, seat: _Seat, began: float
    ) -> _Seat:
        better = trial.solution.cost < seat.solution.cost - _LOOK_GAIN
        found = trial.solution
        self._note(
            outer, part, price, y, trial.problem, found.shares, trial.status, better, found.steps, began
        )
        return trial if better else seat

    def _alternate(self, outer: int, price: Price, y: float, point: Point, first_weight: float) -> Point:
        """Part 2 and phi in turn until F moves no more; return the best point met."""
        best, start = point, point.shares
        for turn in range(_ALTERNATIONS):
            began = time.process_time()
            if turn > 0:
                fractions = self._fractions(self._pairs(best), price, point.problem.server)
                if np.array_equal(fractions, best.shares[:, PHI]):
                    break
                start = best.shares.copy()
                start[:, PHI] = fractions
            found = self._solve(point.problem, price, start, first_weight)
            before = best.problem.cost(price, best.shares)
            better = found.cost < before
            steps = found.steps
            self._note(
                outer, "resources", price, y, point.problem, found.shares, "solved", better, steps, began
            )
            if better:
                best = Point.of(self.instance, point.problem, found.shares)
            if before - found.cost < _F_TOLERANCE:
                break
            first_weight = _WARM_WEIGHT
        return best

    def _solve(self, problem: ShareProblem, price: Price, start: Floats, first_weight: float) -> Solution:
        """Solve part 2, from the last solution itself if that is where to start."""
        if self.last is not None and self.last.shares is start:
            self.last = solve_again(problem, price, self.last, gap=_GAP)
        else:
            inside = start if first_weight == _LOOK_WEIGHT else problem.inside(start, _WARM_MARGIN)
            self.last = solve(problem, price, inside, gap=_GAP, first_weight=first_weight)
        return self.last

    def _pairs(self, current: Point | None) -> Pairs:
        if current is None:
            return Pairs.at_slots(self.instance, self.slots, horizon=self.horizon).only(self.allowed)
        server, shares = current.problem.server, current.problem.own_in_full(current.shares)
        return Pairs.at_slots(self.instance, self.slots, server, shares, self.horizon).only(self.allowed)

    def _problem(self, server: Ints) -> ShareProblem:
        return ShareProblem.of(self.instance, server, self.horizon)

    def _promising(self, seat: _Seat, price: Price) -> list[Change]:
        return promising(
            self.everyone_at, seat.problem, seat.solution, price, self.allowed, self.fixed
        )

    def _fractions(self, pairs: Pairs, price: Price, server: Ints) -> Floats:
        return np.where(self.fixed, HALF, best_fractions(pairs, price, server))

    def _equal(self, server: Ints, pairs: Pairs, price: Price | None) -> Point:
        """Return an association with equal shares and the best phi for a price, or one half."""
        users = np.arange(len(server))
        # The slots may have run out where a user is allowed: then they do not bind it.
        best_allowed = np.where(self.allowed, self.instance.gain, -1.0).argmax(axis=1)
        server = np.where(self.allowed[users, server], server, best_allowed)
        half = np.full(len(server), 0.5)
        problem = self._problem(server)
        phi = half if price is None else self._fractions(pairs, price, server)
        return Point.of(self.instance, problem, problem.equal_split(phi))

    def _note(
        self,
        outer: int,
        part: str,
        price: Price,
        y: float,
        problem: ShareProblem,
        shares: Floats,
        status: str,
        accepted: bool,
        steps: int,
        began: float,
    ) -> None:
        objective = -self.instance.score_law.scale * problem.cost(price, shares)
        scr = problem.scr(self.instance, shares)
        spent = time.process_time() - began
        self.trace.append(Iterate(outer, part, y, objective, scr, status, accepted, steps, spent))
