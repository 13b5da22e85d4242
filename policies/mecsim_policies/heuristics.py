"""Policies that optimise one half of the decision, docs/model.md section 4."""

from __future__ import annotations

import numpy as np

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim_policies.optim.association import best_fractions, relax, round_to_slots
from mecsim_policies.optim.fixed_fraction import FixedFraction
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import solve, solve_again
from mecsim_policies.optim.rules import equal_split, fewest_users_first
from mecsim_policies.optim.shares import PHI, ShareProblem

_Y_TOLERANCE = 1e-4
_TOLERANCE = 1e-5
# A move of y by so much is followed by one below the tolerance: Dinkelbach converges quadratically.
_LAST_MOVE = 0.01
_GAP = 1e-4
_MARGIN = 4e-2
_MOST_ITERATIONS = 20


class Aauco:
    """AAUCO: association and phi from DASHF's part 1, equal split of the resources.

    Attributes
    ----------
    iterations : int
        Steps of y in the last decision.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    iterations = 0
    predicted_scr = float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return part 1's association and phi, its y updated to convergence, with an equal split."""
        self.iterations, self.predicted_scr = 0, float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance, allowed = participants.instance, participants.allowed
        slots, largest = slots_by_capacity(instance), instance.users.local_fraction_max
        pairs = Pairs.at_slots(instance, slots).only(allowed)
        server = participants.strongest()
        best = equal_split(instance, server, np.full(len(server), 0.5))
        y = instance.scr(best)
        if participants.start is not None:
            server = participants.start.server
            fractions = largest * best_fractions(pairs, Price.at(instance, y), server)
            again = equal_split(instance, server, fractions)
            best = again if instance.scr(again) > y else best
            y = instance.scr(best)
        for _ in range(_MOST_ITERATIONS):
            self.iterations += 1
            price = Price.at(instance, y)
            rounded = round_to_slots(relax(pairs, price, slots, tolerance=_TOLERANCE).association, slots)
            rounded = participants.or_strongest(rounded)
            found = equal_split(instance, rounded, largest * best_fractions(pairs, price, rounded))
            scr = instance.scr(found)
            if scr <= y * (1.0 + _Y_TOLERANCE):
                break
            best, y = found, scr
        self.predicted_scr = participants.scr_of_all(observation, y)
        return participants.for_all_users(observation, best)


class Gucro(FixedFraction):
    """GUCRO: GUCAA's association, a fixed phi, resources from DASHF's part 2.

    Attributes
    ----------
    iterations : int
        Steps of y in the last decision.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    iterations = 0
    predicted_scr = float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return part 2's resources, y updated to convergence."""
        self.iterations, self.predicted_scr = 0, float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance, users = participants.instance, participants.users
        server = participants.or_strongest(fewest_users_first(observation)[users])
        problem = ShareProblem.of(instance, server)
        phi = np.full(len(users), self.local_fraction)
        if problem.charges is not None:
            phi = problem.charges.part_of(phi)
        shares = problem.equal_split(phi)
        start = participants.start
        if start is not None and np.array_equal(start.server, server):
            given = problem.inside(problem.of_allocation(instance, start), _MARGIN)
            given[:, PHI] = phi
            shares = given if problem.scr(instance, given) > problem.scr(instance, shares) else shares
        y = problem.scr(instance, shares)

        def raised(shares: Floats) -> Price:
            nonlocal y
            y = max(y, problem.scr(instance, shares))
            return Price.at(instance, y)

        found = solve(problem, Price.at(instance, y), shares, gap=_GAP, refresh=raised)
        best, best_scr = shares, y
        for _ in range(_MOST_ITERATIONS):
            self.iterations += 1
            scr = problem.scr(instance, found.shares)
            if scr > best_scr:
                best, best_scr = found.shares, scr
            if abs(scr - y) <= _LAST_MOVE * y:
                break
            y = scr
            found = solve_again(problem, Price.at(instance, y), found, gap=_GAP)
        self.predicted_scr = participants.scr_of_all(observation, best_scr)
        return participants.for_all_users(observation, problem.allocation(instance, best))
