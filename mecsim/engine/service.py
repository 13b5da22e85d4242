"""Fluid service: work done is the integral of the rate, and a phase ends when its work is done."""

from __future__ import annotations

import math
from collections.abc import Iterable

from simpy import Event

from mecsim.engine.clock import Clock, Kind
from mecsim.engine.grants import Grants, changed_users
from mecsim.engine.job import RESOURCE, Job, Resource, State
from mecsim.engine.radio import RadioWindow
from mecsim.errors import MecsimError
from mecsim.policy import Phase
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance
from mecsim.units import gbps_to_bps
from mecsim.world.world import World

_CONSERVATION = 1e-9


class FluidService:
    """Serves the phases of all users with the grants in force, MODEL.md sections 10 and 12.

    Parameters
    ----------
    world : World
    clock : Clock
    """

    def __init__(self, world: World, clock: Clock) -> None:
        scenario = world.scenario
        self._clock = clock
        self._noise_w_per_hz = world.noise_w_per_hz
        self._conserving = scenario.service.sharing == "work_conserving"
        self._latency_s = scenario.handover.latency_s
        self._backhaul_bps = gbps_to_bps(scenario.handover.backhaul_gbps)
        self._server_gpus = list(
            zip(world.servers.gpu_count.tolist(), world.servers.kappa.tolist(), strict=True)
        )
        devices = world.workload.devices
        self._user_gpus = list(zip(devices["gpu_count"].tolist(), devices["kappa"].tolist(), strict=True))
        self._radio = RadioWindow(world) if world.trajectories.moving else None
        self._still_gain = [] if self._radio else world.all_gains(0.0, fading=True).tolist()
        self.jobs = [Job(n) for n in range(world.user_count)]
        self.allocation: Allocation | None = None
        self.grants = Grants.none(world.user_count)
        self.user_meter_j = [0.0] * world.user_count
        self.server_meter_j = [0.0] * world.server_count
        self.work_started = [[0.0] * 4 for _ in self.jobs]
        self.work_served = [[0.0] * 4 for _ in self.jobs]
        if self._radio:
            clock.call_at(self._radio.end_s, Kind.WINDOW, 0, self._next_window)

    def begin(self, user: int, phase: Phase, work: float) -> Event:
        """Start a phase now and return the event of its end."""
        job = self.jobs[user]
        job.phase, job.work, job.left = phase, work, work
        job.server, job.since_s, job.state = self.grants.server[user], self._clock.now, State.SERVED
        job.rate, job.windowed, job.done = 0.0, False, Event(self._clock)
        self.work_started[user][phase] += work
        self._refresh(self._affected_by(job))
        return job.done

    def apply(self, allocation: Allocation, instance: Instance) -> int:
        """Put an allocation in force now; return how many rounds in progress changed server."""
        changed = changed_users(self.allocation, allocation)
        self.account_all()
        before = self.grants
        self.allocation, self.grants = allocation, Grants.of(allocation, instance)
        touched = {before.server[n] for n in changed} | {self.grants.server[n] for n in changed}
        moved = [
            job
            for job in (self.jobs[n] for n in changed)
            if job.log is not None and before.server[job.user] != self.grants.server[job.user]
        ]
        for job in moved:
            self._hand_over(job)
        self._load_ahead(moved)
        if self._conserving:
            self._refresh(job for job in self.jobs if job.server in touched)
        else:
            self._refresh(self.jobs[n] for n in changed)
        return len(moved)

    def account_all(self) -> None:
        """Bring the books of every round in progress up to the present."""
        for job in self.jobs:
            if job.log is not None:
                self._account(job)

    def metered_j(self) -> float:
        """Return the energy that all devices have drawn so far."""
        return math.fsum(self.user_meter_j) + math.fsum(self.server_meter_j)

    def _account(self, job: Job, *, finished: bool = False) -> None:
        """Book time, work, energy and score of a job since it was last looked at."""
        now, log = self._clock.now, job.log
        elapsed_s = now - job.since_s
        if log is None or (elapsed_s <= 0 and not finished):
            return
        job.since_s = now
        log.score_s += self.grants.score[job.user] * elapsed_s
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

    def _hand_over(self, job: Job) -> None:
        """Take a round to its new server: what the old one holds is moved over the backhaul."""
        log = job.log
        if log is None:
            return
        job.server = log.server_last = self.grants.server[job.user]
        log.handovers += 1
        if job.phase is Phase.LOCAL:
            return  # the server takes no part in it yet
        held_bits = {
            Phase.UPLINK: job.work - job.left,
            Phase.SERVER: log.uplink_bits,
            Phase.DOWNLINK: job.left,
        }[job.phase]
        log.moved_bits += held_bits
        pause_s = self._latency_s + held_bits / self._backhaul_bps
        if pause_s > 0:
            job.state = State.INTERRUPTED
            self._call_when_due(job, self._clock.now + pause_s)

    def _refresh(self, jobs: Iterable[Job]) -> None:
        """Give jobs in service their present rates, and plan their ends anew."""
        jobs = [job for job in jobs if job.in_service]
        stretch: dict[tuple[int, Resource], float] = {}
        over_radio: list[tuple[Job, float]] = []
        for job in jobs:
            self._account(job)
            if RESOURCE[job.phase] is Resource.RADIO:
                bandwidth_hz = self.grants.bandwidth_hz[job.user] * self._stretch(job, stretch)
                self._grant_radio(job, bandwidth_hz)
                if job.windowed:
                    over_radio.append((job, bandwidth_hz))
            elif job.phase is Phase.LOCAL:
                _grant_gpu(job, self.grants.user_gpu_flops[job.user], *self._user_gpus[job.user])
            else:
                flops = self.grants.server_gpu_flops[job.user] * self._stretch(job, stretch)
                _grant_gpu(job, flops, *self._server_gpus[job.server])
        if over_radio and self._radio is not None:
            self._radio.grant(
                links=[(job.user, job.server) for job, _ in over_radio],
                bandwidth_hz=[bandwidth_hz for _, bandwidth_hz in over_radio],
                power_w=[job.power_w for job, _ in over_radio],
                now_s=self._clock.now,
            )
        for job in jobs:
            self._plan_end(job)

    def _grant_radio(self, job: Job, bandwidth_hz: float) -> None:
        powers = self.grants.user_power_w if job.phase is Phase.UPLINK else self.grants.server_power_w
        job.power_w, job.joule_per_work, job.rate = powers[job.user], 0.0, 0.0
        job.windowed = self._radio is not None and bandwidth_hz > 0 and job.power_w > 0
        job.carried_bits = 0.0
        if self._radio is None and bandwidth_hz > 0:
            gain = self._still_gain[job.user][job.server]
            job.rate = float(eq.shannon_rate(bandwidth_hz, job.power_w, gain, self._noise_w_per_hz))
        job.state = State.SERVED if job.windowed or job.rate > 0 else State.STALLED

    def _stretch(self, job: Job, known: dict[tuple[int, Resource], float]) -> float:
        """Return the factor of a job's grant: above 1 where others leave their share unused."""
        if not self._conserving:
            return 1.0
        key = (job.server, RESOURCE[job.phase])
        if key not in known:
            grants = self.grants
            amount = grants.bandwidth_hz if key[1] is Resource.RADIO else grants.server_gpu_flops
            whole = math.fsum(a for a, m in zip(amount, grants.server, strict=True) if m == job.server)
            used = math.fsum(amount[other.user] for other in self._users_of(*key))
            known[key] = whole / used if used > 0 else 1.0
        return known[key]

    def _users_of(self, server: int, resource: Resource) -> list[Job]:
        return [
            job
            for job in self.jobs
            if job.server == server and job.in_service and RESOURCE[job.phase] is resource
        ]

    def _affected_by(self, job: Job) -> list[Job]:
        """Return the jobs whose rates change when this one joins or leaves, itself included."""
        resource = RESOURCE[job.phase]
        if not self._conserving or resource is Resource.OWN_GPU:
            return [job]
        return self._users_of(job.server, resource)

    def _plan_end(self, job: Job) -> None:
        job.version += 1
        if job.state is State.STALLED:
            return
        now = self._clock.now
        if job.windowed and self._radio is not None:
            end_s = self._radio.time_of(job.user, job.left)
        else:
            end_s = now + job.left / job.rate
        if end_s < math.inf:
            self._call_when_due(job, max(now, end_s))

    def _call_when_due(self, job: Job, time_s: float) -> None:
        job.version += 1
        job.due_s, version = time_s, job.version

        def due() -> None:
            if job.version == version:
                self._due(job)

        self._clock.call_at(time_s, Kind.COMPLETION, job.user, due)

    def _due(self, job: Job) -> None:
        """End the interruption or the phase whose time has come."""
        if job.state is State.INTERRUPTED:
            self._account(job)
            job.state = State.SERVED
            job.windowed, job.rate = False, 0.0
            self._refresh(self._affected_by(job))
            return
        affected = self._affected_by(job)
        self._account(job, finished=True)
        job.version += 1
        job.state = State.IDLE
        if len(affected) > 1:
            self._refresh(affected)
        if job.done is not None:
            job.done.succeed()

    def _load_ahead(self, jobs: Iterable[Job]) -> None:
        """Get at once the gains of links in use, or about to be, that would else be got one by one."""
        if self._radio is None:
            return
        links = [
            (job.user, job.server)
            for job in jobs
            if job.log is not None
            and (RESOURCE[job.phase] is Resource.RADIO or job.due_s < self._radio.end_s)
        ]
        self._radio.load(links)

    def _next_window(self) -> None:
        """Go to the next window of fading blocks; transfers in progress get their rates there."""
        if self._radio is None:
            return
        over_radio = [job for job in self.jobs if job.windowed and job.state is State.SERVED]
        for job in over_radio:
            self._account(job)
        self._radio.window += 1
        self._load_ahead(self.jobs)
        self._refresh(over_radio)
        self._clock.call_at(self._radio.end_s, Kind.WINDOW, 0, self._next_window)


def _grant_gpu(job: Job, gpu_flops: float, gpu_count: float, kappa: float) -> None:
    job.windowed = False
    job.rate = gpu_count * gpu_flops
    job.power_w = eq.gpu_power(gpu_count, kappa, gpu_flops)
    job.joule_per_work = eq.gpu_energy(kappa, gpu_flops, 1.0)
    job.state = State.SERVED if job.rate > 0 else State.STALLED
