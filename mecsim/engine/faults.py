"""Servers that fail, come back, or have less to give for a while."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.clock import Kind
from mecsim.policy import Phase
from mecsim.system.arrays import Floats
from mecsim.system.instance import Servers
from mecsim.world.faults import ServerCondition

if TYPE_CHECKING:
    from mecsim.engine.simulation import Simulation


class Outages:
    """Brings the conditions of the servers into a run.

    Parameters
    ----------
    run : Simulation
    """

    def __init__(self, run: Simulation) -> None:
        self._run = run
        self._now = run.world.conditions.at(0.0)
        self._rule = run.scenario.calendar.on_outage
        self._coming = run.world.conditions.changes()[::-1]
        self.happen = not run.world.conditions.never_impaired
        if self.happen:
            for m, condition in enumerate(self._now):
                run.service.set_condition(m, condition)
            self._await_next()

    def seen(self, users: NDArray[np.int64], gain: Floats) -> Floats:
        """Return the gains (N, M) that a policy sees of some users: 0 from a server that is down.

        One that a round waits for keeps its gain for that user.
        """
        down = np.array([not condition.up for condition in self._now])
        if not down.any():
            return gain
        shown = np.where(down, 0.0, gain)
        if self._rule == "wait":
            jobs = self._run.service.jobs
            for row, n in enumerate(users.tolist()):
                if self.holds(n):
                    shown[row, jobs[n].server] = gain[row, jobs[n].server]
        return shown

    def servers(self) -> Servers:
        """Return the servers with the budgets that they have now; one that is down keeps its own."""
        usual = self._run.world.servers
        bandwidth, gpu = np.array([(condition.bandwidth, condition.gpu) for condition in self._now]).T
        return replace(
            usual,
            bandwidth_hz=usual.bandwidth_hz * bandwidth,
            max_gpu_flops=usual.max_gpu_flops * gpu,
        )

    def holds(self, user: int) -> bool:
        """Whether a user's round is past its local phase at a server that is down."""
        job = self._run.service.jobs[user]
        return job.log is not None and job.phase is not Phase.LOCAL and not self._now[job.server].up

    def pinned(self, users: NDArray[np.int64], pinned: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return who must keep its server, (N,), given who must if no server is down."""
        if all(condition.up for condition in self._now):
            return pinned
        held: NDArray[np.bool_] = np.array([self.holds(n) for n in users.tolist()], dtype=bool)
        return pinned | held if self._rule == "wait" else pinned & ~held

    def _await_next(self) -> None:
        if self._coming:
            time_s, server, condition = self._coming.pop()
            self._run.clock.call_at(time_s, Kind.CONDITION, server, lambda: self._change(server, condition))

    def _change(self, server: int, condition: ServerCondition) -> None:
        self._await_next()
        before, self._now[server] = self._now[server], condition
        service = self._run.service
        service.set_condition(server, condition)
        if before.up and not condition.up and self._rule == "restart":
            service.lose_work_of(server)
        if before.up != condition.up:
            self._run.decider.notice("outage")
