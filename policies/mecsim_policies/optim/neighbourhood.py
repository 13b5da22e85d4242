"""Part 1 and a second look: which association to solve part 2 for.

The relaxation's rounding and the most promising changes of the association in force are solved
together, at one weight of the barrier, cheap and the same for all; the best counts if it pays.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import relax, round_to_slots
from mecsim_policies.optim.moves import changed, promising
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.resources import Compared, Solution, compare, compare_again, solve
from mecsim_policies.optim.run import Run
from mecsim_policies.optim.shares import PHI, ShareProblem

# How exactly to solve the relaxation: the rounding is settled long before.
_TOLERANCE = 1e-3
_GAIN = 1e-3
# Up to so much above the seat's, or the best other's, a barrier function may end to be worth going on.
_HOPE = 3.0
_BEHIND = 1.0
_OPINIONS = 4
_NEAR = 0.03
_OPINION_WEIGHT = 400.0


class Look(NamedTuple):
    """How associations are compared: barrier weight, most steps, how many at once, what is free.

    ``free`` is 5 for part 2 with the phi that a change comes with, 6 for the joint step.
    """

    weight: float
    steps: int
    width: int
    free: int


COLD = Look(weight=100.0, steps=14, width=10, free=PHI + 1)
WARM = Look(weight=50.0, steps=10, width=8, free=PHI)
_MARGIN = 8e-2
# From here on the weight grows with the users, or the slack of so many delays would hide which is largest.
_FEW = 10


@dataclass(frozen=True, eq=False, slots=True)
class Seat:
    """An association with part 2's solution at a low barrier weight, and the barrier's value there."""

    problem: ShareProblem
    solution: Solution
    value: float
    weight: float


_Candidate = tuple[Ints, Floats]


@dataclass(eq=False)
class Looks:
    """The search for an association in one run.

    Parameters
    ----------
    run : Run
    left : int
        How often the most promising changes may still be looked at.
    warm : bool
        Whether the run started from the allocation of the last epoch.
    """

    run: Run
    left: int
    warm: bool
    starts: list[Point] = field(default_factory=list)
    _tried: set[bytes] = field(default_factory=set)
    _compared: Compared | None = None

    @property
    def look(self) -> Look:
        """How associations are compared: phi moves only from cold, and if it may."""
        if self.warm:
            return WARM._replace(weight=WARM.weight * max(1.0, len(self.run.fixed) / _FEW))
        return COLD._replace(free=PHI) if self.run.fixed.any() else COLD

    def from_slots(self) -> Point:
        """Return where part 1 gets alone, with equal slots and the y of everybody's strongest server."""
        run, began = self.run, time.process_time()
        pairs, gain = run.pairs(None), np.where(run.allowed, run.instance.gain, -1.0)
        within_slots = round_to_slots(np.log(np.maximum(gain, 1e-300)), run.slots)
        first = run.equal_split(within_slots, None)
        run.y = first.scr
        relaxed = relax(pairs, run.price(), run.slots, tolerance=_TOLERANCE)
        point = run.equal_split(round_to_slots(relaxed.association, run.slots), pairs)
        better = point.scr > first.scr
        run.note(0, "start", point, status=relaxed.status, accepted=better, steps=0, began=began)
        others = (within_slots, gain.argmax(axis=1))
        self.starts = [point, *(run.equal_split(server, pairs) for server in others)]
        return point if better else first

    def in_force(self, outer: int, point: Point) -> Seat:
        """Return the seat of the association in force, or of one to start from if that is better."""
        starts = [(start.problem.server, start.shares) for start in (point, *self.starts)]
        self.starts = []
        self._tried.clear()
        candidates = list(filter(self._is_new, starts))
        seat = self._best(outer, "start", candidates, None)
        assert seat is not None
        return seat

    def second(self, outer: int, seat: Seat) -> Seat:
        """Part 1 with the resources in force, and the most promising changes; again while it pays.

        From the allocation of the last epoch the changes come first, then part 1 where none of them pays,
        and that is all.
        """
        candidates = [] if self.warm or outer > 0 else self._relaxation(seat)
        while True:
            if self.left > 0:
                self.left -= 1
                candidates += self._promising(seat)
            found = self._best(outer, "association", candidates, seat)
            if found is not None and self.left > 0:
                seat, candidates = found, []
            elif found is None and self.warm and outer == 0:
                self.left = 0
                return self._best(outer, "association", self._relaxation(seat), seat) or seat
            else:
                return found or self._second_opinion(outer, seat)

    def _relaxation(self, seat: Seat) -> list[_Candidate]:
        """Return the rounded relaxation with the resources in force."""
        run = self.run
        pairs = run.pairs(run.point(seat.problem, seat.solution.shares, seat.solution.totals))
        relaxed = relax(pairs, run.price(), run.slots, tolerance=_TOLERANCE)
        trial = run.equal_split(round_to_slots(relaxed.association, run.slots), pairs)
        return list(filter(self._is_new, [(trial.problem.server, trial.shares)]))

    def _promising(self, seat: Seat) -> list[_Candidate]:
        run, solution = self.run, seat.solution
        changes = promising(run.everyone_at, seat.problem, solution, run.price(), run.allowed, run.fixed)
        candidates = (changed(seat.problem, solution.shares, change, run.fixed) for change in changes)
        return list(islice(filter(self._is_new, candidates), self.look.width))

    def _best(self, outer: int, part: str, candidates: list[_Candidate], seat: Seat | None) -> Seat | None:
        """Solve part 2 for all candidates at once; return the best of them if it beats the seat."""
        began, run, look = time.process_time(), self.run, self.look
        self._compared = None
        if not candidates:
            return None
        problem = ShareProblem.stack(run.everyone_at, np.stack([server for server, _ in candidates]))
        start = problem.inside(np.concatenate([shares for _, shares in candidates]), _MARGIN, free=look.free)
        found = compare(
            problem,
            run.price(),
            start,
            weight=look.weight,
            steps=look.steps,
            free=look.free,
            hopeless=np.inf if seat is None else seat.value + _HOPE,
            behind=_BEHIND,
        )
        best = int(found.costs.argmin())
        single, solution = found.solution(best)
        better = seat is None or bool(found.costs[best] < seat.solution.cost - _GAIN)
        run.note(
            outer,
            part,
            run.point(single, solution.shares, solution.totals),
            status=f"best of {len(candidates)}",
            accepted=better,
            steps=int(found.centre.steps.sum()),
            began=began,
        )
        self._compared = found
        return Seat(single, solution, float(found.centre.value[best]), look.weight) if better else None

    def _second_opinion(self, outer: int, seat: Seat) -> Seat:
        """Compare the nearest associations with the seat once more, at a weight that tells them apart."""
        began, run, found = time.process_time(), self.run, self._compared
        if found is None or self.warm:
            return seat
        nearest = np.argsort(found.costs, kind="stable")[:_OPINIONS]
        nearest = nearest[found.costs[nearest] < seat.solution.cost + _NEAR]
        if nearest.size == 0:
            return seat
        again = compare_again(found, nearest, _OPINION_WEIGHT, steps=self.look.steps)
        best = int(again.costs.argmin())
        single, solution = again.solution(best)
        own = solve(
            seat.problem,
            run.price(),
            seat.solution.shares,
            first_weight=seat.weight,
            last_weight=_OPINION_WEIGHT,
            free=self.look.free,
            longest_s=seat.solution.longest_s,
        )
        better = solution.cost < own.cost - _GAIN
        run.note(
            outer,
            "association",
            run.point(single, solution.shares, solution.totals),
            status=f"best of {nearest.size}, once more",
            accepted=better,
            steps=int(again.centre.steps.sum()) + own.steps,
            began=began,
        )
        if better:
            return Seat(single, solution, np.inf, _OPINION_WEIGHT)
        return replace(seat, solution=own, weight=_OPINION_WEIGHT)

    def _is_new(self, candidate: _Candidate) -> bool:
        server, shares = candidate
        key = server.tobytes()
        if self.look.free == PHI:
            key += np.rint(100.0 * shares[:, PHI]).tobytes()
        new = key not in self._tried
        self._tried.add(key)
        return new
