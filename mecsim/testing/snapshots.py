"""Random snapshots and observations on which policies are checked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mecsim.policy import Observation, Phase
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, frozen
from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance


def draw_instance(
    seed: int | Sequence[int],
    users: int,
    servers: int,
    *,
    gain_decades: tuple[float, float] = (-13.0, -8.0),
    scale: float = 1.0,
) -> Instance:
    """Return a snapshot of different devices.

    Parameters
    ----------
    seed : int or sequence of int
    users, servers : int
    gain_decades : (2,) float
        Gains are 10 to a power drawn uniformly between these.
    scale : float
        Multiplies every budget and every speed.
    """
    rng = np.random.default_rng(seed)

    def each(count: int, low: float, high: float) -> Floats:
        return rng.uniform(low, high, count)

    return Instance(
        users=Users(
            adapter_params=each(users, 1.2e6, 14e6),
            flops_per_param=each(users, 2e6, 9e6),
            epochs=rng.integers(1, 4, users).astype(np.float64),
            gpu_count=rng.integers(1, 5, users).astype(np.float64),
            max_gpu_flops=scale * each(users, 1e12, 5e12),
            kappa=each(users, 1e-37, 3e-37),
            max_power_w=scale * each(users, 0.1, 0.4),
        ),
        servers=Servers(
            bandwidth_hz=scale * each(servers, 5e6, 4e7),
            epochs=rng.integers(1, 4, servers).astype(np.float64),
            gpu_count=rng.integers(1, 9, servers).astype(np.float64),
            max_gpu_flops=scale * each(servers, 5e12, 2e13),
            kappa=each(servers, 3e-38, 1e-37),
            max_power_w=scale * each(servers, 5, 20),
        ),
        gain=10.0 ** rng.uniform(*gain_decades, (users, servers)),
        noise_w_per_hz=4e-21,
    )


def mid_round(
    instance: Instance, allocation: Allocation | None, pinned: ArrayLike, seed: int = 0, *, idle: bool = True
) -> Observation:
    """Return an observation in the middle of rounds; without ``idle`` every user is in one."""
    rng, count = np.random.default_rng(seed), instance.user_count
    phase = rng.integers(Phase.IDLE if idle else Phase.LOCAL, Phase.DOWNLINK + 1, count)
    is_idle = phase == Phase.IDLE
    return Observation(
        time_s=35.0,
        instance=instance,
        phase=frozen(phase, np.int8),
        remaining=frozen(np.where(is_idle, 0.0, rng.uniform(1, 1e8, count))),
        local_fraction=frozen(np.where(is_idle, np.nan, rng.random(count))),
        pinned=frozen(pinned, np.bool_),
        allocation=allocation,
        epoch=7,
    )
