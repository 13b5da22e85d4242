"""The books of a run: work, time, energy and score of every round, and what the meters show."""

from __future__ import annotations

import math

from mecsim.engine.clock import Clock
from mecsim.engine.job import Job, State
from mecsim.engine.radio import RadioWindow
from mecsim.errors import MecsimError
from mecsim.policy import Phase

_CONSERVATION = 1e-9


class Books:
    """Books what has happened to a job since it was last looked at, docs/model.md section 13.

    Work is in FLOP and bit by user and phase: ``started``, ``served``, and ``dropped``, which was
    still left when a round lost it. Meters are in J by user and by server.

    Parameters
    ----------
    users, servers : int
    clock : Clock
    radio : RadioWindow or None
        What carries the bits of those whose rate varies.
    """

    def __init__(self, users: int, servers: int, clock: Clock, radio: RadioWindow | None) -> None:
        self._clock, self._radio = clock, radio
        self.user_meter_j = [0.0] * users
        self.server_meter_j = [0.0] * servers
        self.work_started = [[0.0] * 4 for _ in range(users)]
        self.work_served = [[0.0] * 4 for _ in range(users)]
        self.work_dropped = [[0.0] * 4 for _ in range(users)]

    def metered_j(self) -> float:
        """Return the energy that all devices have drawn so far."""
        return math.fsum(self.user_meter_j) + math.fsum(self.server_meter_j)

    def account(self, job: Job, score: float, *, finished: bool = False) -> None:
        """Book time, work, energy and score of a job up to now; all its work if it has ``finished``."""
        now, log = self._clock.now, job.log
        elapsed_s = now - job.since_s
        if log is None or (elapsed_s <= 0 and not finished):
            return
        job.since_s = now
        log.score_s += score * elapsed_s
        if job.state is State.STALLED:
            log.stall_s += elapsed_s
        elif job.state is State.INTERRUPTED:
            log.interruption_s += elapsed_s
        elif job.state is State.SERVED:
            served = self._served(job, elapsed_s)
            if finished:
                self._check_all_served(job, served)
                served = job.left
            job.left -= served
            self.work_served[job.user][job.phase] += served
            log.time_s[job.phase] += elapsed_s
            drawn_j = job.power_w * elapsed_s
            log.energy_j[job.phase] += job.joule_per_work * served if job.joule_per_work else drawn_j
            if job.phase <= Phase.UPLINK:
                self.user_meter_j[job.user] += drawn_j
            else:
                self.server_meter_j[job.server] += drawn_j

    def drop(self, job: Job) -> None:
        """Book that what is left of a job's phase will not be served."""
        self.work_dropped[job.user][job.phase] += job.left

    def _served(self, job: Job, elapsed_s: float) -> float:
        if not job.windowed or self._radio is None:
            return job.rate * elapsed_s
        carried = self._radio.bits(job.user, self._clock.now)
        served, job.carried_bits = carried - job.carried_bits, carried
        return served

    def _check_all_served(self, job: Job, served: float) -> None:
        """Raise if the integral of the rate misses the work by more than rounding and the clock's grain."""
        missed, now = abs(served - job.left), self._clock.now
        if missed <= _CONSERVATION * job.work:
            return
        rate = self._radio.highest_rate(job.user) if job.windowed and self._radio else job.rate
        if missed > _CONSERVATION * job.work + 8.0 * math.ulp(now) * rate:
            raise MecsimError(
                f"conservation: user {job.user} ends {job.phase.name} at {now!r} s having been served "
                f"{served!r} of the {job.left!r} that were left; this is a bug of mecsim"
            )
