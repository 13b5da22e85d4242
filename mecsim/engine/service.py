"""Fluid service: work done is the integral of the rate, and a phase ends when its work is done."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from simpy import Event

from mecsim.engine.accounting import Books
from mecsim.engine.clock import Clock, Kind
from mecsim.engine.derating import Limits
from mecsim.engine.handover import HandoverRule, held_by_server
from mecsim.engine.in_force import Grants, among, changed_users
from mecsim.engine.job import RESOURCE, Job, Resource, State
from mecsim.engine.radio import RadioWindow, still_gains
from mecsim.engine.round import RoundLog
from mecsim.policy import Phase
from mecsim.system import equations as eq
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.instance import Instance
from mecsim.world.faults import ServerCondition
from mecsim.world.world import World


class FluidService:
    """Serves the phases of all users with the grants in force, docs/model.md sections 10 and 12.

    Parameters
    ----------
    world : World
    clock : Clock
    """

    def __init__(self, world: World, clock: Clock) -> None:
        scenario = world.scenario
        self._clock, self._servers = clock, world.servers
        self._noise_w_per_hz, self._rate = world.noise_w_per_hz, world.rate
        self._conserving = scenario.service.sharing == "work_conserving"
        self._handover = HandoverRule.of(scenario.handover)
        self._server_epochs = world.servers.epochs.tolist()
        self._server_gpus = list(
            zip(world.servers.gpu_count.tolist(), world.servers.kappa.tolist(), strict=True)
        )
        devices = world.workload.devices
        self._user_gpus = list(zip(devices["gpu_count"].tolist(), devices["kappa"].tolist(), strict=True))
        self._radio = RadioWindow(world) if world.moving else None
        self._still_gain = {} if self._radio else still_gains(world)
        self.jobs = [Job(n) for n in range(world.user_count)]
        self.present = self.jobs
        self.granted: Ints = np.arange(world.user_count)
        self._granted_now: Sequence[int] = range(world.user_count)
        self.allocation: Allocation | None = None
        self.grants = Grants.none(world.user_count)
        self.books = Books(world.user_count, world.server_count, clock, self._radio)
        self.limits: Limits | None = None
        self.on_draw: Callable[[int, float], None] | None = None
        if self._radio:
            clock.call_at(self._radio.end_s, Kind.WINDOW, 0, self._next_window)

    def begin(self, user: int, phase: Phase, work: float) -> Event:
        """Start a phase now and return the event of its end."""
        job = self.jobs[user]
        job.phase, job.work, job.left = phase, work, work
        job.server, job.since_s, job.state = self.grants.server[user], self._clock.now, State.SERVED
        job.rate, job.windowed, job.done = 0.0, False, Event(self._clock)
        self.books.work_started[user][phase] += work
        self._refresh(self._affected_by(job))
        return job.done

    def apply(self, allocation: Allocation, instance: Instance, users: Ints | None = None) -> int:
        """Put an allocation in force now; return how many rounds in progress changed server.

        The allocation and the instance are those of ``users``, increasing; by default of everybody.
        """
        grants = Grants.of(allocation, instance)
        old, before = self.allocation, self.grants
        if users is None:
            changed = changed_users(old, allocation)
        else:
            old = None if old is None else among(old, self.granted, users)
            changed = [int(users[k]) for k in changed_users(old, allocation)]
            grants = grants.put(users.tolist(), before)
            self.granted, self._granted_now = users, users.tolist()
        self.account_all()
        self.allocation, self.grants = allocation, grants
        if self.limits is not None:
            changed = sorted({*changed, *self.limits.renew(instance, self.grants, self.granted.tolist())})
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
            self._refresh(job for job in self.present if job.server in touched)
        else:
            self._refresh(self.jobs[n] for n in changed)
        return len(moved)

    def set_condition(self, server: int, condition: ServerCondition) -> None:
        """Let a server have less, or more again, to give from now on."""
        if self.limits is None:
            self.limits = Limits(self._servers)
        here = [job for job in self.present if job.log is not None and job.server == server]
        for job in here:
            self._account(job)
        self.limits.set(server, condition)
        self._refresh(here)

    def lose_work_of(self, server: int) -> None:
        """Set back all rounds that are past their local phase at a server."""
        for job in self.present:
            if job.log is not None and job.server == server and job.phase > Phase.LOCAL:
                self._account(job)
                self.set_back(job, 0.0)

    def drop(self, user: int) -> RoundLog | None:
        """Break off what a user does, for good; return the round that is lost with it, if any."""
        job = self.jobs[user]
        log = job.log
        if log is None:
            return None
        self._account(job)
        affected = [other for other in self._affected_by(job) if other is not job]
        if not job.set_back:
            self.books.drop(job)
        log.last_score = self.grants.score[user]
        job.version += 1
        job.state, job.log, job.done, job.windowed, job.set_back = State.IDLE, None, None, False, False
        self._tell_draw(job)
        self._refresh(affected)
        return log

    def account_all(self) -> None:
        """Bring the books of every round in progress up to the present."""
        for job in self.present:
            if job.log is not None:
                self._account(job)

    def _account(self, job: Job, *, finished: bool = False) -> None:
        self.books.account(job, self.grants.score[job.user], finished=finished)

    def _hand_over(self, job: Job) -> None:
        """Take a round to its new server: what the old one holds is moved over the backhaul."""
        log = job.log
        if log is None:
            return
        job.server = log.server_last = self.grants.server[job.user]
        log.handovers += 1
        if job.phase is Phase.LOCAL:
            return  # the server takes no part in it yet
        if self._handover.restarts or job.set_back:
            self.set_back(job, self._handover.latency_s)
            return
        held_bits = held_by_server(job, log)
        log.moved_bits += held_bits
        pause_s = self._handover.pause_s(held_bits)
        if pause_s > 0:
            job.state = State.INTERRUPTED
            self._tell_draw(job)
            self._call_when_due(job, self._clock.now + pause_s)

    def set_back(self, job: Job, pause_s: float) -> None:
        """Lose what the server did for a round past its local phase; its uplink starts after a pause.

        Until then the job shows the work that is to come, which nobody has started yet.
        """
        log = job.log
        if log is None:
            return
        if not job.set_back:
            log.restarts += 1
            self.books.drop(job)
        job.set_back, job.state = True, State.INTERRUPTED
        self._tell_draw(job)
        job.phase, job.left = Phase.UPLINK, log.uplink_bits
        if job.left == 0:
            phi, d, t = log.local_fraction, log.adapter_params, log.flops_per_param
            job.phase, job.left = Phase.SERVER, eq.server_work(phi, d, t, self._server_epochs[job.server])
        self._call_when_due(job, self._clock.now + pause_s)

    def take_set_back(self, user: int) -> bool:
        """Return whether the phase that has just ended was cut off, and the round starts again."""
        job = self.jobs[user]
        set_back, job.set_back = job.set_back, False
        return set_back

    def _refresh(self, jobs: Iterable[Job]) -> None:
        """Give jobs in service their present rates, and plan their ends anew."""
        jobs = [job for job in jobs if job.in_service]
        stretch: dict[tuple[int, Resource], float] = {}
        over_radio: list[tuple[Job, float]] = []
        for job in jobs:
            self._account(job)
            if RESOURCE[job.phase] is Resource.RADIO:
                bandwidth_hz = self.grants.bandwidth_hz[job.user] * self._stretch(job, stretch)
                if self.limits is not None:
                    bandwidth_hz *= self.limits.bandwidth[job.server]
                self._grant_radio(job, bandwidth_hz)
                if job.windowed:
                    over_radio.append((job, bandwidth_hz))
            elif job.phase is Phase.LOCAL:
                _grant_gpu(job, self.grants.user_gpu_flops[job.user], *self._user_gpus[job.user])
            else:
                flops = self.grants.server_gpu_flops[job.user] * self._stretch(job, stretch)
                if self.limits is not None:
                    flops *= self.limits.gpu[job.server]
                _grant_gpu(job, flops, *self._server_gpus[job.server])
        if over_radio and self._radio is not None:
            self._radio.grant(
                links=[(job.user, job.server) for job, _ in over_radio],
                bandwidth_hz=[bandwidth_hz for _, bandwidth_hz in over_radio],
                power_w=[job.power_w for job, _ in over_radio],
                now_s=self._clock.now,
                downlink=[job.phase is Phase.DOWNLINK for job, _ in over_radio],
            )
        for job in jobs:
            self._plan_end(job)
            self._tell_draw(job)

    def _grant_radio(self, job: Job, bandwidth_hz: float) -> None:
        powers = self.grants.user_power_w if job.phase is Phase.UPLINK else self.grants.server_power_w
        job.power_w, job.joule_per_work, job.rate = powers[job.user], 0.0, 0.0
        job.windowed = self._radio is not None and bandwidth_hz > 0 and job.power_w > 0
        job.carried_bits = 0.0
        if self._radio is None and bandwidth_hz > 0:
            gain = self._still_gain[job.phase][job.user][job.server]
            job.rate = float(self._rate(bandwidth_hz, job.power_w, gain, self._noise_w_per_hz))
        job.state = State.SERVED if job.windowed or job.rate > 0 else State.STALLED

    def _stretch(self, job: Job, known: dict[tuple[int, Resource], float]) -> float:
        """Return the factor of a job's grant: above 1 where others leave their share unused."""
        if not self._conserving:
            return 1.0
        key = (job.server, RESOURCE[job.phase])
        if key not in known:
            grants = self.grants
            amount = grants.bandwidth_hz if key[1] is Resource.RADIO else grants.server_gpu_flops
            whole = math.fsum(amount[n] for n in self._granted_now if grants.server[n] == job.server)
            used = math.fsum(amount[other.user] for other in self._users_of(*key))
            known[key] = whole / used if used > 0 else 1.0
        return known[key]

    def _users_of(self, server: int, resource: Resource) -> list[Job]:
        return [
            job
            for job in self.present
            if job.server == server and job.in_service and RESOURCE[job.phase] is resource
        ]

    def _affected_by(self, job: Job) -> list[Job]:
        """Return the jobs whose rates change when this one joins or leaves, itself included."""
        resource = RESOURCE[job.phase]
        if not self._conserving or resource is Resource.OWN_GPU:
            return [job]
        return self._users_of(job.server, resource)

    def _tell_draw(self, job: Job) -> None:
        """Tell the one who keeps the batteries what a user draws from now on."""
        if self.on_draw is not None:
            active = job.state is State.SERVED and job.phase <= Phase.UPLINK
            self.on_draw(job.user, job.power_w if active else 0.0)

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
            if job.set_back:
                job.state = State.IDLE
                job.version += 1
                if job.done is not None:
                    job.done.succeed()
                return
            job.state = State.SERVED
            job.windowed, job.rate = False, 0.0
            self._refresh(self._affected_by(job))
            return
        affected = self._affected_by(job)
        self._account(job, finished=True)
        job.version += 1
        job.state = State.IDLE
        self._tell_draw(job)
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
        over_radio = [job for job in self.present if job.windowed and job.state is State.SERVED]
        for job in over_radio:
            self._account(job)
        self._radio.window += 1
        self._load_ahead(self.present)
        self._refresh(over_radio)
        self._clock.call_at(self._radio.end_s, Kind.WINDOW, 0, self._next_window)


def _grant_gpu(job: Job, gpu_flops: float, gpu_count: float, kappa: float) -> None:
    job.windowed = False
    job.rate = gpu_count * gpu_flops
    job.power_w = eq.gpu_power(gpu_count, kappa, gpu_flops)
    job.joule_per_work = eq.gpu_energy(kappa, gpu_flops, 1.0)
    job.state = State.SERVED if job.rate > 0 else State.STALLED
