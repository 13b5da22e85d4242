"""One round lived through again, under chosen grants, gains and rules of handover.

A second, slow reading of docs/model.md sections 10 and 12 for a single user with reserved grants: the
engine's books play no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mecsim.engine.handover import HandoverRule
from mecsim.policy import Phase
from mecsim.system.arrays import Floats
from mecsim.system.equations import gpu_power
from mecsim.world.world import WINDOW_BLOCKS, World

_ROWS = 4096
_PHASES = (Phase.LOCAL, Phase.UPLINK, Phase.SERVER, Phase.DOWNLINK)


class Grant(NamedTuple):
    """What a user has from a time on: its server, its grants and the score they are worth."""

    from_s: float
    server: int
    bandwidth_hz: float
    user_power_w: float
    server_power_w: float
    user_gpu_flops: float
    server_gpu_flops: float
    score: float


class Lived(NamedTuple):
    """What became of a round; infinite if it never ends."""

    delay_s: float
    energy_j: float
    score: float


class Gains:
    """The gains that users meet on their way, window by window, with or without fast fading.

    After the end of the run they stay what they are in its last block.

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
    """Gains of one link that stay as they are."""

    until_s = -math.inf

    def __init__(self, upwards: float, downwards: float) -> None:
        self._both = np.array([upwards]), np.array([downwards])

    def row(self, user: int, server: int, window: int, *, downlink: bool) -> Floats:
        """Return the one gain."""
        return self._both[downlink]


@dataclass(slots=True)
class _Life:
    """Where a round is: its phase by number, what is left of it, and what it has cost so far."""

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
        return self.at == len(_PHASES)

    @property
    def phase(self) -> Phase:
        return _PHASES[self.at]

    def go_to(self, at: int, server: int) -> None:
        """Go to a phase, or the first one after it that has work."""
        self.at, self.left = at, 0.0
        while not self.is_over:
            self.work = self.left = self.work_of(self.phase, server)
            if self.left > 0:
                return
            self.at += 1


class Walk:
    """Lives through rounds.

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

    def live(
        self, user: int, start_s: float, work_of: Callable[[Phase, int], float], grants: Iterable[Grant]
    ) -> Lived:
        """Return what becomes of a round.

        Parameters
        ----------
        user : int
        start_s : float
        work_of : callable
            From phase and server to the work of the phase, FLOP or bit.
        grants : iterable of Grant
            In order of time; the first holds at ``start_s``, the last for ever. No more are taken
            than the round sees.
        """
        coming = iter(grants)
        grant = next(coming)
        life = _Life(user, start_s, work_of)
        life.go_to(0, grant.server)
        while not life.is_over:
            later = next(coming, None)
            self._hold(life, grant, math.inf if later is None else later.from_s)
            if later is None or life.is_over:
                break
            if later.server != grant.server and life.phase is not Phase.LOCAL:
                self._hand_over(life, later.server)
            grant = later
        delay_s = life.now_s - start_s
        if math.isinf(delay_s):
            return Lived(math.inf, math.inf, grant.score)
        return Lived(delay_s, life.energy_j, life.score_s / delay_s if delay_s > 0 else grant.score)

    def _hold(self, life: _Life, grant: Grant, until_s: float) -> None:
        """Let a round go on under a grant until a time or its end."""
        while life.now_s < until_s and not life.is_over:
            if life.now_s < life.pause_until_s:
                power_w, end_s = 0.0, min(life.pause_until_s, until_s)
            elif life.phase in (Phase.UPLINK, Phase.DOWNLINK):
                power_w, end_s = self._send(life, grant, until_s)
            else:
                power_w, end_s = self._compute(life, grant, until_s)
            if power_w > 0:
                life.energy_j += power_w * (end_s - life.now_s)
            life.score_s += grant.score * (end_s - life.now_s)
            life.now_s = end_s
            if life.left == 0:
                life.go_to(life.at + 1, grant.server)

    def _hand_over(self, life: _Life, server: int) -> None:
        rule = self._handover
        if rule is None:
            return
        if rule.restarts:
            life.go_to(_PHASES.index(Phase.UPLINK), server)
            life.pause_until_s = life.now_s + rule.latency_s
            return
        received = life.work_of(Phase.UPLINK, server)
        held = {Phase.UPLINK: life.work - life.left, Phase.SERVER: received, Phase.DOWNLINK: life.left}
        life.pause_until_s = life.now_s + rule.pause_s(held[life.phase])

    def _compute(self, life: _Life, grant: Grant, until_s: float) -> tuple[float, float]:
        """Train until a time or the end of the phase; return the power and when that is."""
        own = life.phase is Phase.LOCAL
        counts, kappas = self._user_gpus if own else self._server_gpus
        who = life.user if own else grant.server
        speed = grant.user_gpu_flops if own else grant.server_gpu_flops
        rate = float(counts[who]) * speed
        return gpu_power(float(counts[who]), float(kappas[who]), speed), _spend(life, rate, until_s)

    def _send(self, life: _Life, grant: Grant, until_s: float) -> tuple[float, float]:
        """Send until a time, the end of a window or of the phase; return the power and when that is."""
        downlink = life.phase is Phase.DOWNLINK
        power_w = grant.server_power_w if downlink else grant.user_power_w
        if grant.bandwidth_hz == 0 or power_w == 0:
            return 0.0, until_s
        world, block_s = self._world, self._world.block_s
        block = int(world.block(np.array(min(life.now_s, max(0.0, self._gains.until_s)))))
        window, first = divmod(block, WINDOW_BLOCKS)
        gain = self._gains.row(life.user, grant.server, window, downlink=downlink)[first:]
        rate = world.rate(grant.bandwidth_hz, power_w, gain, world.noise_w_per_hz)
        if life.now_s >= self._gains.until_s:
            return power_w, _spend(life, float(rate[0]), until_s)
        edges_s = np.minimum((block + 1 + np.arange(len(rate))) * block_s, until_s)
        length_s = np.diff(edges_s, prepend=life.now_s)
        bits = np.cumsum(rate * length_s)
        last = int(bits.searchsorted(life.left))
        if last == len(bits):
            left, end_s = life.left - float(bits[-1]), float(edges_s[-1])
            life.left = left if left > float(rate[-1]) * _grain_s(end_s) else 0.0
            return power_w, end_s
        before_s = float(edges_s[last - 1]) if last else life.now_s
        missing = life.left - (float(bits[last - 1]) if last else 0.0)
        life.left = 0.0
        return power_w, min(before_s + missing / float(rate[last]), float(edges_s[last]))


def _spend(life: _Life, rate: float, until_s: float) -> float:
    """Do a phase's work at a constant rate until a time; return that time, or when all was done before."""
    end_s = life.now_s + life.left / rate if rate > 0 else math.inf
    if end_s <= until_s + _grain_s(until_s):
        life.left = 0.0 if rate > 0 else life.left
        return min(end_s, until_s)
    life.left -= rate * (until_s - life.now_s)
    return until_s


def _grain_s(time_s: float) -> float:
    """Return how far apart times may be that differ by rounding alone.

    What ends a phase and what changes the grants may be one event, and the phase ends first.
    """
    return 16.0 * math.ulp(time_s) if math.isfinite(time_s) else 0.0
