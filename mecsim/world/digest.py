"""A hash of a world, by which runs can be shown to have met the same one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mecsim.world.world import World


def world_digest(world: World) -> str:
    """Return a SHA-256 over positions, gains, work, arrivals and events sampled over the whole run."""
    duration_s = world.scenario.duration_s
    times_s = np.linspace(0.0, duration_s, 17)
    users, servers = np.arange(world.user_count), np.arange(world.server_count)
    work = [world.workload.work(users, np.full(world.user_count, k)) for k in range(3)]
    parts = [
        world.position_m(users[:, None], times_s),
        world.gain(users[:, None, None], servers[None, :, None], times_s),
        world.gain_window(users, users % world.server_count, 1),
        world.downlink_share(users[:, None, None], servers[None, :, None], times_s)
        if world.interfered
        else np.empty(0),
        *(column for pair in work for column in pair),
        *(world.workload.arrivals_s(n, duration_s) for n in range(world.user_count)),
        *([] if world.population.always else world.population.columns),
        *(np.array([time_s, m, *value]) for time_s, m, value in world.conditions.changes()),
    ]
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()
