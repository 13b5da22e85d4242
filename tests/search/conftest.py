"""Snapshots for the tests of the searching policies."""

import dataclasses

import numpy as np
import pytest

from mecsim.system.devices import Servers, Users, Weights
from mecsim.system.instance import Instance


def paper_like(seed, users, servers, *, like=False):
    """Return a snapshot with the paper's devices, or devices that differ by a factor of up to four."""
    rng = np.random.default_rng([seed, users, servers])
    place, mast = rng.uniform(0, 1000, (users, 1, 2)), rng.uniform(0, 1000, (servers, 2))
    metres = np.maximum(np.hypot(*(place - mast).transpose(2, 0, 1)), 10.0)
    loss_db = 128.1 + 37.6 * np.log10(metres / 1000) + rng.normal(0, 8, metres.shape)

    def each(count, usual, choices):
        return np.full(count, usual) if like else usual * rng.choice(choices, count)

    return Instance(
        users=Users(
            adapter_params=rng.uniform(1.2e6, 14e6, users),
            flops_per_param=rng.uniform(1.9e6, 9.4e6, users),
            epochs=np.ones(users),
            gpu_count=np.full(users, 4.0),
            max_gpu_flops=each(users, 4.88e12, [0.5, 1.0]),
            kappa=np.full(users, 2.577e-37),
            max_power_w=each(users, 0.2, [0.5, 1.0, 2.0]),
        ),
        servers=Servers(
            bandwidth_hz=each(servers, 1e7, [0.5, 1.0, 2.0]),
            epochs=np.ones(servers),
            gpu_count=each(servers, 8.0, [0.25, 0.5, 1.0]),
            max_gpu_flops=np.full(servers, 1.0725e13),
            kappa=np.full(servers, 5.394e-38),
            max_power_w=each(servers, 10.0, [0.5, 1.0, 2.0]),
        ),
        gain=10 ** (-loss_db / 10) * rng.exponential(1, metres.shape),
        noise_w_per_hz=3.981e-21,
    )


def wild_instance(seed):
    """Return a snapshot far from anything sensible: every budget, gain and work over many decades."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(1, 41)), int(rng.integers(1, 9))

    def decades(middle, span, count):
        return middle * 10.0 ** rng.uniform(-span / 2, span / 2, count)

    span = 4.0 if seed % 2 else 1.0
    work = 8.0 if seed % 3 == 0 else 2.0
    gain = 10.0 ** rng.uniform(-18, -5, (n, m))
    if seed % 4 < 2:
        gain[rng.random((n, m)) < 0.3] = 0.0
    if seed % 5 == 0:
        gain[rng.random(n) < 0.2] = 0.0
    one_weight = Weights(0.5, 0.0) if seed % 2 else Weights(0.0, 0.005)
    return Instance(
        users=Users(
            adapter_params=decades(5e6, work, n),
            flops_per_param=decades(5e6, work, n),
            epochs=rng.integers(1, 4, n),
            gpu_count=rng.integers(1, 9, n),
            max_gpu_flops=decades(4e12, span, n),
            kappa=decades(2e-37, span, n),
            max_power_w=decades(0.2, span, n),
        ),
        servers=Servers(
            bandwidth_hz=decades(1e7, span, m),
            epochs=rng.integers(1, 4, m),
            gpu_count=rng.integers(1, 9, m),
            max_gpu_flops=decades(1e13, span, m),
            kappa=decades(6e-38, span, m),
            max_power_w=decades(10.0, span, m),
        ),
        gain=gain,
        noise_w_per_hz=4e-21,
        bits_per_param=0.0 if seed % 23 == 0 else 32.0,
        weights=(Weights(), Weights(0.1, 0.009), one_weight)[(0, 0, 0, 0, 1, 1, 2)[seed % 7]],
    )


@pytest.fixture(scope="session")
def snapshot():
    """Return the function that draws a snapshot of the paper's kind."""
    return paper_like


@pytest.fixture(scope="session")
def wild():
    """Return the function that draws a snapshot far from anything sensible."""
    return wild_instance


@pytest.fixture(scope="session")
def taken():
    """Return a function that keeps some users and servers of a snapshot, in a given order."""

    def part(instance, users, servers):
        def of(group, order):
            columns = {f.name: getattr(group, f.name)[order] for f in dataclasses.fields(group)}
            return dataclasses.replace(group, **columns)

        return dataclasses.replace(
            instance,
            users=of(instance.users, users),
            servers=of(instance.servers, servers),
            gain=instance.gain[np.ix_(users, servers)],
        )

    return part
