"""When phases in service end: planned at their present rates, and anew whenever these change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from operator import attrgetter

from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.job import Job, JobState
from mecsim.engine.radio import Radio
from mecsim.engine.sharing import SharingRule
from mecsim.system.phases import PhaseSpec

_DUE = attrgetter("due_s")


class PhaseEnds:
    """Plans the ends of phases and of interruptions.

    Of jobs that share a resource only the first end is planned, because it changes the rates of all others.

    Parameters
    ----------
    clock : Clock
    phases : sequence of PhaseSpec
    radio : Radio
    sharing : SharingRule
    on_end : callable
        Called with a job whose phase or interruption ends.
    """

    def __init__(
        self,
        clock: Clock,
        phases: Sequence[PhaseSpec],
        radio: Radio,
        sharing: SharingRule,
        on_end: Callable[[Job], None],
    ) -> None:
        self._clock, self._radio, self._sharing, self._on_end = clock, radio, sharing, on_end
        self._over_radio = [phase.resource.medium == "radio" for phase in phases]

    def plan_at(self, job: Job, time_s: float) -> None:
        """Plan the end of a job's phase or interruption at a time."""
        job.cancel_due()
        job.due_s = time_s
        job.due = self._clock.call_at(time_s, EventKind.COMPLETION, job.user, lambda: self._on_end(job))

    def plan(self, jobs: Sequence[Job]) -> None:
        """Plan the ends of phases in service that were served anew now."""
        for job in jobs:
            if job.due is not None:
                job.cancel_due()
        served = [job for job in jobs if job.state is JobState.SERVED]
        self._find_ends(served)
        for group in self._sharing.groups(served):
            first = min(group, key=_DUE)
            if first.due_s < math.inf:
                self.plan_at(first, first.due_s)
            else:
                self._plan_look(group)

    def _find_ends(self, jobs: Sequence[Job]) -> None:
        """Find the ends of phases at their present rates; infinite if those are not known to their end."""
        now_s, over_radio = self._clock.now, self._over_radio
        sending = [job for job in jobs if over_radio[job.phase]]
        if len(sending) < len(jobs):
            for job in jobs:
                if not over_radio[job.phase]:
                    job.due_s = max(now_s, now_s + job.left / job.rate)
        if sending:
            for job, end_s in zip(sending, self._radio.ends_s(sending, now_s), strict=True):
                job.due_s = end_s if end_s > now_s else now_s

    def _plan_look(self, jobs: Sequence[Job]) -> None:
        """Plan to look for the ends of transfers that share where their known rates end."""
        until_s = self._radio.known_until_s(jobs[0])
        if until_s < math.inf:
            first = jobs[0]
            first.due = self._clock.call_at(
                until_s, EventKind.WINDOW, first.user + 1, lambda: self._look(jobs)
            )

    def _look(self, jobs: Sequence[Job]) -> None:
        """Look for the ends of transfers further ahead: nothing has changed since they were served anew."""
        self._radio.look_further(jobs)
        self.plan(jobs)
