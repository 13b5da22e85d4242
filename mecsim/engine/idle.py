"""Idle power: what devices draw all the time, metered apart from rounds."""

from __future__ import annotations

import numpy as np

from mecsim.engine.accounting import Accounting
from mecsim.engine.clock import Clock
from mecsim.engine.recorder import Table
from mecsim.engine.roster import Roster
from mecsim.system.arrays import Floats, Ints
from mecsim.world.devices import server_gpus
from mecsim.world.world import World


class IdleMeters:
    """Meters of the idle power of users while they are present, and of servers, docs/model.md section 13.

    Parameters
    ----------
    clock : Clock
    world : World
    roster : Roster
    accounting : Accounting
        Has the meters of rounds.
    """

    def __init__(self, clock: Clock, world: World, roster: Roster, accounting: Accounting) -> None:
        self._clock, self._roster, self._accounting = clock, roster, accounting
        self._until_s = world.scenario.duration_s
        self._user_w = world.population.idle_w
        self._server_w = world.servers.gpu_count * server_gpus(world.scenario).idle_w
        self._draws = bool(self._user_w.any() or self._server_w.any())
        self._seen_j: Floats = np.zeros(world.user_count)

    def total_j(self) -> float:
        """Return the idle energy of all devices so far."""
        return float(self._user_j().sum() + self._server_j().sum()) if self._draws else 0.0

    def spent_j(self, users: Ints) -> Floats:
        """Return what devices of some users have drawn, idle or not, since each was last asked for, (U,)."""
        drawn_j = (np.array(self._accounting.user_meter_j) + self._user_j())[users]
        spent_j = drawn_j - self._seen_j[users]
        self._seen_j[users] = drawn_j
        return spent_j

    def ledger(self) -> Table:
        """Return the idle energies of users (N,) and servers (M,) in the whole run."""
        return {"idle_j": self._user_j(), "server_idle_j": self._server_j()}

    def _user_j(self) -> Floats:
        if not self._user_w.any():
            return self._user_w
        now_s = min(self._clock.now, self._until_s)
        stays_s = self._roster.stays_s()
        if stays_s is None:
            return self._user_w * now_s
        present_s = np.maximum(0.0, np.minimum(stays_s[1], now_s) - stays_s[0])
        return self._user_w * (present_s - self._roster.absent_s(now_s))

    def _server_j(self) -> Floats:
        return self._server_w * min(self._clock.now, self._until_s)
