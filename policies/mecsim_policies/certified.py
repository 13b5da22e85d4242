"""The best allocation found, and a proof of how far from the optimum it can be, for small systems."""

from __future__ import annotations

import numpy as np

from mecsim.errors import PolicyError
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim_policies.bound.tree import branch_and_bound
from mecsim_policies.bound.upper import uncovered
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.parameters import whole_number
from mecsim_policies.optim.participants import Participants, all_local

_STARTS = 4
_WIDTH = 48


class Certified:
    """Branch and bound from the local search's answer, until the gap to a proved bound is small enough.

    Parameters
    ----------
    within : float
        The gap, upper bound over SCR less 1, at which to stop.
    max_nodes : int
        After how many nodes to stop all the same; ``upper_bound`` is proved then, too, and the gap larger.
    max_users : int
        Refuse more users than this.

    Attributes
    ----------
    iterations : int
        How many nodes the last decision bounded.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    upper_bound : float
        What no allocation of those who take part exceeds, proved; NaN before a decision, where nobody takes
        part, and where the laws are not covered: the answer is that of the local search then.

    Raises
    ------
    PolicyError
        From ``allocate``, for more users than ``max_users``.
    """

    def __init__(self, within: float = 0.001, max_nodes: int = 200, max_users: int = 12) -> None:
        if isinstance(within, bool) or not 0.0 < within < 1.0:
            raise ValueError(f"within = {within!r}: must be a number between 0 and 1")
        self.within = float(within)
        self.max_nodes = whole_number("max_nodes", max_nodes, 1)
        self.max_users = whole_number("max_users", max_users, 1)
        self._forget()

    def _forget(self) -> None:
        self.iterations, self.predicted_scr, self.upper_bound = 0, float("nan"), float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than the local search's."""
        self._forget()
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance = participants.instance
        self._check(instance.user_count)
        point = search(participants, _STARTS, _WIDTH).point
        if point.scr > 0.0 and np.isfinite(point.scr) and not uncovered(instance):
            solved = branch_and_bound(
                instance,
                point,
                within=self.within,
                max_nodes=self.max_nodes,
                allowed=participants.allowed,
            )
            point, self.iterations, self.upper_bound = solved.point, solved.nodes, solved.scr_upper
        self.predicted_scr = participants.scr_of_all(observation, point.scr)
        return participants.for_all_users(observation, point.allocation(instance))

    def _check(self, users: int) -> None:
        if users > self.max_users:
            raise PolicyError(
                f"certified: {users} users; the limit is max_users = {self.max_users}, as branch and bound "
                f"takes long for more; 'local_search' has no limit"
            )
