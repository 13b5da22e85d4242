"""Exhaustive search: every association, and a refusal where there are too many."""

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from mecsim_policies.baselines import equal_split
from mecsim_policies.exhaustive import Exhaustive
from mecsim_policies.local_search import LocalSearch
from mecsim_policies.optim.joint import joint_step

from mecsim.errors import PolicyError
from mecsim.policy import Observation


def scr_of(policy, instance):
    answer = policy.allocate(Observation.of(instance))
    assert answer.violations(instance, 0.0) == ()
    return instance.scr(answer)


@pytest.fixture(scope="module")
def best(snapshot):
    """Return a function from a seed to the SCR of exhaustive search on four users and two servers."""
    return lru_cache(lambda seed: scr_of(Exhaustive(), snapshot(seed, 4, 2)))


@pytest.mark.parametrize("seed", range(4))
def test_never_worse_than_local_search(snapshot, best, seed):
    assert best(seed) >= scr_of(LocalSearch(), snapshot(seed, 4, 2))


@pytest.mark.parametrize("seed", range(1))
def test_never_worse_than_local_search_among_more_users(snapshot, seed):
    instance = snapshot(seed, 5, 2, like=seed % 2 == 0)
    assert scr_of(Exhaustive(), instance) >= scr_of(LocalSearch(), instance)


@pytest.mark.parametrize("seed", range(2))
def test_it_is_as_good_as_the_joint_step_on_every_association(snapshot, best, seed):
    """Screening must not lose the best; the mutant screens by an equal split and keeps one."""
    instance = snapshot(seed, 4, 2)
    everywhere = [np.array(s) for s in np.ndindex(2, 2, 2, 2)]
    equal = [equal_split(instance, server, 0.3) for server in everywhere]
    full = [instance.scr(joint_step(instance, allocation)) for allocation in equal]
    assert best(seed) >= max(full) * (1.0 - 1e-5)


def test_an_equal_split_would_keep_the_wrong_association(snapshot, best):
    worse = 0
    for seed in range(4):
        instance = snapshot(seed, 4, 2)
        equal = [equal_split(instance, np.array(s), 0.3) for s in np.ndindex(2, 2, 2, 2)]
        kept = max(equal, key=instance.scr)
        worse += instance.scr(joint_step(instance, kept)) < best(seed) * (1.0 - 1e-3)
    assert worse > 0


def test_it_counts_the_associations_that_are_allowed(snapshot):
    whole = snapshot(1, 4, 3)
    gain = whole.gain.copy()
    gain[0, 1:] = 0.0
    instance = dataclasses.replace(whole, gain=gain)
    policy = Exhaustive(max_associations=27)
    scr_of(policy, instance)
    assert policy.iterations == 27
    with pytest.raises(PolicyError, match="81 of them possible here; the limit is max_associations = 27"):
        policy.allocate(Observation.of(whole))


def test_the_refusal_says_why_and_what_to_do(snapshot):
    instance = snapshot(1, 30, 4)
    with pytest.raises(PolicyError) as refusal:
        Exhaustive().allocate(Observation.of(instance))
    message = str(refusal.value)
    for word in ("30 users", "4 servers", "4^30", "about 10^18", "max_associations = 5000", "local_search"):
        assert word in message


@pytest.mark.parametrize("value", [0, 1.5, True, "many"])
def test_a_wrong_limit_is_named(value):
    with pytest.raises(ValueError, match="must be a whole number >= 1"):
        Exhaustive(max_associations=value)
