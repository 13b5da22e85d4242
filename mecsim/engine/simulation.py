"""One run: a world, a policy, a seed, and the record of what happened."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecsim.engine.attendance import Presence
from mecsim.engine.clock import Clock, Kind
from mecsim.engine.decisions import Decider
from mecsim.engine.faults import Outages
from mecsim.engine.recorder import Recorder, RunRecord, Table
from mecsim.engine.round import RoundLog
from mecsim.engine.round_barrier import Cohort
from mecsim.engine.service import FluidService
from mecsim.policy import Phase, Policy
from mecsim.scenario.schema import Scenario
from mecsim.system import equations as eq
from mecsim.world.world import World


class Simulation:
    """A run of one policy in one world, from time 0 to ``duration_s`` (not included).

    Parameters
    ----------
    scenario : Scenario
    policy : Policy
    seed : int
        Seed of the world and of the policy's own generator.
    label : str
        What to call the policy in messages; its class by default.
    on_progress : callable, optional
        Called now and then with the simulated seconds done. It cannot influence the run.
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: Policy,
        seed: int,
        *,
        label: str = "",
        on_progress: Callable[[float], None] | None = None,
    ) -> None:
        self.scenario = scenario
        self.world = World(scenario, seed)
        self.clock = Clock()
        self.service = FluidService(self.world, self.clock)
        self.recorder = Recorder()
        self.rounds = np.zeros(self.world.user_count, dtype=np.int64)
        self.finished = 0
        self.cohort = Cohort(self.clock)
        self.presence = Presence(self)
        self.outages = Outages(self)
        self.decider = Decider(self, policy, seed, label, on_progress)
        self.clock.call_at(0.0, Kind.EPOCH, 0, self.decider.decide)

    def run(self) -> RunRecord:
        """Run to the end and return the record.

        Raises
        ------
        PolicyFailed, InvalidAllocation
            If the policy fails; see :class:`~mecsim.engine.guard.Guard`.
        """
        self.clock.run(until=self.scenario.duration_s)
        self.service.account_all()
        self.decider.end()
        for job in self.service.jobs:
            if job.log is not None:
                self.recorder.round(job.log, "unfinished")
        tables = self.recorder.tables(self.world, self.presence.stays_s())
        tables["epochs"] |= self.decider.truths(tables["epochs"])
        return RunRecord(**tables, ledger=self._ledger(), counts=self._counts())

    def open_round(self, user: int, index: int, arrival_s: float) -> None:
        """Start a round now; phi is fixed from here on."""
        self.rounds[user] = index
        params, flops = self.world.workload.work(np.array([user]), np.array([index]))
        grants = self.service.grants
        phi = grants.local_fraction[user]
        bits_per_param = self.scenario.workload.bits_per_param
        self.service.jobs[user].log = RoundLog(
            user=user,
            index=index,
            arrival_s=arrival_s,
            start_s=self.clock.now,
            server_first=grants.server[user],
            server_last=grants.server[user],
            local_fraction=phi,
            adapter_params=float(params[0]),
            flops_per_param=float(flops[0]),
            uplink_bits=eq.uplink_bits(phi, float(params[0]), bits_per_param),
            epoch=self.decider.epochs - 1,
        )
        self.decider.notice("round_start")

    def work_of(self, user: int, phase: Phase) -> float:
        """Return the work of a phase of the round in progress: FLOP, or bit on the radio."""
        log = self.service.jobs[user].log
        if log is None:
            return 0.0
        phi, d, t = log.local_fraction, log.adapter_params, log.flops_per_param
        if phase is Phase.LOCAL:
            return eq.local_work(phi, d, t, float(self.world.workload.devices["epochs"][user]))
        if phase is Phase.SERVER:
            server = self.service.grants.server[user]
            return eq.server_work(phi, d, t, float(self.world.servers.epochs[server]))
        if phase is Phase.UPLINK:
            return log.uplink_bits
        return eq.downlink_bits(phi, d, self.scenario.workload.bits_per_param)

    def close_round(self, user: int) -> None:
        """Record the round that has just been finished."""
        job = self.service.jobs[user]
        if job.log is not None:
            job.log.last_score = self.service.grants.score[user]
            self.recorder.round(job.log, "finished")
        job.log = None
        self.rounds[user] += 1
        self.finished += 1

    def _ledger(self) -> Table:
        jobs = self.service.jobs
        left = np.zeros((len(jobs), 4))
        for job in jobs:
            if job.log is not None and not job.set_back:
                left[job.user, job.phase] = job.left
        return {
            "work_started": np.array(self.service.books.work_started),
            "work_served": np.array(self.service.books.work_served),
            "work_left": left,
            "work_dropped": np.array(self.service.books.work_dropped),
            "user_meter_j": np.array(self.service.books.user_meter_j),
            "server_meter_j": np.array(self.service.books.server_meter_j),
        } | self.presence.ledger()

    def _counts(self) -> dict[str, int]:
        return {
            "events": self.clock.scheduled,
            "epochs": self.decider.epochs,
            "holds": self.decider.guard.holds,
            "late": self.decider.guard.late,
            "handovers": self.decider.handovers,
            "rounds": self.finished,
        } | self.presence.counts()
