"""One run: a world, a policy, a seed, and the record of what happened."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from simpy import Event

from mecsim.engine.clock import Clock, Kind
from mecsim.engine.guard import STATUSES, Decision, Guard
from mecsim.engine.recorder import EpochRow, Recorder, RunRecord, Table
from mecsim.engine.round import RoundLog, life_of
from mecsim.engine.service import FluidService
from mecsim.policy import Observation, Phase, Policy, ScenarioInfo
from mecsim.rng import Purpose, stream
from mecsim.scenario.schema import Scenario
from mecsim.system import equations as eq
from mecsim.system.arrays import frozen
from mecsim.system.instance import Instance
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
        self._guard = Guard(policy, label or type(policy).__name__, scenario.reallocation.on_invalid)
        self._recorder = Recorder()
        self._on_progress = on_progress
        self._rounds = np.zeros(self.world.user_count, dtype=np.int64)
        self._users = self.world.workload.users(self._rounds)
        self._finished = self._handovers = self._epoch = 0
        self._open_epoch: EpochRow | None = None
        self._cohort = Event(self.clock)
        self._waiting = 0
        self._guard.reset(self._info(), stream(seed, Purpose.POLICY))
        for n in range(self.world.user_count):
            self.clock.process(life_of(n, self))
        self.clock.call_at(0.0, Kind.EPOCH, 0, self._decide)

    def run(self) -> RunRecord:
        """Run to the end and return the record.

        Raises
        ------
        PolicyFailed, InvalidAllocation
            If the policy fails; see :class:`~mecsim.engine.guard.Guard`.
        """
        self.clock.run(until=self.scenario.duration_s)
        self.service.account_all()
        self._close_epoch()
        for job in self.service.jobs:
            if job.log is not None:
                self._recorder.round(job.log, finished=False)
        tables = self._recorder.tables(self.world)
        return RunRecord(**tables, ledger=self._ledger(), counts=self._counts())

    def open_round(self, user: int, index: int, arrival_s: float) -> None:
        """Start a round now; phi is fixed from here on."""
        self._rounds[user] = index
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
        )

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
            self._recorder.round(job.log, finished=True)
        job.log = None
        self._rounds[user] += 1
        self._finished += 1

    def cohort_finished(self) -> Event:
        """Return the event at which every user has finished its round."""
        event = self._cohort
        self._waiting += 1
        if self._waiting == self.world.user_count:
            self._cohort, self._waiting = Event(self.clock), 0
            event.succeed()
        return event

    def _decide(self) -> None:
        """Call the policy and put its decision in force; the next epoch is a period later."""
        self.service.account_all()
        self._close_epoch()
        observation = self._observe()
        decision = self._guard.decide(observation)
        handovers = 0
        if decision.status == "new":
            handovers = self.service.apply(decision.allocation, observation.instance)
        self._handovers += handovers
        self._open_epoch = self._epoch_row(observation.instance, decision, handovers)
        self._epoch += 1
        time_s = self._epoch * self.scenario.reallocation.period_s
        self.clock.call_at(time_s, Kind.EPOCH, 0, self._decide)
        if self._on_progress is not None:
            self._on_progress(observation.time_s)

    def _observe(self) -> Observation:
        if self.world.workload.drawn_per_round:
            self._users = self.world.workload.users(self._rounds)
        seen = self.scenario.reallocation.csi == "instantaneous"
        gain = self.world.all_gains(self.clock.now, fading=seen)
        jobs = self.service.jobs
        phase = [job.phase if job.log else Phase.IDLE for job in jobs]
        left = [job.left if job.log else 0.0 for job in jobs]
        phi = [job.log.local_fraction if job.log else math.nan for job in jobs]
        return Observation(
            time_s=self.clock.now,
            instance=self.world.snapshot(self._users, gain),
            phase=frozen(phase, np.int8),
            remaining=frozen(left),
            local_fraction=frozen(phi),
            pinned=frozen(np.zeros(len(jobs), dtype=bool), np.bool_),
            allocation=self.service.allocation,
            epoch=self._epoch,
        )

    def _epoch_row(self, instance: Instance, decision: Decision, handovers: int) -> EpochRow:
        """Return the row of an epoch that begins: its promise, and the meters to subtract later."""
        costs = instance.costs(decision.allocation)
        score = float(instance.score(decision.allocation).sum())
        delay_s = float(costs.delay_s.sum(axis=1).max())
        energy_j = float(costs.energy_j.sum())
        weights = instance.weights
        return EpochRow(
            epoch=self._epoch,
            time_s=self.clock.now,
            score=score,
            delay_s=delay_s,
            energy_j=energy_j,
            scr=eq.service_cost_ratio(score, delay_s, energy_j, weights.delay_per_s, weights.energy_per_j),
            decision_cpu_s=decision.cpu_s,
            iterations=decision.iterations,
            status=STATUSES.index(decision.status),
            handovers=handovers,
            realised_energy_j=self.service.metered_j(),
            rounds_finished=self._finished,
        )

    def _close_epoch(self) -> None:
        """Record the epoch that ends now: what was drawn and finished since it began."""
        began = self._open_epoch
        if began is None:
            return
        self._recorder.epoch(
            began._replace(
                realised_energy_j=self.service.metered_j() - began.realised_energy_j,
                rounds_finished=self._finished - began.rounds_finished,
            )
        )

    def _info(self) -> ScenarioInfo:
        return ScenarioInfo(
            name=self.scenario.name,
            user_count=self.world.user_count,
            server_count=self.world.server_count,
            duration_s=self.scenario.duration_s,
            period_s=self.scenario.reallocation.period_s,
        )

    def _ledger(self) -> Table:
        jobs = self.service.jobs
        left = np.zeros((len(jobs), 4))
        for job in jobs:
            if job.log is not None:
                left[job.user, job.phase] = job.left
        return {
            "work_started": np.array(self.service.work_started),
            "work_served": np.array(self.service.work_served),
            "work_left": left,
            "user_meter_j": np.array(self.service.user_meter_j),
            "server_meter_j": np.array(self.service.server_meter_j),
        }

    def _counts(self) -> dict[str, int]:
        return {
            "events": self.clock.scheduled,
            "epochs": self._epoch,
            "holds": self._guard.holds,
            "handovers": self._handovers,
            "rounds": self._finished,
        }
