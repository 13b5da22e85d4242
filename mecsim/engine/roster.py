"""Who is present now: the one place that knows, for everybody who asks."""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.job import Job
from mecsim.system.arrays import Ints, frozen
from mecsim.world.population import Population

Stays = tuple[NDArray[np.float64], NDArray[np.float64]]
"""When each user came and left, (N,) in s: infinite if it never did."""


class Absence(NamedTuple):
    """A time in which a user was away before it came back."""

    user: int
    from_s: float
    to_s: float


class UserStatus(IntEnum):
    """What became of a user by the end of the run."""

    NOT_YET = 0
    PRESENT = 1
    LEFT = 2
    DONE = 3
    REFUSED = 4
    OUT_OF_ENERGY = 5


class Roster:
    """The jobs of all users, and which users are present.

    Parameters
    ----------
    population : Population
        Who is there at the start.
    """

    def __init__(self, population: Population) -> None:
        is_present = population.enters_s <= 0
        self.jobs = [Job(n) for n in range(population.count)]
        self.is_present: list[bool] = is_present.tolist()
        self.status = [UserStatus.PRESENT if here else UserStatus.NOT_YET for here in self.is_present]
        self.entered_s: list[float] = population.enters_s.tolist()
        self.left_s = [np.inf] * population.count
        self.since_s = list(self.entered_s)
        self.stay = [0] * population.count
        self.absences: list[Absence] = []
        self.changes = not population.always
        self._ids: list[int] = np.flatnonzero(is_present).tolist()
        self._users: Ints | None = None
        self.present_jobs = [self.jobs[n] for n in self._ids]

    @property
    def users(self) -> Ints:
        """Index of every user who is present, in increasing order."""
        if self._users is None:
            self._users = frozen(self._ids, np.int64)
        return self._users

    @property
    def present_count(self) -> int:
        """Number of users who are present."""
        return len(self._ids)

    def add(self, user: int) -> None:
        """Let a user in, for the first time or again."""
        self.is_present[user], self.status[user] = True, UserStatus.PRESENT
        at = bisect_left(self._ids, user)
        self._ids.insert(at, user)
        self.present_jobs.insert(at, self.jobs[user])
        self._users = None

    def add_again(self, user: int, now_s: float) -> None:
        """Let a user in who was away since it left."""
        self.absences.append(Absence(user, self.left_s[user], now_s))
        self.left_s[user], self.since_s[user] = np.inf, now_s
        self.stay[user] += 1
        self.add(user)

    def is_on(self, user: int, stay: int) -> bool:
        """Return whether a user is present, and has been since its stay of a number began."""
        return self.is_present[user] and self.stay[user] == stay

    def remove(self, user: int, status: UserStatus, now_s: float) -> None:
        """Take a user out."""
        self.is_present[user], self.status[user], self.left_s[user] = False, status, now_s
        at = bisect_left(self._ids, user)
        del self._ids[at], self.present_jobs[at]
        self._users = None

    def stays_s(self) -> Stays | None:
        """Return when each user first came and last left, (N,); None if all are always present."""
        if not self.changes:
            return None
        never = [status in (UserStatus.NOT_YET, UserStatus.REFUSED) for status in self.status]
        return np.where(never, np.inf, self.entered_s), np.array(self.left_s)

    def absent_s(self, until_s: float = np.inf) -> NDArray[np.float64]:
        """Return how long each user was away between its stays, up to a time, (N,)."""
        found = np.zeros(len(self.jobs))
        for user, from_s, to_s in self.absences:
            found[user] += max(0.0, min(to_s, until_s) - from_s)
        return found
