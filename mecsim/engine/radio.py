"""The radio: bits of the users' links, in a world that stands still and over fading blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from mecsim.engine.fading_window import AHEAD_BLOCKS, FadingWindow, Transfer
from mecsim.engine.job import Job, JobState
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World


class RadioGrant(NamedTuple):
    """What one job may send with, and in which direction."""

    job: Job
    bandwidth_hz: float
    power_w: float
    is_downlink: bool


class Shares(NamedTuple):
    """The new bandwidths of jobs in service whose powers stay as they are."""

    jobs: Sequence[Job]
    bandwidth_hz: Sequence[float]


class Radio(Protocol):
    """Serves the jobs in radio phases.

    ``takes_shares`` says whether a job in service may have a new share of the bandwidth before what it has
    been served is accounted for.
    """

    takes_shares: bool

    @property
    def window_end_s(self) -> float:
        """When the gains known now end, and :meth:`next_window` is due; infinite if never."""
        ...

    def serve(self, grants: Sequence[RadioGrant], now_s: float, shares: Shares | None = None) -> None:
        """Serve jobs with new grants from now on, and others with new shares."""
        ...

    def bits_served(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return the bits of each of some jobs in service since it was last asked for."""
        ...

    def highest_rate(self, job: Job) -> float:
        """Return the highest rate of a job in service, in bit/s."""
        ...

    def ends_s(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return when each of some jobs in service will be done; infinite if the known rates end before."""
        ...

    def known_until_s(self, job: Job) -> float:
        """Return when the rates of a job that goes on end, if before the window does; else infinity."""
        ...

    def look_further(self, jobs: Sequence[Job]) -> None:
        """Work out the rates of jobs that were served at one time, beyond where all of them end."""
        ...

    def load(self, jobs: Sequence[Job], times_s: Sequence[float]) -> None:
        """Get the gains of the links of some jobs about a time each; many at once cost less."""
        ...

    def load_with(self, upcoming: Callable[[float], Iterable[Job]]) -> None:
        """Get, with gains that are needed, those of the jobs that will likely send before a time."""
        ...

    def next_window(self) -> None:
        """Go to the next window of gains; jobs in service must be served anew."""
        ...


def radio_of(world: World) -> Radio:
    """Return the radio of a world."""
    return BlockFadingRadio(world) if world.moving else StaticRadio(world)


class StaticRadio:
    """Links whose gains never change: one rate until the next grant.

    Parameters
    ----------
    world : World
    """

    takes_shares = False

    def __init__(self, world: World) -> None:
        up, factor = world.all_gains(0.0, fading=True), world.all_downlink_shares(0.0)
        down = up if factor is None else up * factor
        self._gain = {False: up.tolist(), True: down.tolist()}
        self._law = {False: world.rate_law.up, True: world.rate_law.down}
        self.window_end_s = math.inf

    def serve(self, grants: Sequence[RadioGrant], now_s: float, shares: Shares | None = None) -> None:
        """Serve jobs with new grants from now on; there are no shares."""
        for job, bandwidth_hz, power_w, downlink in grants:
            job.power_w, job.joule_per_work, job.rate = power_w, 0.0, 0.0
            if bandwidth_hz > 0:
                gain = self._gain[downlink][job.user][job.server]
                job.rate = float(self._law[downlink].rate(bandwidth_hz, power_w, gain))
            job.state = JobState.SERVED if job.rate > 0 else JobState.STALLED

    def bits_served(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return the bits of each of some jobs in service since it was last asked for."""
        return [job.rate * (now_s - job.since_s) for job in jobs]

    def highest_rate(self, job: Job) -> float:
        """Return the rate of a job in service, in bit/s."""
        return job.rate

    def ends_s(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return when each of some jobs in service will be done."""
        return [now_s + job.left / job.rate for job in jobs]

    def known_until_s(self, job: Job) -> float:
        """Return infinity."""
        return math.inf

    def look_further(self, jobs: Sequence[Job]) -> None:
        """Do nothing: all rates are known."""

    def load(self, jobs: Sequence[Job], times_s: Sequence[float]) -> None:
        """Do nothing: all gains are known."""

    def load_with(self, upcoming: Callable[[float], Iterable[Job]]) -> None:
        """Do nothing: all gains are known."""

    def next_window(self) -> None:
        """Do nothing: the gains known now never end."""


class BlockFadingRadio:
    """Links whose rate changes with every fading block.

    Parameters
    ----------
    world : World
    """

    takes_shares = True

    def __init__(self, world: World) -> None:
        # Where others' rates change with every beginning and end of a phase, the next one is never far.
        ahead = AHEAD_BLOCKS if world.scenario.service.sharing == "work_conserving" else WINDOW_BLOCKS
        self._window = FadingWindow(world, ahead)
        # Since the grant, as of the last question; negative is what was sent between that and the grant.
        self._bits_sent = np.zeros(world.user_count)

    @property
    def window_end_s(self) -> float:
        """End of the present window, the exact edge of its last block."""
        return self._window.end_s

    def serve(self, grants: Sequence[RadioGrant], now_s: float, shares: Shares | None = None) -> None:
        """Serve jobs with new grants from now on, and others with new shares."""
        users = []
        for job, bandwidth_hz, power_w, is_downlink in grants:
            job.power_w, job.joule_per_work, job.rate = power_w, 0.0, 0.0
            if bandwidth_hz > 0 and power_w > 0:
                n = job.user
                job.state = JobState.SERVED
                self._bits_sent[n] = 0.0
                users.append(n)
                self._window.note(Transfer(n, job.server, bandwidth_hz, power_w, is_downlink, job.left))
            else:
                job.state = JobState.STALLED
        if shares is not None:
            going_on = [job.user for job in shares.jobs]
            rows = np.array(going_on)
            self._bits_sent[rows] -= self._window.note_shares(rows, np.array(shares.bandwidth_hz), now_s)
            users += going_on
        if users:
            self._window.begin(users, now_s)

    def bits_served(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return the bits of each of some jobs in service since it was last asked for."""
        users = [job.user for job in jobs]
        if len(users) == 1:
            (n,), (bits,) = users, self._window.bits(users, now_s)
            before, self._bits_sent[n] = self._bits_sent.item(n), bits
            return [bits - before]
        sent = np.array(self._window.bits(users, now_s))
        served: list[float] = (sent - self._bits_sent[users]).tolist()
        self._bits_sent[users] = sent
        return served

    def highest_rate(self, job: Job) -> float:
        """Return the highest rate of a job in service in this window, in bit/s."""
        return self._window.highest_rate(job.user)

    def ends_s(self, jobs: Sequence[Job], now_s: float) -> list[float]:
        """Return when each of some jobs, just served anew, will be done; infinite if that is not known."""
        return self._window.ends_s([job.user for job in jobs])

    def known_until_s(self, job: Job) -> float:
        """Return when the rates of a job that goes on end, if before the window does; else infinity."""
        return self._window.known_until_s(job.user)

    def look_further(self, jobs: Sequence[Job]) -> None:
        """Work out the rates of jobs that were served at one time, beyond where all of them end."""
        self._window.look_further([job.user for job in jobs])

    def load(self, jobs: Sequence[Job], times_s: Sequence[float]) -> None:
        """Get the gains of the links of some jobs about a time each, all at once."""
        self._window.load([(job.user, job.server) for job in jobs], times_s)

    def load_with(self, upcoming: Callable[[float], Iterable[Job]]) -> None:
        """Get, with gains that are needed, those of the jobs that will likely send before a time."""
        self._window.gains.upcoming = lambda until_s: [(job.user, job.server) for job in upcoming(until_s)]

    def next_window(self) -> None:
        """Go to the next window of fading blocks."""
        self._window.gains.go_to(self._window.gains.window + 1)
