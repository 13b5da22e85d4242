"""One round simulated again, under chosen grants, gains and handover rules.

This is a second implementation of docs/model.md, sections 10 and 12, for a single user with reserved
grants. It shares no accounting with the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mecsim.engine.handover import HandoverRule
from mecsim.system.arrays import Floats
from mecsim.system.equations import gpu_power
from mecsim.system.phases import PHASES, Phase
from mecsim.system.power import shared_drive
from mecsim.system.resources import Owner
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

_ROWS = 4096


class Grant(NamedTuple):
    """A user's server, grants and score from a time on.

    ``server_in_use_flops`` is the sum of the speeds that its server grants for work; shared GPUs draw by it.
    """

    from_s: float
    server: int
    bandwidth_hz: float
    user_power_w: float
    server_power_w: float
    user_gpu_flops: float
    server_gpu_flops: float
    score: float
    server_in_use_flops: float = 0.0


class RoundTotals(NamedTuple):
    """Delay in s, energy in J and score of a round; delay and energy are infinite if it never ends."""

    delay_s: float
    energy_j: float
    score: float


class Gains:
    """The gains along the trajectories of users, by windows, with or without fast fading.

    After the end of the run, the gains of its last block hold.

    Parameters
    ----------
    world : World
    fading : bool
    """

    def __init__(self, world: World, *, fading: bool) -> None:
        self._world, self._fading = world, fading
        self.until_s = world.scenario.duration_s
        self._row = lru_cache(maxsize=_ROWS)(self._new_row)

    def row(self, user: int, server: int, window: int, *, downlink: bool) -> Floats:
        """Return the gains of a link in the blocks of a window, up or down."""
        return self._row(user, server, window, downlink)

    def _new_row(self, user: int, server: int, window: int, downlink: bool) -> Floats:
        world, users, servers = self._world, np.array([user]), np.array([server])
        if self._fading:
            gain: Floats = world.gain_window(users, servers, window)[0]
        else:
            blocks = np.arange(window * WINDOW_BLOCKS, (window + 1) * WINDOW_BLOCKS, dtype=np.float64)
            gain = world.mean_gain(users, servers, blocks * world.block_s)
        if downlink and world.interfered:
            gain = gain * world.downlink_window(users, servers, window)[0]
        return gain


class FixedGains:
    """Constant gains of one link."""

    until_s = -math.inf

    def __init__(self, upwards: float, downwards: float) -> None:
        self._both = np.array([upwards]), np.array([downwards])

    def row(self, user: int, server: int, window: int, *, downlink: bool) -> Floats:
        """Return the one gain."""
        return self._both[downlink]


@dataclass(slots=True)
class _RoundState:
    """The state of a round: index of its phase, remaining work, and the cost so far."""

    user: int
    now_s: float
    work_of: Callable[[Phase, int], float]
    at: int = -1
    work: float = 0.0
    left: float = 0.0
    pause_until_s: float = -math.inf
    energy_j: float = 0.0
    score_s: float = 0.0

    @property
    def is_over(self) -> bool:
        return self.at == len(PHASES)

    @property
    def phase(self) -> Phase:
        return Phase(self.at)

    def enter(self, at: int, server: int) -> None:
        """Enter a phase, or the first one after it that has work."""
        self.at, self.left = at, 0.0
        while not self.is_over:
            self.work = self.left = self.work_of(self.phase, server)
            if self.left > 0:
                return
            self.at += 1


class RoundSimulator:
    """Simulates rounds one by one.

    Parameters
    ----------
    world : World
        For rates, devices and fading blocks.
    gains : Gains or FixedGains
    handover : HandoverRule or None
        What a change of server costs; None for nothing.
    """

    def __init__(self, world: World, gains: Gains | FixedGains, handover: HandoverRule | None = None) -> None:
        self._world, self._gains, self._handover = world, gains, handover
        devices, servers = world.workload.devices, world.servers
        self._user_gpus = devices["gpu_count"], devices["kappa"]
        self._server_gpus = servers.gpu_count, servers.kappa

    def simulate(
        self, user: int, start_s: float, work_of: Callable[[Phase, int], float], grants: Iterable[Grant]
    ) -> RoundTotals:
        """Return the outcome of a round.

        Parameters
        ----------
        user : int
        start_s : float
        work_of : callable
            From phase and server to the work of the phase, FLOP or bit.
        grants : iterable of Grant
            In order of time; the first holds at ``start_s``, the last for ever. Only as many are read
            as the round needs.
        """
        coming = iter(grants)
        grant = next(coming)
        state = _RoundState(user, start_s, work_of)
        state.enter(0, grant.server)
        while not state.is_over:
            later = next(coming, None)
            self._hold(state, grant, math.inf if later is None else later.from_s)
            if later is None or state.is_over:
                break
            if later.server != grant.server and PHASES[state.phase].at_server:
                self._hand_over(state, later.server)
            grant = later
        delay_s = state.now_s - start_s
        if math.isinf(delay_s):
            return RoundTotals(math.inf, math.inf, grant.score)
        return RoundTotals(delay_s, state.energy_j, state.score_s / delay_s if delay_s > 0 else grant.score)

    def _hold(self, state: _RoundState, grant: Grant, until_s: float) -> None:
        """Advance a round under a grant until a time or its end."""
        while state.now_s < until_s and not state.is_over:
            if state.now_s < state.pause_until_s:
                power_w, end_s = 0.0, min(state.pause_until_s, until_s)
            elif PHASES[state.phase].resource.medium == "radio":
                power_w, end_s = self._send(state, grant, until_s)
            else:
                power_w, end_s = self._compute(state, grant, until_s)
            if power_w > 0:
                state.energy_j += power_w * (end_s - state.now_s)
            state.score_s += grant.score * (end_s - state.now_s)
            state.now_s = end_s
            if state.left == 0:
                state.enter(state.at + 1, grant.server)

    def _hand_over(self, state: _RoundState, server: int) -> None:
        rule = self._handover
        if rule is None:
            return
        if rule.restarts:
            state.enter(Phase.UPLINK, server)
            state.pause_until_s = state.now_s + rule.latency_s
            return
        received = state.work_of(Phase.UPLINK, server)
        held_bits = PHASES[state.phase].held_bits(state.work, state.left, received)
        state.pause_until_s = state.now_s + rule.pause_s(held_bits)

    def _compute(self, state: _RoundState, grant: Grant, until_s: float) -> tuple[float, float]:
        """Train until a time or the end of the phase; return the power and that time."""
        own = not PHASES[state.phase].at_server
        counts, kappas = self._user_gpus if own else self._server_gpus
        who = state.user if own else grant.server
        speed = grant.user_gpu_flops if own else grant.server_gpu_flops
        rate = float(counts[who]) * speed
        power = self._world.power
        if not own and power is not None and power.shares_gpu[who]:
            drive = shared_drive(grant.server_in_use_flops, power.servers.min_gpu_flops[who]).value
            return float(kappas[who] * drive) * rate, _work(state, rate, until_s)
        return gpu_power(float(counts[who]), float(kappas[who]), speed), _work(state, rate, until_s)

    def _send(self, state: _RoundState, grant: Grant, until_s: float) -> tuple[float, float]:
        """Send until a time, the end of a window or of the phase; return the power and that time."""
        downlink = PHASES[state.phase].payer == "server"
        power_w = grant.server_power_w if downlink else grant.user_power_w
        if grant.bandwidth_hz == 0 or power_w == 0:
            return 0.0, until_s
        world, block_s = self._world, self._world.block_s
        drawn_w = power_w
        if world.power is not None:
            sender: Owner = "server" if downlink else "user"
            drawn_w += float(world.power.electronics_w(sender, state.user, grant.server))
        block = int(world.block(np.array(min(state.now_s, max(0.0, self._gains.until_s)))))
        window, first = divmod(block, WINDOW_BLOCKS)
        gain = self._gains.row(state.user, grant.server, window, downlink=downlink)[first:]
        rate = world.rate_law.rate(grant.bandwidth_hz, power_w, gain, "down" if downlink else "up")
        if state.now_s >= self._gains.until_s:
            return drawn_w, _work(state, float(rate[0]), until_s)
        edges_s = np.minimum((block + 1 + np.arange(len(rate))) * block_s, until_s)
        length_s = np.diff(edges_s, prepend=state.now_s)
        bits = np.cumsum(rate * length_s)
        last = int(bits.searchsorted(state.left))
        if last == len(bits):
            left, end_s = state.left - float(bits[-1]), float(edges_s[-1])
            state.left = left if left > float(rate[-1]) * _rounding_s(end_s) else 0.0
            return drawn_w, end_s
        before_s = float(edges_s[last - 1]) if last else state.now_s
        missing = state.left - (float(bits[last - 1]) if last else 0.0)
        state.left = 0.0
        return drawn_w, min(before_s + missing / float(rate[last]), float(edges_s[last]))


def _work(state: _RoundState, rate: float, until_s: float) -> float:
    """Do the work of a phase at a constant rate; return ``until_s``, or an earlier end of the phase."""
    end_s = state.now_s + state.left / rate if rate > 0 else math.inf
    if end_s <= until_s + _rounding_s(until_s):
        state.left = 0.0 if rate > 0 else state.left
        return min(end_s, until_s)
    state.left -= rate * (until_s - state.now_s)
    return until_s


def _rounding_s(time_s: float) -> float:
    """Return the largest difference of two times by rounding alone.

    One event may end a phase and change the grants; the phase ends first.
    """
    return 16.0 * math.ulp(time_s) if math.isfinite(time_s) else 0.0
