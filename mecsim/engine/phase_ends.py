"""When phases in service end: planned at their present rates, and anew whenever these change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.job import Job, JobState
from mecsim.engine.radio import Radio
from mecsim.engine.sharing import SharingRule
from mecsim.system.phases import PhaseSpec

_END = itemgetter(0)


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

    def plan(self, jobs: Iterable[Job]) -> None:
        """Plan the ends of phases in service that were served anew now."""
        now_s, sending, ends = self._clock.now, [], []
        for job in jobs:
            job.cancel_due()
            if job.state is JobState.SERVED:
                if self._over_radio[job.phase]:
                    sending.append(job)
                else:
                    ends.append((max(now_s, now_s + job.left / job.rate), job))
        if sending:
            ends += zip([max(now_s, end_s) for end_s in self._radio.ends_s(sending, now_s)], sending, strict=True)
        if self._sharing.shares:
            self._plan_first(ends)
        else:
            for end_s, job in ends:
                if end_s < math.inf:
                    self.plan_at(job, end_s)

    def _plan_first(self, ends: Iterable[tuple[float, Job]]) -> None:
        """Plan the first of the ends of each group of jobs that share, or to look for it later."""
        groups: dict[object, list[tuple[float, Job]]] = {}
        for end_s, job in ends:
            job.due_s = end_s
            groups.setdefault(self._sharing.group(job), []).append((end_s, job))
        later: list[Job] = []
        for members in groups.values():
            end_s, job = min(members, key=_END)
            if end_s < math.inf:
                self.plan_at(job, end_s)
            else:
                later += [job for _, job in members]
        if later:
            self._plan_look(later)

    def _plan_look(self, jobs: Sequence[Job]) -> None:
        """Plan to look for the ends of transfers that were served anew now, where their known rates end."""
        until_s = min([self._radio.known_until_s(job) for job in jobs])
        if until_s < math.inf:
            self._clock.call_at(until_s, EventKind.WINDOW, jobs[0].user + 1, lambda: self._look(jobs))

    def _look(self, jobs: Sequence[Job]) -> None:
        """Look for the ends of those transfers that nothing has changed since."""
        now_s = self._clock.now
        going_on = [job for job in jobs if self._is_sending(job) and self._radio.known_until_s(job) == now_s]
        if going_on:
            self._radio.look_further(going_on)
            self.plan(going_on)

    def _is_sending(self, job: Job) -> bool:
        return self._over_radio[job.phase] and job.in_service
