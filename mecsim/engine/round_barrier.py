"""Barrier synchronisation of rounds that start together, in `synchronous` mode."""

from __future__ import annotations

from simpy import Event

from mecsim.engine.clock import Clock


class RoundBarrier:
    """Lets every user wait for the last one to finish; users who come in between wait for the next start.

    Parameters
    ----------
    clock : Clock
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start = Event(clock)
        self._members: set[int] = set()
        self._waiting: set[int] = set()
        self._started_s = -1.0

    @property
    def is_under_way(self) -> bool:
        """Whether rounds started together before now and have not all ended."""
        return bool(self._members) and self._started_s < self._clock.now

    def next_start(self) -> Event:
        """Return the event at which all members have finished their rounds."""
        return self._start

    def join(self, user: int) -> None:
        """Make a user one of those who start now."""
        if not self._members:
            self._started_s = self._clock.now
        self._members.add(user)

    def finished(self, user: int) -> Event:
        """Note that a member has finished its round; return the event of the next start."""
        event = self._start
        self._waiting.add(user)
        self._start_if_all_wait()
        return event

    def leave(self, user: int) -> None:
        """Go on without a user, member or not."""
        self._members.discard(user)
        self._waiting.discard(user)
        self._start_if_all_wait()

    def _start_if_all_wait(self) -> None:
        if len(self._waiting) == len(self._members):
            event, self._start, self._started_s = self._start, Event(self._clock), self._clock.now
            self._waiting.clear()
            event.succeed()
