"""Rules without optimisation: who joins which server, and equal parts of its budgets."""

from __future__ import annotations

import numpy as np

from mecsim.policy import Observation
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
    return Allocation(
        server=server,
        local_fraction=np.minimum(local_fraction, users.local_fraction_max),
        bandwidth_hz=_equal_parts(servers.bandwidth_hz, server),
        user_power_w=users.max_power_w,
        server_power_w=_equal_parts(servers.max_power_w, server),
        user_gpu_flops=users.max_gpu_flops,
        server_gpu_flops=_equal_parts(servers.max_gpu_flops, server),
    )


def _equal_parts(budget: Floats, server: Ints) -> Floats:
    """Return each user's equal part of its server's budget; k rounded parts never add up to more."""
    sharers = np.bincount(server, minlength=len(budget))[server]
    part: Floats = budget[server] / sharers
    over = np.bincount(server, weights=part, minlength=len(budget)) > budget
    return np.where(over[server], part * (1.0 - sharers * np.finfo(np.float64).eps), part)


def keep_pinned(observation: Observation, server: Ints) -> Ints:
    """Return the association with every pinned user left where it is."""
    if observation.allocation is None:
        return server
    return np.where(observation.pinned, observation.allocation.server, server)


def strongest_server(observation: Observation) -> Ints:
    """Return the server with the largest gain for every user."""
    return keep_pinned(observation, observation.instance.gain.argmax(axis=1))


def fewest_users_first(observation: Observation) -> Ints:
    """Return GUCAA's association: in index order, the server with the fewest users so far.

    Ties go to the larger gain. Pinned users count from the start.
    """
    instance, current = observation.instance, observation.allocation
    server = [-1] * instance.user_count
    load = [0] * instance.server_count
    if current is not None:
        for n in np.flatnonzero(observation.pinned).tolist():
            server[n] = int(current.server[n])
            load[server[n]] += 1
    for n, gains in enumerate(instance.gain.tolist()):
        if server[n] < 0:
            server[n] = min(range(len(load)), key=lambda m: (load[m], -gains[m]))
            load[server[n]] += 1
    return np.array(server, dtype=np.int64)
