"""DASHF with the project's additions, as a policy: warm starts, pinned users, users who are not there."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim_policies.dashf_plus.horizon import remaining_work
from mecsim_policies.optim.dinkelbach import RELAXED_USERS, next_fractions, optimise
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.trace import Iterate

_USERS_PER_EVALUATION = 25


class DashfPlus:
    """DASHF with additions: a search of the association's neighbourhood, a joint step, warm looks.

    Parameters
    ----------
    max_iterations : int
        Most steps of Dinkelbach's y.
    looks : int
        How often the neighbourhood of the association is evaluated, from cold.
    warm_looks : int
        The same from the allocation of the last epoch, for every 25 users begun.
    relaxed_users : int
        Most users for whom the semidefinite relaxation is solved; for more, slots take its place.
    active_only : bool
        Leave out users without a round in progress instead of reserving their share.
    horizon : {"round", "remaining"}
        What to optimise for: a whole round of every user, as in the paper, or what is left of the
        rounds in progress, whose phi is fixed.

    Attributes
    ----------
    trace : tuple of Iterate
        Every iterate of the last decision.
    iterations : int
        How many they were.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, where users are left out, and
        where rounds in progress are optimised instead of whole ones.
    """

    def __init__(
        self,
        max_iterations: int = 10,
        looks: int = 8,
        warm_looks: int = 1,
        relaxed_users: int = RELAXED_USERS,
        active_only: bool = False,
        horizon: str = "round",
    ) -> None:
        self.max_iterations = whole_number("max_iterations", max_iterations, 1)
        self.looks = whole_number("looks", looks, 0)
        self.warm_looks = whole_number("warm_looks", warm_looks, 0)
        self.relaxed_users = whole_number("relaxed_users", relaxed_users, 0)
        if horizon not in ("round", "remaining"):
            raise ValueError(f"horizon = {horizon!r}: must be 'round' or 'remaining'")
        self.active_only, self.horizon = bool(active_only), horizon
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
        participants = Participants.of(observation, active_only=self.active_only)
        if participants is None:
            return all_local(observation)
        work = remaining_work(observation, participants.users) if self.horizon == "remaining" else None
        outcome = optimise(
            participants.instance,
            participants.allowed,
            participants.start,
            work=work,
            evaluations=self._evaluations(participants),
            max_iterations=self.max_iterations,
            relaxed_users=self.relaxed_users,
        )
        self.trace = outcome.trace
        own = outcome.point.allocation(participants.instance)
        if work is not None and work.fixed.any():
            phi = next_fractions(participants.instance, participants.allowed, outcome.point)
            phi = phi * participants.instance.users.local_fraction_max
            own = replace(own, local_fraction=np.where(work.fixed, phi, own.local_fraction))
        else:
            self.predicted_scr = participants.scr_of_all(observation, outcome.point.scr)
        return participants.for_all_users(observation, own)

    def _evaluations(self, participants: Participants) -> int:
        """Return how often to evaluate neighbours: between epochs the changes due grow with the users."""
        if participants.start is None:
            return self.looks
        return self.warm_looks * ceil(len(participants.allowed) / _USERS_PER_EVALUATION)
