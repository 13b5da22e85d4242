"""Snapshots far from anything sensible through the optimising policies: an answer, feasible, no warning.

The mutants they caught while they were written: an equal split whose parts add up to more than the
whole by a rounding error, a budget passed by one unit in the last place, and phi = 0.5 for users
whom no server hears.
"""

import dataclasses
import warnings

import numpy as np
import pytest
from mecsim_policies.baselines import Nearest
from mecsim_policies.dashf_plus.policy import DashfPlus
from mecsim_policies.heuristics import Aauco, Gucro
from mecsim_policies.local_search import LocalSearch
from mecsim_policies.optim.joint import joint_step

from mecsim.policy import Observation, Phase
from mecsim.system.arrays import frozen

# The whole of range(2000) has been through; this is a part of it that takes seconds.
BLOCKS = 4
EACH = 5


def checked(allocation, instance):
    """Assert what every answer must fulfil, and return it."""
    assert [str(violation) for violation in allocation.violations(instance, 0.0)] == []
    unreached = ~(instance.gain > 0).any(axis=1)
    assert (allocation.local_fraction[unreached] == 1.0).all()
    return allocation


@pytest.fixture(autouse=True)
def _nothing_is_let_pass():
    with warnings.catch_warnings(), np.errstate(divide="raise", over="raise", invalid="raise"):
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("policy", [DashfPlus, Aauco, Gucro])
def test_an_answer_to_anything(wild, policy, block):
    for seed in range(block * EACH, (block + 1) * EACH):
        instance = wild(seed)
        answer = checked(policy().allocate(Observation.of(instance)), instance)
        if (instance.gain > 0).any(axis=1).all():
            assert instance.scr(answer) > 0, seed


@pytest.mark.parametrize("seed", [1815, 495, 1115])
@pytest.mark.parametrize("policy", [DashfPlus, Aauco, Gucro])
def test_snapshots_that_once_failed(wild, policy, seed):
    instance = wild(seed)
    checked(policy().allocate(Observation.of(instance)), instance)


@pytest.mark.parametrize("seed", range(0, 60, 12))
def test_the_searches_as_well(wild, seed):
    instance = wild(seed)
    if instance.user_count > 15:
        instance = dataclasses.replace(
            instance,
            users=dataclasses.replace(
                instance.users,
                **{f.name: getattr(instance.users, f.name)[:15] for f in dataclasses.fields(instance.users)},
            ),
            gain=instance.gain[:15],
        )
    answer = checked(LocalSearch(starts=1, width=5).allocate(Observation.of(instance)), instance)
    nearest = Nearest().allocate(Observation.of(instance))
    assert joint_step(instance, nearest).violations(instance, 0.0) == ()
    if (instance.gain > 0).any(axis=1).all():
        assert instance.scr(answer) >= instance.scr(DashfPlus().allocate(Observation.of(instance)))


@pytest.mark.parametrize("seed", range(8))
def test_an_answer_in_the_middle_of_rounds(wild, seed):
    """With an allocation in force that other gains were made for, users pinned, or nothing granted."""
    rng = np.random.default_rng([seed, 1])
    before = wild(seed)
    users, servers = before.gain.shape
    current = (DashfPlus() if seed % 2 else Nearest(float(seed % 4) / 2)).allocate(Observation.of(before))
    if seed % 4 == 2:
        none = np.zeros(users)
        current = dataclasses.replace(
            current, server=rng.integers(servers, size=users), bandwidth_hz=none, server_power_w=none,
            server_gpu_flops=none,
        )  # fmt: skip
    instance = dataclasses.replace(before, gain=before.gain * 10.0 ** rng.normal(0, 1, before.gain.shape))
    phase = rng.integers(-1, 4, users)
    idle = phase == Phase.IDLE
    pinned = (rng.random(users) < 0.3) & ~idle
    observation = Observation(
        time_s=35.0,
        instance=instance,
        phase=frozen(phase, np.int8),
        remaining=frozen(np.where(idle, 0.0, rng.uniform(1, 1e8, users))),
        local_fraction=frozen(np.where(idle, np.nan, current.local_fraction)),
        pinned=frozen(pinned, np.bool_),
        allocation=current,
        epoch=7,
    )
    for policy in (DashfPlus(), DashfPlus(active_only=True), Aauco(), Gucro()):
        answer = checked(policy.allocate(observation), instance)
        assert (answer.server == current.server)[pinned].all()
