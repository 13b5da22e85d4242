"""Interference between cells, as what it adds to the noise.

Servers of one colour share a band and disturb one another. Downwards every server sends all the time,
with its full power over its full bandwidth, so at user n of server m the interference density is
``sum_j activity P_j h_nj / B_j`` over the other servers j of m's colour, with the local mean h_nj.
Upwards the cell of server j is one user's at full power at a time, anywhere in the cell alike: the
density at server m is ``sum_j activity P_user / B_j E[h_m]`` with the mean over the cell of j. Neither
depends on what a policy grants, so that all policies still see the same world.
"""

from __future__ import annotations

import numpy as np

from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.system.devices import Servers
from mecsim.world.channel.local_mean import LocalMean

_PLACES = 32


class Interference:
    """What the interference leaves of the gains: factors ``N0 / (N0 + I)``, one for each direction.

    Parameters
    ----------
    scenario : Scenario
    servers : Servers
    user_power_w : float
        Mean of the users' full powers.
    server_position_m : (M, 2) float
    local : LocalMean
    noise_w_per_hz : float
    """

    def __init__(
        self,
        scenario: Scenario,
        servers: Servers,
        user_power_w: float,
        server_position_m: Floats,
        local: LocalMean,
        noise_w_per_hz: float,
    ) -> None:
        settings = scenario.channel.interference
        self._local, self._noise_w_per_hz = local, noise_w_per_hz
        self.color = colors(server_position_m, settings.reuse)
        same = self.color[:, None] == self.color
        self._others = same & ~np.eye(len(same), dtype=bool)
        self._sent_w_per_hz = settings.activity * servers.max_power_w / servers.bandwidth_hz
        heard = self._mean_gains(np.array(scenario.area.size_m)) / servers.bandwidth_hz[:, None]
        disturbed_w_per_hz = settings.activity * user_power_w * (self._others * heard).sum(axis=0)
        self.uplink = frozen(noise_w_per_hz / (noise_w_per_hz + disturbed_w_per_hz))

    def downlink(self, servers: Ints, position_m: Floats) -> Floats:
        """Return the factors of links of servers S with users at positions S + (2,)."""
        shape = np.broadcast_shapes(np.shape(servers), position_m.shape[:-1])
        total_w_per_hz = np.zeros(shape)
        for j, sent_w_per_hz in enumerate(self._sent_w_per_hz):
            heard = self._others[servers, j]
            if heard.any():
                total_w_per_hz += heard * sent_w_per_hz * self._local.at(np.array(j), position_m).gain
        return self._left(total_w_per_hz)

    def downlink_on_grid(self, servers: Ints, start_m: Floats, step_m: Floats, points: range) -> Floats:
        """Return the factors, (P, len(points)), along P straight lines; see ``LocalMean.on_grid``."""
        total_w_per_hz = np.zeros((len(servers), len(points)))
        for j, sent_w_per_hz in enumerate(self._sent_w_per_hz):
            heard = self._others[servers, j]
            if heard.any():
                gain = self._local.on_grid(np.full(len(servers), j), start_m, step_m, points).gain
                total_w_per_hz += heard[:, None] * sent_w_per_hz * gain
        return self._left(total_w_per_hz)

    def _left(self, interference_w_per_hz: Floats) -> Floats:
        left: Floats = self._noise_w_per_hz / (self._noise_w_per_hz + interference_w_per_hz)
        return left

    def _mean_gains(self, size_m: Floats) -> Floats:
        """Return the mean gain from the cell of server j, where j is strongest, to server m, (M, M)."""
        middle = (np.arange(_PLACES) + 0.5) / _PLACES
        places_m = np.stack(np.meshgrid(*(middle * side for side in size_m)), axis=-1).reshape(-1, 2)
        servers = np.arange(len(self.color))
        gain = self._local.at(servers[None, :], places_m[:, None, :]).gain
        member = gain.argmax(axis=1)[:, None] == servers
        mean: Floats = (member.T @ gain) / np.maximum(member.sum(axis=0), 1)[:, None]
        return mean


def colors(position_m: Floats, reuse: int) -> Ints:
    """Return a color of ``reuse`` ones for each server: the one whose servers so far are farthest away."""
    color: list[int] = []
    for here in position_m:
        away_m = np.full(reuse, np.inf)
        for there, c in zip(position_m, color, strict=False):
            away_m[c] = min(away_m[c], float(np.hypot(*(here - there))))
        color.append(int(away_m.argmax()))
    return frozen(color, np.int64)
