"""Derating: what servers can give of the grants in force, while they are down or have less than usual."""

from __future__ import annotations

from mecsim.engine.grants import Grants
from mecsim.system.devices import Servers
from mecsim.system.instance import Instance
from mecsim.system.resources import BANDWIDTH, SERVER_SPEED, GrantSpec
from mecsim.world.faults import UNIMPAIRED, ServerCondition


class Derating:
    """The share of each grant that its server gives; 0 while it is down.

    Grants made before a brown-out shrink with the budget, those made in it are made for what is left;
    when it ends, they stay as they are until the next decision.

    Parameters
    ----------
    servers : Servers
        Their usual budgets.
    """

    def __init__(self, servers: Servers) -> None:
        count = len(servers.bandwidth_hz)
        self._usual_hz, self._usual_flops = servers.bandwidth_hz, servers.max_gpu_flops
        self._now = [UNIMPAIRED] * count
        self._decided = [(1.0, 1.0)] * count
        self._up = [1.0] * count
        self._given = {BANDWIDTH: [1.0] * count, SERVER_SPEED: [1.0] * count}

    def factor(self, grant: GrantSpec, server: int) -> float:
        """Return the share of a kind of grant that a server gives now."""
        return self._given.get(grant, self._up)[server]

    def set(self, server: int, condition: ServerCondition) -> None:
        """Set the condition that a server has from now on."""
        self._now[server] = condition
        self._update(server)

    def renew(self, instance: Instance, grants: Grants, users: list[int]) -> list[int]:
        """Set the budgets that a decision now in force was made for; return the users it matters to."""
        bandwidth = (instance.servers.bandwidth_hz / self._usual_hz).tolist()
        gpu = (instance.servers.max_gpu_flops / self._usual_flops).tolist()
        decided = list(zip(bandwidth, gpu, strict=True))
        differ = {m for m, (old, new) in enumerate(zip(self._decided, decided, strict=True)) if old != new}
        self._decided = decided
        for m in differ:
            self._update(m)
        return [n for n in users if grants.server[n] in differ]

    def brownout_shares(self, server: int) -> tuple[float, float]:
        """Return the shares of bandwidth and GPU grants that a server could give if it were up."""
        condition, (bandwidth, gpu) = self._now[server], self._decided[server]
        return min(1.0, condition.bandwidth / bandwidth), min(1.0, condition.gpu / gpu)

    def _update(self, server: int) -> None:
        bandwidth, gpu = self.brownout_shares(server)
        self._up[server] = up = float(self._now[server].up)
        self._given[BANDWIDTH][server] = up * bandwidth
        self._given[SERVER_SPEED][server] = up * gpu
