"""Local search over associations: moves and swaps by the joint step, docs/model.md section 8."""

from __future__ import annotations

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim_policies.bound.start import priced_start
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.parameters import truth, whole_number
from mecsim_policies.optim.participants import Participants, all_local


class LocalSearch:
    """Moves and swaps of users from DASHF's answer and other starts, each judged by the joint step.

    Parameters
    ----------
    starts : int
        From how many associations to search: DASHF's, the strongest servers within slots, the
        strongest servers, and then the best found with some users moved at random.
    width : int
        How many neighbours of an association are compared at once.
    prices : bool
        Whether the rounding of the prices of the upper bound is one more start, where that is proved.

    Attributes
    ----------
    iterations : int
        How many associations the last decision compared.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    def __init__(self, starts: int = 4, width: int = 48, prices: bool = True) -> None:
        self.starts = whole_number("starts", starts, 1)
        self.width = whole_number("width", width, 1)
        self.priced = priced_start if truth("prices", prices) else None
        self.iterations, self.predicted_scr = 0, float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than DASHF's."""
        self.iterations, self.predicted_scr = 0, float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        found, self.iterations = search(participants, self.starts, self.width, self.priced)
        self.predicted_scr = participants.scr_of_all(observation, found.scr)
        return participants.for_all_users(observation, found.allocation(participants.instance))
