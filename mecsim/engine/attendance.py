"""Users who come, are let in or refused, and leave, docs/model.md section 9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.battery import Batteries
from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.recorder import Recorder
from mecsim.engine.roster import Roster, UserStatus
from mecsim.engine.round_barrier import RoundBarrier
from mecsim.engine.service import Service
from mecsim.scenario.control import CallEvent
from mecsim.world.world import World


class Attendance:
    """Brings users in and takes them out.

    Parameters
    ----------
    clock : Clock
    world : World
    roster : Roster
    service : Service
    barrier : RoundBarrier
    recorder : Recorder
        Takes the rounds that are lost with users who leave.
    notify : callable
        Called with ``"arrival"`` or ``"departure"``.
    """

    def __init__(
        self,
        clock: Clock,
        world: World,
        roster: Roster,
        service: Service,
        barrier: RoundBarrier,
        recorder: Recorder,
        notify: Callable[[CallEvent], None],
    ) -> None:
        self._clock, self._roster, self._service = clock, roster, service
        self._barrier, self._recorder, self._notify = barrier, recorder, notify
        self._population = population = world.population
        self._duration_s, self._capacity = world.scenario.duration_s, world.scenario.users.max_present
        self._batteries: Batteries | None = None
        if population.has_batteries:
            self._batteries = Batteries(population, clock, self._run_out)
            service.on_power_change = self._batteries.set_active_w
        for n in roster.users.tolist():
            self._settle(n)
        later = np.flatnonzero((population.enters_s > 0) & (population.enters_s < self._duration_s))
        self._coming = later[np.argsort(population.enters_s[later], kind="stable")].tolist()[::-1]
        self._await_next()
        self._out: set[int] = set()
        for n, absences_s in enumerate(world.absences_s):
            for from_s, to_s in absences_s:
                self._plan_absence(n, from_s, to_s)

    def leave_done(self, user: int) -> None:
        """Take a user out who has done all its rounds."""
        self._leave(user, UserStatus.DONE)

    def ledger(self) -> dict[str, NDArray[Any]]:
        """Return when each user came and left, (N,), infinite if never, and its status.

        Empty if everybody is present all the time.
        """
        stays = self._roster.stays_s()
        if stays is None:
            return {}
        return {
            "entered_s": stays[0],
            "left_s": stays[1],
            "status": np.array(self._roster.status, dtype=np.int64),
            "absences": np.array(self._roster.absences).reshape(-1, 3),
        }

    def counts(self) -> dict[str, int]:
        """Return how many users came after the start, how many met each end, and how long all stayed."""
        stays_s, status = self._roster.stays_s(), self._roster.status
        if stays_s is None:
            return {}
        ends = (UserStatus.LEFT, UserStatus.DONE, UserStatus.REFUSED, UserStatus.OUT_OF_ENERGY)
        later = np.array(self._roster.entered_s) > 0
        return {
            "arrived": int((later & (np.array(status) != UserStatus.NOT_YET)).sum()),
            **{end.name.lower(): status.count(end) for end in ends},
            "user_seconds": int(self._stayed_s(*stays_s).sum()),
        }

    def _stayed_s(self, entered_s: NDArray[np.float64], left_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return how long each user was present."""
        stayed_s = np.maximum(0.0, np.minimum(left_s, self._duration_s) - entered_s)
        return stayed_s - self._roster.absent_s(self._duration_s)

    def _await_next(self) -> None:
        if self._coming:
            user = self._coming.pop()
            enters_s = self._roster.entered_s[user]
            self._clock.call_at(enters_s, EventKind.ARRIVAL, user, lambda: self._enter(user))

    def _enter(self, user: int) -> None:
        self._await_next()
        if self._is_full:
            self._roster.status[user] = UserStatus.REFUSED
            return
        self._roster.add(user)
        self._settle(user)
        self._notify("arrival")

    def _plan_absence(self, user: int, from_s: float, to_s: float) -> None:
        if from_s < self._duration_s:
            self._clock.call_at(from_s, EventKind.DEPARTURE, user, lambda: self._go_out(user))
        if to_s < self._duration_s:
            self._clock.call_at(to_s, EventKind.ARRIVAL, user, lambda: self._come_back(user))

    def _go_out(self, user: int) -> None:
        if self._roster.is_present[user]:
            self._out.add(user)
            self._leave(user, UserStatus.LEFT)

    def _come_back(self, user: int) -> None:
        """Let a user in again who is only away; one for whom there is no room stays away."""
        if user not in self._out or self._is_full:
            return
        self._out.discard(user)
        self._roster.add_again(user, self._clock.now)
        if self._batteries is not None:
            self._batteries.switch_on(user)
        self._notify("arrival")

    @property
    def _is_full(self) -> bool:
        return self._capacity is not None and self._roster.present_count >= self._capacity

    def _settle(self, user: int) -> None:
        """Plan what ends the stay of a user who has just come."""
        leaves_s = float(self._population.leaves_s[user])
        if leaves_s < self._duration_s:
            self._clock.call_at(leaves_s, EventKind.DEPARTURE, user, lambda: self._time_is_up(user))
        if self._batteries is not None:
            self._batteries.switch_on(user)

    def _time_is_up(self, user: int) -> None:
        if self._roster.is_present[user]:
            self._leave(user, UserStatus.LEFT)

    def _run_out(self, user: int) -> None:
        self._leave(user, UserStatus.OUT_OF_ENERGY)

    def _leave(self, user: int, status: UserStatus) -> None:
        """Take a user out now; a round in progress is lost."""
        self._roster.remove(user, status, self._clock.now)
        log = self._service.stop(user)
        if log is not None:
            self._recorder.round(log, "out_of_energy" if status is UserStatus.OUT_OF_ENERGY else "dropped")
        self._barrier.leave(user)
        if self._batteries is not None:
            self._batteries.switch_off(user)
        self._notify("departure")
