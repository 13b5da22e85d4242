"""One run: a world, a policy, a seed, and the record of what happened."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from mecsim.certificate import run_prover
from mecsim.engine.accounting import Accounting
from mecsim.engine.attendance import Attendance
from mecsim.engine.bound_log import BoundLog
from mecsim.engine.call_schedule import CallSchedule
from mecsim.engine.clock import Clock
from mecsim.engine.counters import Counters
from mecsim.engine.decisions import Decided, Decisions
from mecsim.engine.derating import Derating
from mecsim.engine.electronics import Electronics
from mecsim.engine.epoch_log import EpochLog
from mecsim.engine.faults import ServerFaults
from mecsim.engine.gpu import Gpus
from mecsim.engine.guard import Guard
from mecsim.engine.handover import HandoverRule, Handovers
from mecsim.engine.idle import IdleMeters
from mecsim.engine.in_force import InForce
from mecsim.engine.observer import Observer
from mecsim.engine.prediction import TrueGainPrediction
from mecsim.engine.radio import radio_of
from mecsim.engine.reallocation import Reallocation
from mecsim.engine.recorder import Recorder, RunRecord, Table
from mecsim.engine.roster import Roster
from mecsim.engine.round_barrier import RoundBarrier
from mecsim.engine.round_runner import RoundRunner
from mecsim.engine.service import Service
from mecsim.engine.sharing import Reserved, SharedGpuPower, SharingRule, WorkConserving
from mecsim.engine.supply import Supply
from mecsim.engine.user_process import UserProcesses
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.rng import Purpose, stream
from mecsim.scenario.schema import Scenario
from mecsim.system.phases import PHASES, PhaseSpec
from mecsim.world.csi import CsiModel
from mecsim.world.population import energy_budgets_w
from mecsim.world.world import World


class Simulation:
    """A run of one policy in one world, from time 0 to ``duration_s`` (not included).

    It builds the parts, gives each the few others it needs, and holds nothing else: each part keeps
    its own state. :meth:`run` asks the policy; who has decisions from elsewhere steps with :meth:`advance`,
    which is the same loop.

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
    on_decided : callable, optional
        Called with each :class:`~mecsim.engine.decisions.Decided`.
    phases : sequence of PhaseSpec
        The phases of a round, for tests; predictions of decisions go by the product's own.
    world : World, optional
        The world of this scenario and seed, if it has been made; no run can change it.
    """

    def __init__(
        self,
        scenario: Scenario,
        policy: Policy,
        seed: int,
        *,
        label: str = "",
        on_progress: Callable[[float], None] | None = None,
        on_decided: Callable[[Decided], object] | None = None,
        phases: Sequence[PhaseSpec] = PHASES,
        world: World | None = None,
    ) -> None:
        self.scenario = scenario
        self.world = world = world or World(scenario, seed)
        users, servers = world.user_count, world.server_count
        self.clock = clock = Clock(scenario.duration_s, users)
        self.counters = counters = Counters(np.zeros(users, dtype=np.int64))
        self.roster = roster = Roster(world.population)
        self.in_force = in_force = InForce(users)
        self.recorder = recorder = Recorder(phases)
        sharing: SharingRule = Reserved(roster)
        if scenario.service.sharing == "work_conserving":
            sharing = WorkConserving(roster, in_force, phases)
        gpus, shared_power = Gpus(world), None
        if any(gpus.shares_power):
            sharing = shared_power = SharedGpuPower(sharing, roster, phases, gpus.shares_power)
        electronics = None if world.power is None else Electronics(world.power)
        derating = None if world.conditions.never_impaired else Derating(world.servers)
        radio, supply = radio_of(world), Supply(in_force, phases, sharing, derating)
        self.accounting = accounting = Accounting(clock, in_force, radio, phases, users, servers)
        self.idle = idle = IdleMeters(clock, world, roster, accounting)
        self.service = service = Service(
            clock, roster, in_force, phases, radio, gpus, sharing, supply, accounting, electronics,
            shared_power,
        )  # fmt: skip
        rule = HandoverRule.of(scenario.handover)
        handovers = Handovers(rule, in_force, phases, service, world.servers.epochs)
        schedule = CallSchedule(clock, scenario.reallocation)
        barrier = RoundBarrier(clock)
        self.attendance = Attendance(clock, world, roster, service, barrier, recorder, schedule.notify)
        faults = ServerFaults(
            clock, world, roster, phases, service, accounting, handovers, derating, schedule.notify
        )
        runner = RoundRunner(
            clock, world, roster, in_force, phases, service, recorder, counters, schedule.notify
        )
        processes = UserProcesses(clock, world, roster, runner, barrier, self.attendance.leave_done)
        csi = CsiModel(world, seed)
        observer = Observer(world, csi, phases, roster, in_force, faults, derating, counters, idle)
        self.guard = Guard(policy, label or type(policy).__name__, scenario.reallocation.on_invalid)
        true_gains = None if csi.is_true else TrueGainPrediction(world)
        self.bounds = BoundLog(run_prover(world), servers) if scenario.record.bound else None
        self.epoch_log = EpochLog(accounting, idle, counters, recorder, true_gains, self.bounds)
        reallocation = Reallocation(roster, in_force, service, sharing, handovers, derating)
        self.decisions = Decisions(
            clock, scenario.reallocation, roster, self.guard, schedule, observer, service, reallocation,
            processes, self.epoch_log, recorder.grants if scenario.record.allocations else None, counters,
            on_progress, on_decided,
        )  # fmt: skip
        self.observer = observer
        self.guard.reset(_info(scenario, world), stream(seed, Purpose.POLICY))
        schedule.start(self.decisions.decide)

    def run(self) -> RunRecord:
        """Run to the end and return the record.

        Raises
        ------
        PolicyFailed, InvalidAllocation
            If the policy fails; see :class:`~mecsim.engine.guard.Guard`.
        """
        caller = self.guard.caller
        try:
            with caller:
                while (observation := self.advance()) is not None:
                    self.decisions.take(self.guard.decide(observation))
        finally:
            caller.put_back_generators()
        return self.record()

    def advance(self) -> Observation | None:
        """Go on to the next decision and return what is seen at it; None at the end of the run.

        Before it goes on again, the decision must be given to ``decisions``.
        """
        if self.clock.advance(self.scenario.duration_s) and self.decisions.asked:
            return self.decisions.asked.observation
        self.service.account_all()
        self.decisions.end()
        for job in self.roster.jobs:
            if job.log is not None:
                self.recorder.round(job.log, "unfinished")
        return None

    def record(self) -> RunRecord:
        """Return what was recorded, once :meth:`advance` has come to the end."""
        caller = self.guard.caller
        return RunRecord(
            rounds=self.recorder.rounds(),
            epochs=self.epoch_log.table(),
            allocations=self.recorder.grants.table(),
            ledger=self._ledger(),
            counts=self._counts(),
            remarks=tuple(caller.remarks.values()),
            irreproducible=tuple(caller.irreproducible.values()),
            worth=None if self.bounds is None else self.bounds.worth(),
        )

    def _ledger(self) -> Table:
        left = np.zeros_like(self.accounting.work_started)
        for job in self.roster.jobs:
            if job.log is not None and not job.is_aborted:
                left[job.user, job.phase] = job.left
        return {
            "work_started": np.array(self.accounting.work_started),
            "work_served": np.array(self.accounting.work_served),
            "work_left": left,
            "work_dropped": np.array(self.accounting.work_dropped),
            "user_meter_j": np.array(self.accounting.user_meter_j),
            "server_meter_j": np.array(self.accounting.server_meter_j),
            **self.idle.ledger(),
        } | self.attendance.ledger()

    def _counts(self) -> dict[str, int]:
        changed = self.guard.caller.observations_changed
        return {
            "events": self.clock.scheduled,
            "epochs": self.counters.epochs,
            "holds": self.guard.holds,
            "late": self.guard.late,
            "handovers": self.counters.handovers,
            "rounds": self.counters.rounds,
            **({"observations_changed": changed} if changed else {}),
        } | self.attendance.counts()


def _info(scenario: Scenario, world: World) -> ScenarioInfo:
    return ScenarioInfo(
        name=scenario.name,
        user_count=world.user_count,
        server_count=world.server_count,
        duration_s=scenario.duration_s,
        period_s=scenario.reallocation.period_s,
        energy_budget_w=energy_budgets_w(scenario, world.population.kind),
    )
