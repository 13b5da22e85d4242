"""The baselines, by hand (docs/model.md section 4)."""

import dataclasses

import numpy as np
import pytest
from mecsim_policies.baselines import equal_split, fewest_users_first, keep_pinned, strongest_server

from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import make_policy
from mecsim.system.devices import Servers, Users
from mecsim.system.instance import Instance

GAIN = [[1.0, 2.0], [4.0, 3.0], [5.0, 6.0], [8.0, 7.0], [9.0, 1.0]]


@pytest.fixture(scope="module")
def instance():
    """Five users, two unlike servers."""
    return Instance(
        users=Users(
            adapter_params=[1e6] * 5, flops_per_param=[1e6] * 5, epochs=[1] * 5, gpu_count=[1] * 5,
            max_gpu_flops=[1e12, 2e12, 3e12, 4e12, 5e12], kappa=[1e-37] * 5,
            max_power_w=[0.1, 0.2, 0.3, 0.4, 0.5],
        ),
        servers=Servers(
            bandwidth_hz=[12e6, 6e6], epochs=[1, 1], gpu_count=[8, 8],
            max_gpu_flops=[6e12, 12e12], kappa=[1e-37] * 2, max_power_w=[18.0, 24.0],
        ),
        gain=np.array(GAIN) * 1e-12,
        noise_w_per_hz=4e-21,
    )  # fmt: skip


def answer(spec, instance):
    return make_policy(spec).allocate(Observation.of(instance))


def pinned_to(instance, server, pinned):
    current = equal_split(instance, np.array(server), 0.5)
    observation = Observation.of(instance, allocation=current)
    return dataclasses.replace(observation, pinned=np.array(pinned))


def test_an_equal_split_shares_each_server_among_its_own_users(instance):
    allocation = equal_split(instance, np.array([0, 1, 0, 0, 1]), 0.25)
    assert allocation.bandwidth_hz.tolist() == [4e6, 3e6, 4e6, 4e6, 3e6]
    assert allocation.server_power_w.tolist() == [6, 12, 6, 6, 12]
    assert allocation.server_gpu_flops.tolist() == [2e12, 6e12, 2e12, 2e12, 6e12]
    assert allocation.user_power_w.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert allocation.user_gpu_flops.tolist() == [1e12, 2e12, 3e12, 4e12, 5e12]
    assert allocation.local_fraction.tolist() == [0.25] * 5
    assert allocation.violations(instance, tolerance=1e-12) == ()


def test_nearest_takes_the_largest_gain(instance):
    assert answer("nearest", instance).server.tolist() == [1, 0, 1, 0, 0]
    assert strongest_server(Observation.of(instance)).tolist() == [1, 0, 1, 0, 0]


def test_gucaa_takes_the_server_with_the_fewest_users_and_of_two_the_stronger(instance):
    # User 0 takes its stronger server 1, user 1 the empty 0, user 2 of two equals the stronger 1,
    # user 3 the emptier 0, user 4 of two equals the stronger 0.
    assert answer("gucaa", instance).server.tolist() == [1, 0, 1, 0, 0]
    weaker_last = dataclasses.replace(
        instance, gain=instance.gain * [[1, 1], [1, 1], [1, 1], [1, 1], [1, 100]]
    )
    assert answer("gucaa", weaker_last).server.tolist() == [1, 0, 1, 0, 1]
    all_like_0 = dataclasses.replace(instance, gain=np.ones((5, 2)) * [2e-12, 1e-12])
    assert answer("gucaa", all_like_0).server.tolist() == [0, 1, 0, 1, 0]
    assert answer("nearest", all_like_0).server.tolist() == [0] * 5


@pytest.mark.parametrize(
    ("name", "phi"),
    [("gucaa", 0.5), ("rucaa", 0.5), ("nearest", 0.5), ("local_only", 1.0), ("edge_only", 0.0)],
)
def test_the_share_of_the_users(instance, name, phi):
    assert answer(name, instance).local_fraction.tolist() == [phi] * 5


@pytest.mark.parametrize("name", ["local_only", "edge_only"])
def test_local_and_edge_only_associate_like_nearest(instance, name):
    assert answer(name, instance).server.tolist() == answer("nearest", instance).server.tolist()


@pytest.mark.parametrize("name", ["gucaa", "rucaa", "nearest"])
@pytest.mark.parametrize("phi", [0, 0.3, 1])
def test_the_share_can_be_set(instance, name, phi):
    assert answer(f"{name}:local_fraction={phi}", instance).local_fraction.tolist() == [phi] * 5


def rucaa(seed, instance):
    policy = make_policy("rucaa")
    policy.reset(ScenarioInfo("test", 5, 2, 60.0, 5.0), np.random.default_rng(seed))
    return policy


def test_rucaa_draws_once_for_a_run_and_anew_for_another(instance):
    policy = rucaa(1, instance)
    first = policy.allocate(Observation.of(instance))
    again = policy.allocate(Observation.of(instance, time_s=100.0))
    assert first.server.tolist() == again.server.tolist()
    assert (
        len({tuple(rucaa(seed, instance).allocate(Observation.of(instance)).server) for seed in range(20)})
        > 10
    )


def test_rucaa_is_uniform_over_servers(instance):
    """2000 draws of a fair coin: 1000 with a deviation of 22.4; 5 deviations."""
    draws = np.array([rucaa(seed, instance).allocate(Observation.of(instance)).server for seed in range(400)])
    assert abs(draws.sum() - 1000) < 5 * np.sqrt(2000 * 0.25)
    by_gain = np.tile(instance.gain.argmax(axis=1), 400)
    assert abs(by_gain.sum() - 1000) > 5 * np.sqrt(2000 * 0.25), (
        "a draw that follows the gain would be noticed"
    )


def test_a_pinned_user_stays_and_the_others_are_placed_around_it(instance):
    observation = pinned_to(instance, [0, 0, 0, 0, 1], [True, True, False, False, True])
    assert strongest_server(observation).tolist() == [0, 0, 1, 0, 1]
    # Servers hold 2 and 1 pinned users: user 2 takes server 1, user 3 of two equals the stronger 0.
    assert fewest_users_first(observation).tolist() == [0, 0, 1, 0, 1]
    assert keep_pinned(observation, np.ones(5, dtype=int)).tolist() == [0, 0, 1, 1, 1]
    assert keep_pinned(Observation.of(instance), np.ones(5, dtype=int)).tolist() == [1] * 5


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan"), True, "half", None, [0.5]])
def test_a_share_that_is_none_is_refused(wrong):
    from mecsim_policies.baselines import Gucaa

    with pytest.raises(ValueError, match=r"local_fraction = .*: must be a number from 0 to 1"):
        Gucaa(local_fraction=wrong)
