"""Full power and speed for users, and equal parts of each server for its users."""

from __future__ import annotations

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance


def equal_split(instance: Instance, server: Ints, local_fraction: float | Floats) -> Allocation:
    """Return full power and speed for users, and each server shared equally among its users.

    Parameters
    ----------
    instance : Instance
        The snapshot, N users and M servers.
    server : (N,) int
        The association.
    local_fraction : float or (N,) float
        phi of every user, in [0, 1]; the largest that fits into its memory where that is less.
    """
    users, servers = instance.users, instance.servers
    sharers = np.bincount(server, minlength=len(servers.bandwidth_hz))[server]
    return Allocation(
        server=server,
        local_fraction=np.minimum(local_fraction, users.local_fraction_max),
        bandwidth_hz=_equal_parts(servers.bandwidth_hz, server, sharers),
        user_power_w=users.max_power_w,
        server_power_w=_equal_parts(servers.max_power_w, server, sharers),
        user_gpu_flops=users.max_gpu_flops,
        server_gpu_flops=_equal_parts(servers.max_gpu_flops, server, sharers),
    )


def _equal_parts(budget: Floats, server: Ints, sharers: Ints) -> Floats:
    """Return each user's equal part of its server's budget; k rounded parts never add up to more."""
    part: Floats = budget[server] / sharers
    over = np.bincount(server, weights=part, minlength=len(budget)) > budget
    return np.where(over[server], part * (1.0 - sharers * np.finfo(np.float64).eps), part)
