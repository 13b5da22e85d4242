"""What servers can give of the grants in force, while they are down or have less than usual."""

from __future__ import annotations

from mecsim.engine.in_force import Grants
from mecsim.system.instance import Instance, Servers
from mecsim.world.faults import UNIMPAIRED, ServerCondition


class Limits:
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
        self.bandwidth, self.gpu = [1.0] * count, [1.0] * count

    def set(self, server: int, condition: ServerCondition) -> None:
        """Take note of the condition that a server has from now on."""
        self._now[server] = condition
        self._update(server)

    def renew(self, instance: Instance, grants: Grants, users: list[int]) -> list[int]:
        """Take note of what the budgets were for a decision now in force; return the users it matters to."""
        bandwidth = (instance.servers.bandwidth_hz / self._usual_hz).tolist()
        gpu = (instance.servers.max_gpu_flops / self._usual_flops).tolist()
        decided = list(zip(bandwidth, gpu, strict=True))
        differ = {m for m, (old, new) in enumerate(zip(self._decided, decided, strict=True)) if old != new}
        self._decided = decided
        for m in differ:
            self._update(m)
        return [n for n in users if grants.server[n] in differ]

    def shrink(self, server: int) -> tuple[float, float]:
        """Return the shares of bandwidth and GPU grants that a server could give if it were up."""
        condition, (bandwidth, gpu) = self._now[server], self._decided[server]
        return min(1.0, condition.bandwidth / bandwidth), min(1.0, condition.gpu / gpu)

    def _update(self, server: int) -> None:
        bandwidth, gpu = self.shrink(server)
        up = float(self._now[server].up)
        self.bandwidth[server], self.gpu[server] = up * bandwidth, up * gpu
