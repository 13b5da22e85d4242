"""Snapshots and points that the tests of the optimising policies share."""

import numpy as np
import pytest
from mecsim_policies.optim.shares import PHI, Price, ShareProblem

from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance
from mecsim.system.rate_spec import RATES


def draw_instance(seed, users, servers, *, like=False, ergodic=False, rate="shannon"):
    """Return a snapshot of the paper's size of devices, unlike ones unless ``like``."""
    rng = np.random.default_rng([seed, users, servers])

    def each(count, low, high):
        return np.full(count, (low + high) / 2.0) if like else rng.uniform(low, high, count)

    return Instance(
        users=Users(
            adapter_params=rng.uniform(1.2e6, 14e6, users),
            flops_per_param=rng.uniform(2e6, 9e6, users),
            epochs=np.ones(users),
            gpu_count=np.full(users, 4.0) if like else rng.integers(1, 5, users),
            max_gpu_flops=each(users, 1e12, 5e12),
            kappa=each(users, 1e-37, 3e-37),
            max_power_w=each(users, 0.1, 0.4),
        ),
        servers=Servers(
            bandwidth_hz=each(servers, 5e6, 4e7),
            epochs=np.ones(servers),
            gpu_count=np.full(servers, 8.0) if like else rng.integers(2, 9, servers),
            max_gpu_flops=each(servers, 5e12, 2e13),
            kappa=each(servers, 3e-38, 1e-37),
            max_power_w=each(servers, 5.0, 20.0),
        ),
        gain=10.0 ** rng.uniform(-12.5, -8.5, (users, servers)),
        noise_w_per_hz=4e-21,
        ergodic=ergodic,
        rate=RATES[rate],
        name=f"random {seed}: {users} users, {servers} servers",
    )


@pytest.fixture(scope="session")
def snapshot():
    """Return the function that draws a snapshot."""
    return draw_instance


@pytest.fixture(scope="session")
def price_at():
    """Return a function from an instance to the prices at a SCR of the size that DASHF ends with."""
    return lambda instance, scr=200.0: Price.at(instance, scr)


@pytest.fixture(scope="session")
def part_2():
    """Return a function from a seed to an instance, an association, phi, the problem, shares inside it."""

    def drawn(seed, users, servers, *, at_ends=False, ergodic=False, rate="shannon"):
        instance = draw_instance(seed, users, servers, ergodic=ergodic, rate=rate)
        rng = np.random.default_rng([seed, 2])
        server = rng.integers(servers, size=users)
        phi = rng.uniform(0.1, 0.9, users)
        if at_ends:
            phi = np.where(rng.random(users) < 0.6, rng.integers(0, 2, users), phi)
        problem = ShareProblem.of(instance, server)
        shares = problem.equal_split(phi)
        shares[:, :PHI] *= rng.uniform(0.4, 1.0, (users, PHI))
        return instance, server, phi, problem, shares

    return drawn
