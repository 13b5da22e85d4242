"""The SimPy environment with exact times and a canonical order of simultaneous events."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from heapq import heappush

from simpy import Environment, Event
from simpy.core import StopSimulation
from simpy.events import EventPriority

from mecsim.errors import RunFailed

MOST_EVENTS = 1_000_000_000
"""Most events of a run; one that is on its way to more is stopped early."""

# At one instant: some for every user, and some for every pair, as shares of users of a server are tied.
_AT_ONCE, _AT_ONCE_BY_USER, _AT_ONCE_BY_PAIR = 200_000, 1_000, 10
_LOOKED_AT = 1000
_ENTITIES = 1 << 32


class EventKind(IntEnum):
    """What happens, in the order in which it happens at one instant.

    The first two numbers belong to SimPy's own events (processes that wake up).
    """

    COMPLETION = 2
    WINDOW = 3
    CONDITION = 4
    DEPARTURE = 5
    ARRIVAL = 6
    EPOCH = 7
    START = 8
    POLICY_CALL = 9


_CAUSES = {
    EventKind.COMPLETION: "ends of phases (too little work, or rates too large?)",
    EventKind.WINDOW: "windows of fading (channel.fading.block_s too short?)",
    EventKind.EPOCH: "periodic calls of the policy (reallocation.period_s too short?)",
    EventKind.START: "starts of rounds (too little work, or workload.rounds too frequent?)",
    EventKind.POLICY_CALL: "calls of the policy for events (reallocation.min_interval_s too short?)",
}


class Clock(Environment):
    """A SimPy environment that can call back at an absolute time.

    SimPy's timeouts add a delay to the present, so their times carry rounding and their ties
    follow the order of scheduling. Here the time is the one asked for, to the bit, and ties go
    by (kind, entity), so that results do not depend on who was scheduled first. ``scheduled``
    counts the events asked for here.

    A run may have :data:`MOST_EVENTS` in proportion to the time that it has reached, and a few
    hundred thousand on top at any one time: events that come faster would never let it end.

    Parameters
    ----------
    duration_s : float
        How long the run is to be.
    users : int
        How many users there are in it.
    """

    def __init__(self, duration_s: float = math.inf, users: int = 0) -> None:
        super().__init__()
        self.scheduled = 0
        self._duration_s = duration_s
        at_once = _AT_ONCE + _AT_ONCE_BY_USER * users + _AT_ONCE_BY_PAIR * users**2
        self._at_once = min(MOST_EVENTS, at_once)
        self._allowed = self._at_once
        self._beyond: Counter[EventKind] = Counter()
        self._is_paused = False

    def advance(self, until_s: float) -> bool:
        """Process events up to a time, which is not included, or to a pause; return whether it was a pause.

        The loop may be entered again after a pause, and goes on with the next event. It also ends where an
        event raises SimPy's ``StopSimulation``.
        """
        queue, self._is_paused = self._queue, False
        try:
            while queue and queue[0][0] < until_s:
                self.step()
                if self._is_paused:
                    return True
        except StopSimulation:
            return False
        self._now = until_s
        return False

    def pause(self) -> None:
        """Let :meth:`advance` return once the present event has been processed."""
        self._is_paused = True

    def event_at(self, time_s: float, kind: EventKind, entity: int) -> Event:
        """Return an event that happens at ``time_s``; among simultaneous ones by kind, then entity."""
        event = Event(self)
        event._ok, event._value = True, None
        self.scheduled += 1
        if self.scheduled > self._allowed:
            self._check_budget(kind)
        priority = EventPriority(kind * _ENTITIES + entity)
        heappush(self._queue, (time_s, priority, next(self._eid), event))
        return event

    def _check_budget(self, kind: EventKind) -> None:
        """Raise if there have been too many events for the time reached, and say which were the last ones."""
        self._allowed = self._at_once + int(MOST_EVENTS * min(1.0, self.now / self._duration_s))
        if self.scheduled <= self._allowed:
            self._beyond.clear()
            return
        self._beyond[kind] += 1
        if self._beyond.total() < _LOOKED_AT:
            return
        most = self._beyond.most_common(1)[0][0]
        what = _CAUSES.get(most, f"events of the kind {most.name}")
        raise RunFailed(
            f"t = {self.now:.9g} s of {self._duration_s:g} s: {self.scheduled:,} events so far, and the run "
            f"would not end; at most {MOST_EVENTS:,} are allowed in all and {self._at_once:,} at once. "
            f"Most of the last are {what}"
        )

    def call_at(
        self, time_s: float, kind: EventKind, entity: int, callback: Callable[[], None]
    ) -> ScheduledCall:
        """Call ``callback`` at ``time_s``; among simultaneous events by kind, then entity.

        Returns
        -------
        ScheduledCall
            With it the call can be cancelled.
        """
        event = self.event_at(time_s, kind, entity)
        event.callbacks.append(lambda _: callback())
        return ScheduledCall(event)


class ScheduledCall:
    """A call that the clock will make, unless it is cancelled before."""

    __slots__ = ("_event",)

    def __init__(self, event: Event) -> None:
        self._event = event

    def cancel(self) -> None:
        """Do not make the call; without effect once it has been made."""
        if self._event.callbacks is not None:
            self._event.callbacks.clear()
