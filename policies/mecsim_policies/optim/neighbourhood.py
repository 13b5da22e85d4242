"""Part 1 with a neighbourhood search: for which association part 2 is solved.

The relaxation's rounding and the neighbours of the association in force with the largest estimated gains
are solved together, at one weight of the barrier, cheap and the same for all. The best one becomes the
incumbent if it gains enough.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import relax, round_to_slots, slot_weights
from mecsim_policies.optim.ends import best_ends
from mecsim_policies.optim.many_changes import changes_of_many
from mecsim_policies.optim.moves import apply_change, gains, ranked
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.resources import Compared, Solution, compare, compare_again, solve
from mecsim_policies.optim.run import Run
from mecsim_policies.optim.shares import PHI, ShareProblem

# How exactly to solve the relaxation: the rounding is settled long before.
_TOLERANCE = 1e-3
_LEAST_GAIN = 1e-3
# A copy is given up if its barrier function is predicted to end this much above the incumbent's, or above the
# best converged copy's.
_CUTOFF = 3.0
_GAP_TO_BEST = 1.0
_REEVALUATED = 4
_NEAR = 0.03
_REEVALUATION_WEIGHT = 400.0
_MARGIN = 8e-2
# From here on the weight grows with the users, or the slack of so many delays would hide which is largest.
_FEW_USERS = 10
# From here on many users are due for a change at once.
_MANY_USERS = 30
# Then single changes are compared in so many copies that together they have this many users.
_USERS_OF_ALL_COPIES = 1000


class SearchSettings(NamedTuple):
    """How associations are compared.

    Parameters
    ----------
    weight : float
        Weight of the objective against the barrier.
    steps : int
        Most Newton steps.
    width : int
        How many neighbours are compared at once.
    move_phi : bool
        Compare by the joint step, instead of by part 2 with the phi that a change comes with.
    many : bool
        Change many users at once until no such change gains, then few.
    """

    weight: float
    steps: int
    width: int
    move_phi: bool
    many: bool = False


COLD = SearchSettings(weight=100.0, steps=14, width=10, move_phi=True)
WARM = SearchSettings(weight=50.0, steps=10, width=8, move_phi=False)


@dataclass(frozen=True, eq=False, slots=True)
class Incumbent:
    """The best association so far, its solution at a low barrier weight, and the barrier's value there."""

    problem: ShareProblem
    solution: Solution
    value: float
    weight: float


_Candidate = tuple[Ints, Floats]


