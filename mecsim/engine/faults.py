"""Servers that fail, come back, or have less to give for a while, docs/model.md section 9."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.accounting import Accounting
from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.derating import Derating
from mecsim.engine.handover import Handovers
from mecsim.engine.job import Job, JobState
from mecsim.engine.roster import Roster
from mecsim.engine.service import Service
from mecsim.scenario.control import CallEvent
from mecsim.system.arrays import Floats
from mecsim.system.devices import Servers
from mecsim.system.phases import PhaseSpec
from mecsim.world.faults import ServerCondition
from mecsim.world.world import World


class ServerFaults:
    """Brings the conditions of the servers into a run, and knows what they are now.

    Parameters
    ----------
    clock : Clock
    world : World
    roster : Roster
    phases : sequence of PhaseSpec
    service : Service
    accounting : Accounting
    handovers : Handovers
    derating : Derating or None
        None if nothing ever happens to a server.
    notify : callable
        Called with ``"outage"`` when a server fails or comes back.
    """

    def __init__(
        self,
        clock: Clock,
        world: World,
        roster: Roster,
        phases: Sequence[PhaseSpec],
        service: Service,
        accounting: Accounting,
        handovers: Handovers,
        derating: Derating | None,
        notify: Callable[[CallEvent], None],
    ) -> None:
        self._clock, self._roster, self._phases = clock, roster, phases
        self._service, self._accounting, self._handovers = service, accounting, handovers
        self._derating, self._notify = derating, notify
        self._usual = world.servers
        self._now = world.conditions.at(0.0)
        self._rule = world.scenario.calendar.on_outage
        self._coming = world.conditions.changes()[::-1]
        self.happen = derating is not None
        if derating is not None:
            for m, condition in enumerate(self._now):
                derating.set(m, condition)
            self._await_next()

    def visible_gain(self, users: NDArray[np.int64], gain: Floats) -> Floats:
        """Return the gains (U, M) that a policy sees of some users: 0 from a server that is down.

        A server that a round waits for keeps its gain for that user.
        """
        down = np.array([not condition.up for condition in self._now])
        if not down.any():
            return gain
        shown = np.where(down, 0.0, gain)
        if self._rule == "wait":
            jobs = self._roster.jobs
            for row, n in enumerate(users.tolist()):
                if self._is_held(jobs[n]):
                    shown[row, jobs[n].server] = gain[row, jobs[n].server]
        return shown

    def servers(self) -> Servers:
        """Return the servers with the budgets that they have now; one that is down keeps its own."""
        bandwidth, gpu = np.array([(condition.bandwidth, condition.gpu) for condition in self._now]).T
        return replace(
            self._usual,
            bandwidth_hz=self._usual.bandwidth_hz * bandwidth,
            max_gpu_flops=self._usual.max_gpu_flops * gpu,
        )

    def pinned(self, users: NDArray[np.int64], pinned: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return who must keep its server, (U,), given who must if no server is down."""
        if all(condition.up for condition in self._now):
            return pinned
        held: NDArray[np.bool_] = np.array(
            [self._is_held(self._roster.jobs[n]) for n in users.tolist()], dtype=bool
        )
        return pinned | held if self._rule == "wait" else pinned & ~held

    def _is_held(self, job: Job) -> bool:
        """Whether a round is in a phase at a server that is down."""
        return job.log is not None and self._is_at_server(job) and not self._now[job.server].up

    def _is_at_server(self, job: Job) -> bool:
        return self._phases[job.phase].at_server

    def _await_next(self) -> None:
        if self._coming:
            time_s, server, condition = self._coming.pop()
            self._clock.call_at(time_s, EventKind.CONDITION, server, lambda: self._change(server, condition))

    def _change(self, server: int, condition: ServerCondition) -> None:
        self._await_next()
        before, self._now[server] = self._now[server], condition
        in_rounds = [job for job in self._roster.present_jobs if job.log is not None]
        here = [job for job in in_rounds if job.server == server]
        for job in here:
            self._accounting.account(job)
        if self._derating is not None:
            self._derating.set(server, condition)
        self._service.refresh(here)
        if before.up and not condition.up and self._rule == "restart":
            for job in here:
                if self._is_at_server(job):
                    self._accounting.account(job)
                    pending_s = job.due_s - self._clock.now if job.state is JobState.INTERRUPTED else 0.0
                    self._handovers.abort_to_uplink(job, max(0.0, pending_s))
        if before.up != condition.up:
            self._notify("outage")
