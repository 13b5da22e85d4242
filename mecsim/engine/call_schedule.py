"""When the policy is called: every period, and at the events that the scenario names."""

from __future__ import annotations

import math
from collections.abc import Callable

from mecsim.engine.clock import Clock, EventKind, ScheduledCall
from mecsim.engine.guard import Cause
from mecsim.scenario.control import CallEvent, Reallocation


class CallSchedule:
    """Plans the calls of the policy, docs/model.md section 11.

    Parameters
    ----------
    clock : Clock
    control : Reallocation
        Period, events, and the least time between two calls.
    """

    def __init__(self, clock: Clock, control: Reallocation) -> None:
        self._clock, self._control = clock, control
        self._call: Callable[[Cause], None] | None = None
        self._periods = 0
        self._called_s = -math.inf
        self._planned: ScheduledCall | None = None

    def start(self, call: Callable[[Cause], None]) -> None:
        """Call the policy through ``call`` from now on, for the first time now."""
        self._call = call
        self._clock.call_at(0.0, EventKind.EPOCH, 0, self._period)

    def notify(self, event: CallEvent) -> None:
        """Call the policy for an event if the scenario says so, after all that happens at this instant."""
        if event not in self._control.events or self._planned is not None:
            return
        time_s = max(self._clock.now, self._called_s + self._control.min_interval_s)
        self._planned = self._clock.call_at(time_s, EventKind.POLICY_CALL, 0, lambda: self._make_call(event))

    def was_called(self) -> None:
        """Take note that the policy is called now: the least time to the next call for an event begins."""
        self._called_s = self._clock.now

    def cancel_planned(self) -> None:
        """Drop a planned call: one that is made now sees all events up to now."""
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None

    def _period(self) -> None:
        self._periods += 1
        next_s = self._periods * self._control.period_s
        self._clock.call_at(next_s, EventKind.EPOCH, 0, self._period)
        self._make_call("period")

    def _make_call(self, cause: Cause) -> None:
        self.cancel_planned()
        if self._call is not None:
            self._call(cause)
