"""The SimPy environment with exact times and a canonical order of simultaneous events."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from heapq import heappush

from simpy import Environment, Event
from simpy.events import EventPriority

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


class Clock(Environment):
    """A SimPy environment that can call back at an absolute time.

    SimPy's timeouts add a delay to the present, so their times carry rounding and their ties
    follow the order of scheduling. Here the time is the one asked for, to the bit, and ties go
    by (kind, entity), so that results do not depend on who was scheduled first. ``scheduled``
    counts the events asked for here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scheduled = 0

    def event_at(self, time_s: float, kind: EventKind, entity: int) -> Event:
        """Return an event that happens at ``time_s``; among simultaneous ones by kind, then entity."""
        event = Event(self)
        event._ok, event._value = True, None
        self.scheduled += 1
        priority = EventPriority(kind * _ENTITIES + entity)
        heappush(self._queue, (time_s, priority, next(self._eid), event))
        return event

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
