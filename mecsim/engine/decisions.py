"""Asks the policy and puts its decisions in force, docs/model.md section 11."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.clock import Kind
from mecsim.engine.guard import CAUSES, STATUSES, Cause, Decision, Guard
from mecsim.engine.handover import left_in_place
from mecsim.engine.observer import View
from mecsim.engine.prediction import Promise, Truths
from mecsim.engine.recorder import EpochRow, Table
from mecsim.policy import Observation, Phase, Policy, ScenarioInfo
from mecsim.rng import Purpose, stream
from mecsim.scenario.control import Event
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints, frozen
from mecsim.world.csi import CsiModel

if TYPE_CHECKING:
    from mecsim.engine.simulation import Simulation


class Decided(NamedTuple):
    """One decision for those who look on: what was seen, and what is in force from when on.

    ``in_force_s`` is NaN, and ``allocation`` the one in force before, if the decision changed nothing;
    it is infinite if the run ended first.
    """

    observation: Observation
    in_force_s: float
    allocation: Allocation


class Decider:
    """Calls the policy of a run, one decision at a time, and keeps the books of each epoch.

    The first decision is in force at once, whatever it took: the run begins with it. While a later
    one is in the making, further calls wait until it is in force, and then become one.

    Parameters
    ----------
    run : Simulation
    policy : Policy
    seed : int
        Seed of the policy's own generator.
    label : str
        What to call the policy in messages; its class by default.
    on_progress : callable, optional
        Called after each decision with the simulated seconds done.
    """

    def __init__(
        self,
        run: Simulation,
        policy: Policy,
        seed: int,
        label: str,
        on_progress: Callable[[float], None] | None,
    ) -> None:
        self._run, self._control = run, run.scenario.reallocation
        self._world, self._clock, self._service = run.world, run.clock, run.service
        self.guard = Guard(policy, label or type(policy).__name__, self._control.on_invalid)
        self._on_progress = on_progress
        self._pins = run.scenario.handover.mode == "pin"
        self._csi, self._truths = CsiModel(run.world, seed), Truths(run.world)
        self._view = View(run)
        self._open_epoch: EpochRow | None = None
        self._making: tuple[Observation, Decision] | None = None
        self._waiting: Cause | None = None
        self._planned: tuple[float, Event] | None = None
        self._asked_s = -math.inf
        self._periods = self.epochs = self.handovers = 0
        self.on_decided: Callable[[Decided], None] | None = None
        self.guard.reset(self._info(), stream(seed, Purpose.POLICY))

    def decide(self) -> None:
        """Call the policy as every period; the next period's call is planned."""
        self._periods += 1
        self._clock.call_at(self._periods * self._control.period_s, Kind.EPOCH, 0, self.decide)
        self._ask("period")

    def notice(self, event: Event) -> None:
        """Call the policy for an event if the scenario says so, after all that happens at this instant."""
        if event not in self._control.events or self._planned:
            return
        time_s = max(self._clock.now, self._asked_s + self._control.min_interval_s)
        self._planned = planned = time_s, event

        def due() -> None:
            if self._planned is planned:  # else a period's call came first, and has seen the event
                self._ask(event)

        self._clock.call_at(time_s, Kind.ASK, 0, due)

    def _ask(self, cause: Cause) -> None:
        self._planned = None
        if self._making:
            self._waiting = self._waiting or cause
            return
        self._asked_s = self._clock.now
        self._service.account_all()
        self.close_epoch()
        self._view.look()
        if len(self._view.users) == 0:
            self._nobody(cause)
            return
        observation = self._observe()
        decision = self.guard.decide(observation)
        latency_s, decision = self._timed(observation, decision)
        self._open_epoch = self._epoch_row(observation, decision, cause)
        self.epochs += 1
        if latency_s > 0:
            self._making = observation, decision
            ready_s = self._clock.now + latency_s
            self._clock.call_at(ready_s, Kind.EPOCH, 1, lambda: self._ready(observation, decision))
        else:
            self._put_in_force(observation, decision)
        if self._on_progress is not None:
            self._on_progress(observation.time_s)

    def _timed(self, observation: Observation, decision: Decision) -> tuple[float, Decision]:
        """Return the simulated time that a decision takes, and the decision, replaced if it is late."""
        latency = self._control.decision_latency
        if latency == "none" or observation.allocation is None:
            return 0.0, decision
        latency_s = decision.cpu_s if latency == "measured" else float(latency)
        deadline_s = self._control.decision_deadline_s
        if deadline_s is None or latency_s <= deadline_s:
            return latency_s, decision
        return deadline_s, self.guard.too_late(observation, decision)

    def _ready(self, observation: Observation, decision: Decision) -> None:
        """Put a decision in force that took some time, and make the next one if it was asked for."""
        self._making = None
        self._put_in_force(observation, decision)
        if self._waiting:
            cause, self._waiting = self._waiting, None
            self._ask(cause)

    def _put_in_force(self, observation: Observation, decision: Decision) -> None:
        allocation, in_force_s = decision.allocation, math.nan
        if decision.status == "new":
            in_force_s = self._clock.now
            before = observation.allocation
            if before is not None and in_force_s > observation.time_s:
                pinned = self._pinned(observation.user)
                allocation = left_in_place(allocation, before, pinned, observation.instance)
            users = observation.user if self._run.presence.changes else None
            handovers = self._service.apply(allocation, observation.instance, users)
            self._run.presence.begin(observation.user)
            if self._run.scenario.record.allocations:
                present = self._run.presence.users
                self._run.recorder.grants.take(observation.epoch, allocation, observation.user, present)
            self.handovers += handovers
            if self._open_epoch is not None:
                self._open_epoch = self._open_epoch._replace(handovers=handovers, in_force_s=in_force_s)
        self._tell(observation, in_force_s, allocation)

    def _tell(self, observation: Observation, in_force_s: float, allocation: Allocation) -> None:
        if self.on_decided is not None:
            self.on_decided(Decided(observation, in_force_s, allocation))

    def end(self) -> None:
        """Record the last epoch, and tell of a decision that the end of the run has come before."""
        self.close_epoch()
        if self._making:
            observation, decision = self._making
            unborn = decision.status == "new"
            self._tell(observation, math.inf if unborn else math.nan, decision.allocation)

    def close_epoch(self) -> None:
        """Record the epoch that ends now: what was drawn and finished since it began."""
        began = self._open_epoch
        if began is None:
            return
        self._run.recorder.epoch(
            began._replace(
                realised_energy_j=self._service.books.metered_j() - began.realised_energy_j,
                rounds_finished=self._run.finished - began.rounds_finished,
            )
        )

    def truths(self, epochs: Table) -> Table:
        """Return the columns that set the truth beside the beliefs of the epochs table."""
        return {**self._truths.columns(epochs)}

    def _nobody(self, cause: Cause) -> None:
        """Note that there was nobody to decide for."""
        self._open_epoch = EpochRow(
            epoch=self.epochs,
            time_s=self._clock.now,
            **Promise(0.0, 0.0, 0.0, math.nan)._asdict(),
            decision_cpu_s=0.0,
            iterations=0,
            status=STATUSES.index("empty"),
            handovers=0,
            realised_energy_j=self._service.books.metered_j(),
            rounds_finished=self._run.finished,
            cause=CAUSES.index(cause),
            in_force_s=math.nan,
        )
        self.epochs += 1
        if self._on_progress is not None:
            self._on_progress(self._clock.now)

    def _observe(self) -> Observation:
        jobs = self._view.jobs()
        phase = [job.phase if job.log else Phase.IDLE for job in jobs]
        left = [job.left if job.log else 0.0 for job in jobs]
        phi = [job.log.local_fraction if job.log else math.nan for job in jobs]
        now_s, users, knowledge = self._clock.now, self._view.users, self._csi
        gain, share = knowledge.gains(now_s, users), knowledge.downlink_shares(now_s, users)
        instance = self._view.instance(gain, share)
        return Observation(
            time_s=now_s,
            instance=instance,
            phase=frozen(phase, np.int8),
            remaining=frozen(left),
            local_fraction=frozen(phi),
            pinned=frozen(self._pinned(self._view.users), np.bool_),
            allocation=self._view.allocation(instance),
            epoch=self.epochs,
            user=self._view.users,
        )

    def _pinned(self, users: Ints) -> NDArray[np.bool_]:
        """Return which of some users must keep their server now."""
        pinned = np.zeros(len(users), dtype=bool)
        if self._pins:
            jobs = [self._service.jobs[n] for n in users.tolist()]
            pinned = np.array([job.log is not None and job.phase > Phase.LOCAL for job in jobs], dtype=bool)
        return self._run.outages.pinned(users, pinned)

    def _epoch_row(self, observation: Observation, decision: Decision, cause: Cause) -> EpochRow:
        """Return the row of an epoch that begins: its promise, and the meters to subtract later."""
        instance = observation.instance
        costs = instance.costs(decision.allocation)
        seen = Promise.of(instance, decision.allocation, costs)
        if not self._csi.is_true:
            self._truths.note(
                self.epochs,
                self._clock.now,
                observation.user,
                instance,
                decision.allocation,
                costs,
                seen.score,
            )
        return EpochRow(
            epoch=self.epochs,
            time_s=self._clock.now,
            score=seen.score,
            delay_s=seen.delay_s,
            energy_j=seen.energy_j,
            scr=seen.scr,
            decision_cpu_s=decision.cpu_s,
            iterations=decision.iterations,
            status=STATUSES.index(decision.status),
            handovers=0,
            realised_energy_j=self._service.books.metered_j(),
            rounds_finished=self._run.finished,
            cause=CAUSES.index(cause),
            in_force_s=math.nan,
        )

    def _info(self) -> ScenarioInfo:
        return ScenarioInfo(
            name=self._run.scenario.name,
            user_count=self._world.user_count,
            server_count=self._world.server_count,
            duration_s=self._run.scenario.duration_s,
            period_s=self._control.period_s,
        )
