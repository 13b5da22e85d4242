"""Who is there: users who come, are let in or refused, and leave."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.battery import Batteries
from mecsim.engine.clock import Kind
from mecsim.engine.recorder import Stays
from mecsim.engine.round import life_of
from mecsim.system.arrays import Ints, frozen

if TYPE_CHECKING:
    from mecsim.engine.simulation import Simulation


class Fate(IntEnum):
    """What became of a user by the end of the run."""

    NOT_YET = 0
    PRESENT = 1
    LEFT = 2
    DONE = 3
    REFUSED = 4
    OUT_OF_ENERGY = 5


class Presence:
    """The users who are there now, docs/model.md section 9.

    Parameters
    ----------
    run : Simulation
    """

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._population = population = run.world.population
        self._most = run.scenario.users.max_present
        self.there = (population.enters_s <= 0).tolist()
        self.fate = [Fate.PRESENT if there else Fate.NOT_YET for there in self.there]
        self.entered_s = population.enters_s.tolist()
        self.left_s = [np.inf] * population.count
        self._begun = np.zeros(population.count, dtype=bool)
        self._ids = np.flatnonzero(self.there).tolist()
        self._users: Ints | None = None
        run.service.present = [run.service.jobs[n] for n in self._ids]
        self.changes = not population.always
        self.batteries: Batteries | None = None
        if population.has_batteries:
            self.batteries = Batteries(population, run.clock, self._run_out)
            run.service.on_draw = self.batteries.set_active_w
        for n in self._ids:
            self._settle(n)
        later = np.flatnonzero((population.enters_s > 0) & (population.enters_s < run.scenario.duration_s))
        self._coming = later[np.argsort(population.enters_s[later], kind="stable")].tolist()[::-1]
        self._await_next()

    @property
    def users(self) -> Ints:
        """Index of everyone who is there, in increasing order."""
        if self._users is None:
            self._users = frozen(self._ids, np.int64)
        return self._users

    def begin(self, users: Iterable[int]) -> None:
        """Let those start their rounds who have been given an allocation for the first time."""
        waiting = np.asarray(users)
        for n in waiting[~self._begun[waiting]].tolist():
            if self.there[n]:
                self._begun[n] = True
                self._run.clock.process(life_of(n, self._run))

    def leave(self, user: int, fate: Fate) -> None:
        """Take a user out now; a round in progress is lost."""
        self.there[user], self.fate[user], self.left_s[user] = False, fate, self._run.clock.now
        at = bisect_left(self._ids, user)
        del self._ids[at], self._run.service.present[at]
        self._users = None
        log = self._run.service.drop(user)
        if log is not None:
            self._run.recorder.round(log, "out_of_energy" if fate is Fate.OUT_OF_ENERGY else "dropped")
        self._run.cohort.leave(user)
        if self.batteries is not None:
            self.batteries.switch_off(user)
        self._run.decider.notice("departure")

    def leave_done(self, user: int) -> None:
        """Take a user out who has done all its rounds."""
        self.leave(user, Fate.DONE)

    def stays_s(self) -> Stays | None:
        """Return when each user came and left, (N,), infinite if never; None if all are always there."""
        if not self.changes:
            return None
        absent = [fate in (Fate.NOT_YET, Fate.REFUSED) for fate in self.fate]
        return np.where(absent, np.inf, self.entered_s), np.array(self.left_s)

    def ledger(self) -> dict[str, NDArray[Any]]:
        """Return when each user came and left, (N,), infinite if never; its :class:`Fate`; its idle energy.

        Empty if everybody is there all the time.
        """
        stays = self.stays_s()
        if stays is None:
            return {}
        return {
            "entered_s": stays[0],
            "left_s": stays[1],
            "fate": np.array(self.fate, dtype=np.int64),
            "idle_j": self._population.idle_w * self._stayed_s(*stays),
        }

    def counts(self) -> dict[str, int]:
        """Return how many users came after the start, how many met each end, and how long all stayed."""
        stays_s = self.stays_s()
        if stays_s is None:
            return {}
        ends = (Fate.LEFT, Fate.DONE, Fate.REFUSED, Fate.OUT_OF_ENERGY)
        later = np.array(self.entered_s) > 0
        return {
            "arrived": int((later & (np.array(self.fate) != Fate.NOT_YET)).sum()),
            **{fate.name.lower(): self.fate.count(fate) for fate in ends},
            "user_seconds": int(self._stayed_s(*stays_s).sum()),
        }

    def _stayed_s(self, entered_s: NDArray[np.float64], left_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how long each user was there."""
        until_s = np.minimum(left_s, self._run.scenario.duration_s)
        return np.maximum(0.0, until_s - entered_s)

    def _await_next(self) -> None:
        if self._coming:
            user = self._coming.pop()
            self._run.clock.call_at(self.entered_s[user], Kind.ARRIVAL, user, lambda: self._enter(user))

    def _enter(self, user: int) -> None:
        self._await_next()
        if self._most is not None and len(self._ids) >= self._most:
            self.fate[user] = Fate.REFUSED
            return
        self.there[user], self.fate[user] = True, Fate.PRESENT
        at = bisect_left(self._ids, user)
        self._ids.insert(at, user)
        self._run.service.present.insert(at, self._run.service.jobs[user])
        self._users = None
        self._settle(user)
        self._run.decider.notice("arrival")

    def _settle(self, user: int) -> None:
        """Plan what ends the stay of a user who has just come."""
        leaves_s = float(self._population.leaves_s[user])
        if leaves_s < self._run.scenario.duration_s:
            self._run.clock.call_at(leaves_s, Kind.DEPARTURE, user, lambda: self._time_is_up(user))
        if self.batteries is not None:
            self.batteries.switch_on(user)

    def _time_is_up(self, user: int) -> None:
        if self.there[user]:
            self.leave(user, Fate.LEFT)

    def _run_out(self, user: int) -> None:
        self.leave(user, Fate.OUT_OF_ENERGY)