@dataclass(eq=False)
class NeighbourhoodSearch:
    """The search for an association in one run.

    Parameters
    ----------
    run : Run
    evaluations_left : int
        How often the neighbours with the largest gains may still be evaluated.
    warm : bool
        Whether the run started from the allocation of the last epoch.
    relaxed_users : int
        For more users than this, slots take the place of the relaxation.
    """

    run: Run
    evaluations_left: int
    warm: bool
    relaxed_users: int
    starts: list[Point] = field(default_factory=list)
    _tried: set[bytes] = field(default_factory=set)
    _compared: Compared | None = None
    _many: bool = field(init=False)

    def __post_init__(self) -> None:
        self._many = self.settings.many

    @property
    def settings(self) -> SearchSettings:
        """How associations are compared: phi moves from cold and for many users, if it may."""
        users, may_move = len(self.run.fixed), not (self.run.fixed.any() or self.run.shares_gpu)
        if may_move and users >= _MANY_USERS:
            return COLD._replace(many=True, width=max(1, _USERS_OF_ALL_COPIES // users))
        if self.warm:
            return WARM._replace(weight=WARM.weight * max(1.0, users / _FEW_USERS))
        return COLD._replace(move_phi=may_move)

    def from_slots(self) -> Point:
        """Return part 1's point with equal slots, at the y of the strongest servers."""
        run, began = self.run, time.process_time()
        pairs, gain = run.pairs(None), np.where(run.allowed, run.instance.gain, -1.0)
        within_slots = round_to_slots(np.log(np.maximum(gain, 1e-300)), run.slots)
        first = run.equal_split(within_slots, None)
        run.y = first.scr
        weight, status = self._weights(pairs, None)
        point = run.equal_split(round_to_slots(weight, run.slots), pairs)
        better = point.scr > first.scr
        run.note(0, "start", point, status=status, accepted=better, steps=0, began=began)
        others = (within_slots, gain.argmax(axis=1))
        self.starts = [point, *(run.equal_split(server, pairs) for server in others)]
        return point if better else first

    def incumbent(self, outer: int, point: Point) -> Incumbent:
        """Return the association in force as incumbent, or one to start from if that is better."""
        starts = [(start.problem.server, start.shares) for start in (point, *self.starts)]
        self.starts = []
        self._tried.clear()
        candidates = list(filter(self._is_new, starts))
        best = self._best(outer, "start", candidates, None)
        assert best is not None
        return self._repriced(outer, best) if self.settings.many else best

    def _repriced(self, outer: int, incumbent: Incumbent) -> Incumbent:
        """Return the incumbent at the y of its own shares: the one before may be far below it."""
        problem, solution = incumbent.problem, incumbent.solution
        self.run.raise_y(solution.totals.scr(self.run.instance))
        return self._best(outer, "start", [(problem.server, solution.shares)], None) or incumbent

    def improve(self, outer: int, incumbent: Incumbent) -> Incumbent:
        """Evaluate part 1 with the resources in force and the neighbours, again while it pays.

        From the allocation of the last epoch the neighbours come first, then part 1 where none of
        them pays, and that is all.
        """
        candidates = [] if self.warm or outer > 0 else self._relaxation(incumbent)
        while True:
            if self.evaluations_left > 0:
                self.evaluations_left -= 1
                candidates += self._neighbours(incumbent)
            found = self._best(outer, "association", candidates, incumbent)
            if found is not None and self.evaluations_left > 0:
                incumbent = self._repriced(outer, found) if self.settings.many else found
                candidates = []
            elif found is None and self._many and self.evaluations_left > 0:
                self._many, candidates = False, []
            elif found is None and self.warm and outer == 0:
                self.evaluations_left = 0
                relaxation = self._relaxation(incumbent)
                return self._best(outer, "association", relaxation, incumbent) or incumbent
            else:
                return found or self._reevaluate(outer, incumbent)

    def start(self, choice: Incumbent) -> tuple[Point, float]:
        """Return the point to go on from with an association, and the weight at which it is on the path.

        Where the ends of phi have charges, the search relaxes them: then phi is decided here.
        """
        run, solution = self.run, choice.solution
        if run.charges is None:
            return run.point(choice.problem, solution.shares, solution.totals), choice.weight
        problem = run.problem(choice.problem.server)
        if self.settings.move_phi:
            return best_ends(run, problem, solution.shares, self.settings.steps)
        return run.point(problem, solution.shares), choice.weight

    def _relaxation(self, incumbent: Incumbent) -> list[_Candidate]:
        """Return the rounded relaxation with the resources in force."""
        run, solution = self.run, incumbent.solution
        pairs = run.pairs(run.point(incumbent.problem, solution.shares, solution.totals))
        weight, _ = self._weights(pairs, solution.delay_price)
        trial = run.equal_split(round_to_slots(weight, run.slots), pairs)
        return list(filter(self._is_new, [(trial.problem.server, trial.shares)]))

    def _weights(self, pairs: Pairs, delay_price: Floats | None) -> tuple[Floats, str]:
        """Return what to round, and a status: the relaxation, or what each user is worth in a slot."""
        run = self.run
        if len(run.fixed) > self.relaxed_users:
            return slot_weights(pairs, run.price(), delay_price), "slots"
        relaxed = relax(pairs, run.price(), run.slots, tolerance=_TOLERANCE)
        return relaxed.association, relaxed.status

    def _neighbours(self, incumbent: Incumbent) -> list[_Candidate]:
        """Return the neighbours with the largest estimated gains that have not been tried."""
        run, problem, solution = self.run, incumbent.problem, incumbent.solution
        gain = gains(run.ends_at, problem, solution, run.price(), run.allowed, run.fixed)
        server, many = problem.server, self._many
        changes = changes_of_many(gain, server, run.slots) if many else ranked(gain, server)
        candidates = (apply_change(problem, solution.shares, change, run.fixed) for change in changes)
        most = len(changes) if many else self.settings.width
        return list(islice(filter(self._is_new, candidates), most))

    def _best(
        self, outer: int, part: str, candidates: list[_Candidate], incumbent: Incumbent | None
    ) -> Incumbent | None:
        """Solve part 2 for all candidates at once; return the best of them if it beats the incumbent."""
        began, run, settings = time.process_time(), self.run, self.settings
        self._compared = None
        if not candidates:
            return None
        problem = ShareProblem.stack(run.everyone_at, np.stack([server for server, _ in candidates]))
        problem = problem.relaxed() if settings.move_phi else problem
        shares = np.concatenate([shares for _, shares in candidates])
        found = compare(
            problem,
            run.price(),
            problem.inside(shares, _MARGIN, move_phi=settings.move_phi),
            weight=settings.weight,
            steps=settings.steps,
            move_phi=settings.move_phi,
            cutoff=np.inf if incumbent is None else incumbent.value + _CUTOFF,
            gap_to_best=_GAP_TO_BEST,
        )
        best = int(found.costs.argmin())
        single, solution = found.solution(best)
        better = incumbent is None or bool(found.costs[best] < incumbent.solution.cost - _LEAST_GAIN)
        run.note(
            outer,
            part,
            run.point(single, solution.shares, solution.totals),
            status=f"best of {len(candidates)}",
            accepted=better,
            steps=int(found.point.steps.sum()),
            began=began,
        )
        self._compared = found
        value = float(found.point.value[best])
        return Incumbent(single, solution, value, settings.weight) if better else None

    def _reevaluate(self, outer: int, incumbent: Incumbent) -> Incumbent:
        """Compare the nearest associations with the incumbent at a weight that tells them apart better."""
        began, run, found = time.process_time(), self.run, self._compared
        if found is None or self.warm:
            return incumbent
        nearest = np.argsort(found.costs, kind="stable")[:_REEVALUATED]
        nearest = nearest[found.costs[nearest] < incumbent.solution.cost + _NEAR]
        if nearest.size == 0:
            return incumbent
        again = compare_again(found, nearest, _REEVALUATION_WEIGHT, steps=self.settings.steps)
        single, solution = again.solution(int(again.costs.argmin()))
        own = solve(
            incumbent.problem,
            run.price(),
            incumbent.solution.shares,
            first_weight=incumbent.weight,
            last_weight=_REEVALUATION_WEIGHT,
            move_phi=self.settings.move_phi,
            longest_s=incumbent.solution.longest_s,
        )
        better = solution.cost < own.cost - _LEAST_GAIN
        run.note(
            outer,
            "association",
            run.point(single, solution.shares, solution.totals),
            status=f"best of {nearest.size}, once more",
            accepted=better,
            steps=int(again.point.steps.sum()) + own.steps,
            began=began,
        )
        if better:
            return Incumbent(single, solution, np.inf, _REEVALUATION_WEIGHT)
        return replace(incumbent, solution=own, weight=_REEVALUATION_WEIGHT)

    def _is_new(self, candidate: _Candidate) -> bool:
        """Return whether an association, with its phi if that is not free to move, is new; note it."""
        server, shares = candidate
        key = server.tobytes()
        if not self.settings.move_phi or self.run.everyone_at[0].mean:
            key += np.rint(100.0 * shares[:, PHI]).tobytes()
        new = key not in self._tried
        self._tried.add(key)
        return new
