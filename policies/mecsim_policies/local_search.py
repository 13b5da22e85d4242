"""Local search over associations: moves and swaps by the joint step, docs/model.md section 8."""

from __future__ import annotations

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.parameters import whole
from mecsim_policies.optim.participants import Participants, everyone_alone


class LocalSearch:
    """Moves and swaps of users from DASHF's answer and other starts, each judged by the joint step.

    Parameters
    ----------
    starts : int
        From how many associations to search: DASHF's, the strongest servers within slots, the
        strongest servers, and then the best found with some users moved at random.
    width : int
        How many of the most promising changes are compared at once.

    Attributes
    ----------
    iterations : int
        How many associations the last decision looked at.
    """

    def __init__(self, starts: int = 4, width: int = 48) -> None:
        self.starts = whole("starts", starts, 1)
        self.width = whole("width", width, 1)
        self.iterations = 0

    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found, never worse than DASHF's."""
        self.iterations = 0
        participants = Participants.of(observation)
        if participants is None:
            return everyone_alone(observation)
        found, self.iterations = search(participants, self.starts, self.width)
        return participants.among_all(observation, found.allocation(participants.instance))
