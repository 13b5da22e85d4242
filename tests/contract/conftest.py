"""Snapshots for the contract that every policy signs."""

import numpy as np
import pytest

from mecsim.policy import Observation, Phase
from mecsim.system.arrays import frozen
from mecsim.system.instance import Instance, Servers, Users


def draw_instance(seed, users, servers, *, gain_decades=(-13, -8), scale=1.0):
    """Return a snapshot of unlike devices; ``scale`` multiplies every budget and speed."""
    rng = np.random.default_rng(seed)

    def each(count, low, high):
        return rng.uniform(low, high, count)

    return Instance(
        users=Users(
            adapter_params=each(users, 1.2e6, 14e6),
            flops_per_param=each(users, 2e6, 9e6),
            epochs=rng.integers(1, 4, users),
            gpu_count=rng.integers(1, 5, users),
            max_gpu_flops=scale * each(users, 1e12, 5e12),
            kappa=each(users, 1e-37, 3e-37),
            max_power_w=scale * each(users, 0.1, 0.4),
        ),
        servers=Servers(
            bandwidth_hz=scale * each(servers, 5e6, 4e7),
            epochs=rng.integers(1, 4, servers),
            gpu_count=rng.integers(1, 9, servers),
            max_gpu_flops=scale * each(servers, 5e12, 2e13),
            kappa=each(servers, 3e-38, 1e-37),
            max_power_w=scale * each(servers, 5, 20),
        ),
        gain=10.0 ** rng.uniform(*gain_decades, (users, servers)),
        noise_w_per_hz=4e-21,
    )


@pytest.fixture(scope="session")
def snapshot():
    """Return the function that draws a snapshot."""
    return draw_instance


@pytest.fixture(scope="session")
def mid_round():
    """Return a function from a snapshot and an allocation to an observation in the middle of rounds."""

    def observation(instance, allocation, pinned, seed=0):
        rng, count = np.random.default_rng(seed), instance.user_count
        phase = rng.integers(Phase.IDLE, Phase.DOWNLINK + 1, count)
        idle = phase == Phase.IDLE
        return Observation(
            time_s=35.0,
            instance=instance,
            phase=frozen(phase, np.int8),
            remaining=frozen(np.where(idle, 0.0, rng.uniform(1, 1e8, count))),
            local_fraction=frozen(np.where(idle, np.nan, rng.random(count))),
            pinned=frozen(pinned, np.bool_),
            allocation=allocation,
            epoch=7,
        )

    return observation
