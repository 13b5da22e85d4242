"""Fluid service: work done is the integral of the rate, and a phase ends when its work is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from simpy import Event

from mecsim.engine.accounting import Accounting
from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.electronics import Electronics
from mecsim.engine.gpu import Gpus
from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job, JobState
from mecsim.engine.phase_ends import PhaseEnds
from mecsim.engine.radio import Radio, RadioGrant, Shares
from mecsim.engine.roster import Roster
from mecsim.engine.round import RoundLog
from mecsim.engine.sharing import SharedGpuPower, SharingRule
from mecsim.engine.supply import Supply
from mecsim.system.phases import PhaseSpec


class Service:
    """Moves the work of all users with the grants in force, docs/model.md sections 10 and 12.

    Parameters
    ----------
    clock : Clock
    roster : Roster
        The jobs, and who is present.
    in_force : InForce
    phases : sequence of PhaseSpec
    radio : Radio
    gpus : Gpus
    sharing : SharingRule
    supply : Supply
    accounting : Accounting
    electronics : Electronics or None
        None where radios draw nothing but their transmit power.
    shared_power : SharedGpuPower or None
        The sharing rule where GPUs draw by the sum of the speeds in use.
    """

    def __init__(
        self,
        clock: Clock,
        roster: Roster,
        in_force: InForce,
        phases: Sequence[PhaseSpec],
        radio: Radio,
        gpus: Gpus,
        sharing: SharingRule,
        supply: Supply,
        accounting: Accounting,
        electronics: Electronics | None = None,
        shared_power: SharedGpuPower | None = None,
    ) -> None:
        self._clock, self._roster, self._in_force = clock, roster, in_force
        self._phases, self._radio, self._gpus = phases, radio, gpus
        self._sharing, self._supply, self._accounting = sharing, supply, accounting
        self._electronics, self._shared_power = electronics, shared_power
        self._takes_shares = sharing.shares and radio.takes_shares
        self._ends = PhaseEnds(clock, phases, radio, sharing, self._due)
        self._over_radio = [phase.resource.medium == "radio" for phase in phases]
        self._needs = [(phase.resource.grant.owner, phase.payer == "server") for phase in phases]
        self.on_power_change: Callable[[int, float], None] | None = None
        radio.load_with(lambda until_s: self._sending_before(until_s, roster.present_jobs))
        if radio.window_end_s < math.inf:
            clock.call_at(radio.window_end_s, EventKind.WINDOW, 0, self._next_window)

    def begin(self, user: int, phase: int, work: float) -> Event:
        """Start a phase now and return the event of its end."""
        job = self._roster.jobs[user]
        job.phase, job.work, job.left = phase, work, work
        job.server, job.since_s = self._in_force.grants.server[user], self._clock.now
        job.state, job.rate, job.done, job.other_w = JobState.SERVED, 0.0, Event(self._clock), 0.0
        self._accounting.start(job)
        self._sharing.join(job)
        self.refresh(self._sharing.affected_by(job))
        return job.done

    def interrupt(self, job: Job, pause_s: float) -> None:
        """Interrupt the service of a phase for a while."""
        job.state = JobState.INTERRUPTED
        self._sharing.leave(job)
        self._notify_power(job)
        self._ends.plan_at(job, self._clock.now + pause_s)

    def abort_to_uplink(self, job: Job, next_phase: int, work: float, pause_s: float) -> None:
        """Drop what the server did for a round, whose first phase at the server then starts anew.

        Parameters
        ----------
        job : Job
        next_phase : int
            That phase: the uplink, unless it has no work.
        work : float
            Its work in FLOP or bit.
        pause_s : float
            Time until it starts.
        """
        if job.log is not None and not job.is_aborted:
            job.log.restarts += 1
            self._accounting.drop(job)
        job.is_aborted = True
        job.phase, job.left = next_phase, work
        self.interrupt(job, pause_s)

    def consume_abort(self, user: int) -> bool:
        """Return whether the phase that has just ended was aborted, and clear that mark."""
        job = self._roster.jobs[user]
        is_aborted, job.is_aborted = job.is_aborted, False
        return is_aborted

    def stop(self, user: int) -> RoundLog | None:
        """Stop what a user does, for good; return the round that is lost with it, if any."""
        job = self._roster.jobs[user]
        log = job.log
        if log is None:
            return None
        self._accounting.account(job)
        affected = [other for other in self._sharing.affected_by(job) if other is not job]
        if not job.is_aborted:
            self._accounting.drop(job)
        log.last_score = self._in_force.grants.score[user]
        job.cancel_due()
        self._sharing.leave(job)
        job.state, job.log, job.done, job.is_aborted = JobState.IDLE, None, None, False
        self._notify_power(job)
        self.refresh(affected)
        return log

    def account_all(self) -> None:
        """Account for every round in progress up to now."""
        self._accounting.account_all(self._roster.present_jobs)

    def refresh(self, jobs: Iterable[Job]) -> None:
        """Give jobs in service their present rates, and plan their ends anew."""
        jobs, now_s = [job for job in jobs if job.in_service], self._clock.now
        shares, others = self._with_new_shares(jobs, now_s)
        self._accounting.account_all(others)
        grants: list[RadioGrant] = []
        in_use: dict[int, float] = {}
        for job, amount in zip(others, self._supply.of(others), strict=True):
            owner, is_downlink = self._needs[job.phase]
            if self._over_radio[job.phase]:
                grants.append(RadioGrant(job, amount, self._supply.power_w(job), is_downlink))
            elif self._shared_power is not None and owner == "server":
                self._serve_shared(self._shared_power, job, amount, in_use)
            else:
                self._gpus.serve(job, owner, amount)
        if grants or shares:
            self._radio.serve(grants, now_s, Shares(shares, self._supply.of(shares)) if shares else None)
            if self._electronics is not None:
                for job, *_ in grants:
                    self._electronics.serve(job, self._phases[job.phase].payer)
        self._ends.plan(jobs)
        if self.on_power_change is not None:
            for job in jobs:
                self._notify_power(job)

    def _serve_shared(
        self, rule: SharedGpuPower, job: Job, gpu_flops: float, in_use: dict[int, float]
    ) -> None:
        """Serve a job at a server; ``in_use`` keeps the speeds in use that are known already."""
        if not self._gpus.shares_power[job.server]:
            self._gpus.serve(job, "server", gpu_flops)
            return
        if job.server not in in_use:
            in_use[job.server] = math.fsum(self._supply.of(rule.in_use(job.server)))
        self._gpus.serve_shared(job, gpu_flops, in_use[job.server])

    def load_ahead(self, jobs: Iterable[Job]) -> None:
        """Load the gains of links in use, or about to be, in one batch: one by one costs more."""
        if self._radio.window_end_s < math.inf:
            now, needed = self._clock.now, self._sending_before(self._radio.window_end_s, jobs)
            starts_s = [now if self._is_sending(job) else max(now, job.due_s) for job in needed]
            self._radio.load(needed, starts_s)

    def _sending_before(self, time_s: float, jobs: Iterable[Job]) -> list[Job]:
        """Return which jobs send, or are likely to begin before a time."""
        return [job for job in jobs if job.log is not None and (self._is_sending(job) or job.due_s < time_s)]

    def _is_sending(self, job: Job) -> bool:
        return self._over_radio[job.phase] and job.in_service

    def _with_new_shares(self, jobs: list[Job], now_s: float) -> tuple[list[Job], list[Job]]:
        """Return the jobs of which only the bandwidth changes, which need no accounting, and the others."""
        if not self._takes_shares:
            return [], jobs
        shares: list[Job] = []
        others: list[Job] = []
        over_radio = self._over_radio
        for job in jobs:
            goes_on = job.since_s < now_s and job.state is JobState.SERVED and over_radio[job.phase]
            (shares if goes_on else others).append(job)
        return shares, others

    def _next_window(self) -> None:
        """Go to the next window of fading blocks; transfers in progress get their rates there."""
        jobs = self._roster.present_jobs
        sending = [job for job in jobs if job.state is JobState.SERVED and self._over_radio[job.phase]]
        self._accounting.account_all(sending)
        self._radio.next_window()
        self.refresh(sending)
        self._clock.call_at(self._radio.window_end_s, EventKind.WINDOW, 0, self._next_window)

    def _due(self, job: Job) -> None:
        """End the interruption or the phase whose time has come."""
        if job.state is JobState.INTERRUPTED:
            self._accounting.account(job)
            if job.is_aborted:
                self._end_phase(job)
                if job.done is not None:
                    job.done.succeed()
                return
            job.state, job.rate = JobState.SERVED, 0.0
            self._sharing.join(job)
            self.refresh(self._sharing.affected_by(job))
            return
        affected = self._sharing.affected_by(job)
        self._accounting.account(job, finished=True)
        self._end_phase(job)
        self._notify_power(job)
        if len(affected) > 1:
            self.refresh(affected)
        if job.done is not None:
            job.done.succeed()

    def _end_phase(self, job: Job) -> None:
        job.cancel_due()
        self._sharing.leave(job)
        job.state = JobState.IDLE

    def _notify_power(self, job: Job) -> None:
        """Notify the battery model of the power that a user draws from now on."""
        if self.on_power_change is not None:
            own_w = job.power_w if self._phases[job.phase].payer == "user" else job.other_w
            self.on_power_change(job.user, own_w if job.state is JobState.SERVED else 0.0)
