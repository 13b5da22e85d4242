"""Accounting of a run: work, time, energy and score of every round, and the meters of all devices."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from mecsim.engine.clock import Clock
from mecsim.engine.in_force import InForce
from mecsim.engine.job import Job, JobState
from mecsim.engine.radio import Radio
from mecsim.engine.round import RoundLog
from mecsim.errors import MecsimError
from mecsim.system.phases import PhaseSpec

_CONSERVATION = 1e-9


class Accounting:
    """Adds up what has happened to a job since it was last looked at, docs/model.md section 13.

    Work is in FLOP and bit by user and phase: ``work_started``, ``work_served``, and
    ``work_dropped``, which was still left when a round lost it. Meters are in J by user and server.

    Parameters
    ----------
    clock : Clock
    in_force : InForce
    radio : Radio
    phases : sequence of PhaseSpec
    users, servers : int
    """

    def __init__(
        self,
        clock: Clock,
        in_force: InForce,
        radio: Radio,
        phases: Sequence[PhaseSpec],
        users: int,
        servers: int,
    ) -> None:
        self._clock, self._in_force, self._radio = clock, in_force, radio
        self._phases = phases
        self._over_radio = [phase.resource.medium == "radio" for phase in phases]
        self._user_pays = [phase.payer == "user" for phase in phases]
        self.user_meter_j = [0.0] * users
        self.server_meter_j = [0.0] * servers
        self.work_started = [[0.0] * len(phases) for _ in range(users)]
        self.work_served = [[0.0] * len(phases) for _ in range(users)]
        self.work_dropped = [[0.0] * len(phases) for _ in range(users)]

    def metered_j(self) -> float:
        """Return the energy that all devices have drawn so far."""
        return math.fsum(self.user_meter_j) + math.fsum(self.server_meter_j)

    def start(self, job: Job) -> None:
        """Count the work of a phase that starts now."""
        self.work_started[job.user][job.phase] += job.work

    def account(self, job: Job, *, finished: bool = False) -> None:
        """Count time, work, energy and score of a job up to now; all its work if it has ``finished``."""
        now, log = self._clock.now, job.log
        elapsed_s = now - job.since_s
        if log is None or (elapsed_s <= 0 and not finished):
            return
        log.score_s += self._in_force.grants.score[job.user] * elapsed_s
        if job.state is JobState.SERVED:
            over_radio = self._over_radio[job.phase]
            served = self._radio.bits_served([job], now)[0] if over_radio else job.rate * elapsed_s
            if finished:
                self._check_all_served(job, served)
                served = job.left
            self._account_service(job, log, elapsed_s, served)
        else:
            self._account_wait(job, log, elapsed_s)
        job.since_s = now

    def account_all(self, jobs: Collection[Job]) -> None:
        """Count time, work, energy and score of jobs up to now; of many on the radio at once."""
        if len(jobs) == 1:
            (job,) = jobs
            self.account(job)
            return
        now, score, over_radio = self._clock.now, self._in_force.grants.score, self._over_radio
        sending = [
            job
            for job in jobs
            if job.state is JobState.SERVED
            and over_radio[job.phase]
            and job.log is not None
            and now > job.since_s
        ]
        bits = iter(self._radio.bits_served(sending, now) if sending else ())
        for job in jobs:
            log, elapsed_s = job.log, now - job.since_s
            if log is None or elapsed_s <= 0:
                continue
            log.score_s += score[job.user] * elapsed_s
            if job.state is JobState.SERVED:
                served = next(bits) if over_radio[job.phase] else job.rate * elapsed_s
                self._account_service(job, log, elapsed_s, served)
            else:
                self._account_wait(job, log, elapsed_s)
            job.since_s = now

    def drop(self, job: Job) -> None:
        """Count what is left of a job's phase as work that will not be served."""
        self.work_dropped[job.user][job.phase] += job.left

    def _account_wait(self, job: Job, log: RoundLog, elapsed_s: float) -> None:
        if job.state is JobState.STALLED:
            log.stall_s += elapsed_s
        elif job.state is JobState.INTERRUPTED:
            log.interruption_s += elapsed_s

    def _account_service(self, job: Job, log: RoundLog, elapsed_s: float, served: float) -> None:
        phase = job.phase
        job.left -= served
        self.work_served[job.user][phase] += served
        log.time_s[phase] += elapsed_s
        drawn_j = job.power_w * elapsed_s
        log.energy_j[phase] += job.joule_per_work * served if job.joule_per_work else drawn_j
        if self._user_pays[phase]:
            self.user_meter_j[job.user] += drawn_j
        else:
            self.server_meter_j[job.server] += drawn_j
        if job.other_w:
            self._account_other_end(job, log, elapsed_s)

    def _account_other_end(self, job: Job, log: RoundLog, elapsed_s: float) -> None:
        """Count what the receiver of a transfer draws: energy of the round, on the receiver's meter."""
        other_j = job.other_w * elapsed_s
        log.energy_j[job.phase] += other_j
        if self._user_pays[job.phase]:
            self.server_meter_j[job.server] += other_j
        else:
            self.user_meter_j[job.user] += other_j

    def _check_all_served(self, job: Job, served: float) -> None:
        """Raise if the integral of the rate misses the work by more than rounding and the clock's grain."""
        missed, now = abs(served - job.left), self._clock.now
        if missed <= _CONSERVATION * job.work:
            return
        rate = self._radio.highest_rate(job) if self._over_radio[job.phase] else job.rate
        if missed > _CONSERVATION * job.work + 8.0 * math.ulp(now) * rate:
            raise MecsimError(
                f"conservation: user {job.user} ends {self._phases[job.phase].name} at {now!r} s having been "
                f"served {served!r} of the {job.left!r} that were left; this is a bug of mecsim"
            )
