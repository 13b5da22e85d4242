"""Asks for decisions and puts them in force, docs/model.md section 11."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from mecsim.engine.call_schedule import CallSchedule
from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.counters import Counters
from mecsim.engine.epoch_log import EpochLog
from mecsim.engine.grant_log import GrantLog
from mecsim.engine.guard import Cause, Decision, Guard
from mecsim.engine.handout import handed_out
from mecsim.engine.handover import without_handovers_of
from mecsim.engine.observer import Observer
from mecsim.engine.reallocation import Reallocation
from mecsim.engine.roster import Roster
from mecsim.engine.service import Service
from mecsim.engine.user_process import UserProcesses
from mecsim.policy import Observation
from mecsim.scenario.control import Reallocation as ReallocationRule
from mecsim.system.allocation import Allocation


class Decided(NamedTuple):
    """One decision for those who look on, in copies: what was seen, and what is in force from when on.

    ``in_force_s`` is NaN, and ``allocation`` the one in force before, if the decision changed nothing;
    it is infinite if the run ended first.
    """

    observation: Observation
    in_force_s: float
    allocation: Allocation


class Question(NamedTuple):
    """What a decision is asked for: what is seen, and why the policy is called."""

    observation: Observation
    cause: Cause


class Decisions:
    """Asks for the decisions of a run, one at a time, and puts them in force.

    For each, the clock pauses with ``asked`` set, and goes on after :meth:`take`. The first decision is in
    force at once, whatever it took: the run begins with it. While a later one is in the making, further calls
    wait until it is in force, and then become one.

    Parameters
    ----------
    clock : Clock
    control : Reallocation
        Latency and deadline of decisions.
    roster : Roster
    guard : Guard
        Replaces decisions that are late.
    schedule : CallSchedule
    observer : Observer
    service : Service
    reallocation : Reallocation
    processes : UserProcesses
    epoch_log : EpochLog
    grant_log : GrantLog or None
        None if allocations are not recorded.
    counters : Counters
    on_progress : callable or None
        Called before each decision with the simulated seconds done.
    on_decided : callable or None
        Called with each :class:`Decided`.
    """

    def __init__(
        self,
        clock: Clock,
        control: ReallocationRule,
        roster: Roster,
        guard: Guard,
        schedule: CallSchedule,
        observer: Observer,
        service: Service,
        reallocation: Reallocation,
        processes: UserProcesses,
        epoch_log: EpochLog,
        grant_log: GrantLog | None,
        counters: Counters,
        on_progress: Callable[[float], None] | None,
        on_decided: Callable[[Decided], object] | None,
    ) -> None:
        self._clock, self._control, self._roster = clock, control, roster
        self._guard, self._schedule, self._observer = guard, schedule, observer
        self._service, self._reallocation, self._processes = service, reallocation, processes
        self._epoch_log, self._counters = epoch_log, counters
        self._grant_log, self._on_progress, self._on_decided = grant_log, on_progress, on_decided
        self.asked: Question | None = None
        self._pending: tuple[Observation, Decision] | None = None
        self._waiting: Cause | None = None

    def decide(self, cause: Cause) -> None:
        """Ask for a decision now, or once the one in the making is in force."""
        if self._pending:
            self._waiting = self._waiting or cause
            return
        now_s = self._clock.now
        if self._on_progress is not None:
            self._on_progress(now_s)
        self._schedule.was_called()
        self._service.account_all()
        self._epoch_log.end()
        if self._roster.present_count == 0:
            self._epoch_log.begin_empty(now_s, cause)
        else:
            self.asked = Question(self._observer.observe(now_s), cause)
            self._clock.pause()

    def end(self) -> None:
        """Record the last epoch, and report a decision that the end of the run has come before."""
        self._epoch_log.end()
        if self._pending:
            observation, decision = self._pending
            in_force_s = math.inf if decision.status == "new" else math.nan
            self._report(observation, in_force_s, decision.allocation)

    def take(self, decision: Decision) -> None:
        """Take the decision that was asked for."""
        assert self.asked is not None
        (observation, cause), self.asked = self.asked, None
        latency_s, decision = self._with_latency(observation, decision)
        self._epoch_log.begin(observation, decision, cause)
        if latency_s == 0:
            self._put_in_force(observation, decision)
            return
        self._pending = observation, decision
        ready_s = self._clock.now + latency_s
        self._clock.call_at(ready_s, EventKind.EPOCH, 1, lambda: self._ready(observation, decision))

    def _with_latency(self, observation: Observation, decision: Decision) -> tuple[float, Decision]:
        """Return the simulated time that a decision takes, and the decision, replaced if it is late."""
        latency = self._control.decision_latency
        if latency == "none" or observation.allocation is None:
            return 0.0, decision
        latency_s = decision.cpu_s if latency == "measured" else float(latency)
        deadline_s = self._control.decision_deadline_s
        if deadline_s is None or latency_s <= deadline_s:
            return latency_s, decision
        return deadline_s, self._guard.too_late(observation, decision)

    def _ready(self, observation: Observation, decision: Decision) -> None:
        """Put a decision in force that took some time, and make the next one if it was asked for."""
        self._pending = None
        self._put_in_force(observation, decision)
        if self._waiting:
            cause, self._waiting = self._waiting, None
            self._schedule.cancel_planned()
            self.decide(cause)

    def _put_in_force(self, observation: Observation, decision: Decision) -> None:
        if decision.status != "new":
            self._report(observation, math.nan, decision.allocation)
            return
        allocation, now_s = decision.allocation, self._clock.now
        before = observation.allocation
        if before is not None and now_s > observation.time_s:
            pinned = self._observer.pinned(observation.user)
            allocation = without_handovers_of(pinned, allocation, before, observation.instance)
        users = observation.user if self._roster.changes else None
        handovers = self._reallocation.apply(allocation, observation.instance, users)
        self._processes.begin(observation.user)
        if self._grant_log is not None:
            self._grant_log.take(observation.epoch, allocation, observation.user, self._roster.users)
        self._counters.handovers += handovers
        self._epoch_log.put_in_force(now_s, handovers)
        self._report(observation, now_s, allocation)

    def _report(self, observation: Observation, in_force_s: float, allocation: Allocation) -> None:
        if self._on_decided is not None:
            self._on_decided(Decided(handed_out(observation), in_force_s, handed_out(allocation)))
