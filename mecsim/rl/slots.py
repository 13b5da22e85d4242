"""Slots: arrays of a fixed length for users who come and go."""

from __future__ import annotations

import math

import numpy as np

from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Ints, frozen

_DEVIATIONS = 6.0


def slot_count(scenario: Scenario) -> int:
    """Return how many slots a scenario needs.

    That is ``users.max_present`` if it is given, else everybody who may come. Random arrivals without that
    bound get as many as are there on average at the highest rate (Little's law), and six standard deviations
    of a Poisson law on top.
    """
    users, arrivals = scenario.users, scenario.users.arrivals
    if users.max_present is not None:
        return users.max_present
    everyone = users.count + sum(crowd.users for crowd in scenario.calendar.flash_crowds or ())
    if arrivals is not None:
        coming = arrivals.expected(scenario.duration_s)
        if arrivals.stay_s is not None:
            coming = min(coming, coming / scenario.duration_s * arrivals.stay_s.mean)
        everyone += math.ceil(coming + _DEVIATIONS * math.sqrt(coming))
    return max(1, everyone)


class Slots:
    """Gives each user a slot when it is first seen, the lowest free one, until it is no longer seen.

    Where everybody is there all the time, the slot of a user is its number.

    Parameters
    ----------
    count : int
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._slot_of: dict[int, int] = {}
        self._users: Ints = np.empty(0, dtype=np.int64)
        self._slots: Ints = self._users

    def assign(self, users: Ints) -> Ints:
        """Return the slots of the users who are there, (N,); -1 for those for whom none is free."""
        if np.array_equal(users, self._users):
            return self._slots
        kept = {user: self._slot_of[user] for user in users.tolist() if user in self._slot_of}
        taken = set(kept.values())
        free = [slot for slot in range(self.count - 1, -1, -1) if slot not in taken]
        for user in users.tolist():
            if user not in kept and free:
                kept[user] = free.pop()
        self._slot_of, self._users = kept, users
        self._slots = frozen([kept.get(user, -1) for user in users.tolist()], np.int64)
        return self._slots
