"""DASHF's loops: Dinkelbach outside, the two parts of the alternating optimisation inside.

They are part of the library because the searching policies start from their result.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.joint import settled
from mecsim_policies.optim.neighbourhood import Incumbent, NeighbourhoodSearch
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import Solution, solve
from mecsim_policies.optim.run import Run
from mecsim_policies.optim.shares import PHI, ShareProblem
from mecsim_policies.optim.trace import Iterate
from mecsim_policies.optim.work_factors import WorkFactors

_Y_TOLERANCE = 1e-4
# From cold another search of the neighbourhood costs as much as the first, and pays only after one that paid.
_COLD_TOLERANCE = 2e-3
# Dinkelbach's y converges quadratically: a move of 3 % is followed by one below the tolerance.
_LAST_MOVE = 0.03
_F_TOLERANCE = 1e-4
_GAP = 2e-4
_ALTERNATIONS = 4
# Most phi are 0 or 1 here, which leaves less that is not convex.
_PATH_TOLERANCE = 4.0
_WARM_WEIGHT = 1e3
_WARM_MARGIN = 1e-3
# For more the relaxation costs more than it brings.
RELAXED_USERS = 30


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """The best feasible point found, and every iterate."""

    point: Point
    trace: tuple[Iterate, ...]


def optimise(
    instance: Instance,
    allowed: NDArray[np.bool_],
    start: Allocation | None = None,
    *,
    work: WorkFactors | None = None,
    evaluations: int = 8,
    max_iterations: int = 10,
    relaxed_users: int = RELAXED_USERS,
) -> Outcome:
    """Run DASHF on a snapshot.

    Parameters
    ----------
    instance : Instance
    allowed : (N, M) bool
        Which servers each user may have, at least one each, all of them with a gain > 0.
    start : Allocation, optional
        A feasible allocation on allowed servers to start from; without it part 1 starts from slots.
    work : WorkFactors, optional
        How much of each user's work counts; whole rounds by default.
    evaluations : int
        How often the neighbours of the association with the largest estimated gains are evaluated.
    max_iterations : int
        Most rounds of part 1 and part 2, each with a higher y.
    relaxed_users : int
        Most users for whom the relaxation of part 1 is solved; for more, slots take its place.
    """
    run = Run(instance, allowed, work)
    tolerance = _COLD_TOLERANCE if start is None else _Y_TOLERANCE
    search = NeighbourhoodSearch(run, evaluations, start is not None, relaxed_users)
    point = search.from_slots() if start is None else run.inside(start, _WARM_MARGIN)
    for outer in range(max_iterations):
        before = point.scr
        point = _improve(run, search, outer, point)
        searched = search.settings.many or search.evaluations_left == 0
        settled = point.scr - run.y <= _LAST_MOVE * run.y
        if settled and (searched or point.scr <= before * (1.0 + tolerance)):
            break
    return Outcome(point, tuple(run.trace))


def next_fractions(instance: Instance, allowed: NDArray[np.bool_], point: Point) -> Floats:
    """Return every user's best phi of its next whole round with the resources of a point."""
    server, shares = point.problem.server, point.shares
    pairs = Pairs.at_slots(instance, slots_by_capacity(instance), server, shares).only(allowed)
    scr = instance.scr(point.allocation(instance))
    return best_fractions(pairs, Price.at(instance, scr), server)


def _improve(run: Run, search: NeighbourhoodSearch, outer: int, point: Point) -> Point:
    """Return a point that is no worse: part 1 with the neighbourhood search, then part 2."""
    run.raise_y(point.scr)
    if outer > 0 and search.evaluations_left == 0:
        return _alternate(run, outer, point)
    in_force = search.incumbent(outer, point)
    best = search.improve(outer, in_force)
    unchanged = best.problem is in_force.problem
    if outer > 0 and unchanged:
        return point
    move_phi = search.settings.move_phi
    # After the first round the association in force has been solved jointly already.
    choices: tuple[Incumbent, ...] = (best,) if unchanged or (move_phi and outer > 0) else (best, in_force)
    for choice in choices:
        start, path_weight = search.start(choice)
        run.raise_y(start.scr)
        improve = _jointly if move_phi else _alternate
        found = improve(run, outer, start, path_weight=path_weight)
        if found.scr > point.scr:
            return found
    return point


def _jointly(run: Run, outer: int, point: Point, *, path_weight: float) -> Point:
    """Return where the joint step ends: past points where neither part 2 nor phi gains alone."""
    began = time.process_time()
    last = _resources(run, point.problem, point.shares, path_weight, move_phi=True)
    found = run.point(point.problem, last.shares, last.totals).snapped(run.instance)
    found = settled(run.instance, found, _GAP)
    better = found.scr > point.scr
    run.note(
        outer, "resources", found, status="solved with phi", accepted=better, steps=last.steps, began=began
    )
    return found if better else point


def _alternate(run: Run, outer: int, point: Point, *, path_weight: float | None = None) -> Point:
    """Part 2 and phi in turn until F moves no more; return the best point met.

    ``path_weight`` is the barrier weight at which the point lies on the central path, None if it does not.
    """
    problem, best, start = point.problem, point, point.shares
    for turn in range(_ALTERNATIONS):
        began = time.process_time()
        if turn > 0:
            fractions = run.fractions(run.pairs(best), problem.server)
            if np.array_equal(fractions, best.shares[:, PHI]):
                break
            start = best.shares.copy()
            start[:, PHI] = fractions
            # With shared GPUs phi changes the speed in use too, which the phi step does not see.
            if run.shares_gpu and problem.cost(run.price(), start) > best.totals.cost(run.price()):
                break
        last = _resources(run, problem, start, path_weight if turn == 0 else None)
        before = best.totals.cost(last.price)
        better = last.cost < before
        found = run.point(problem, last.shares, last.totals)
        run.note(outer, "resources", found, status="solved", accepted=better, steps=last.steps, began=began)
        best = found if better else best
        if before - last.cost < _F_TOLERANCE:
            break
    return best


def _resources(
    run: Run, problem: ShareProblem, start: Floats, path_weight: float | None, *, move_phi: bool = False
) -> Solution:
    """Part 2 for fixed phi, or the joint step; y is brought up to date on the way."""
    return solve(
        problem,
        run.price(),
        problem.inside(start, _WARM_MARGIN) if path_weight is None else start,
        gap=_GAP,
        first_weight=_WARM_WEIGHT if path_weight is None else path_weight,
        path_tolerance=_PATH_TOLERANCE,
        move_phi=move_phi,
        refresh=lambda shares: run.raise_y(problem.scr(run.instance, shares)),
    )
