"""The exactness law of docs/model.md 13: what the simulator measures is what the paper's equations say.

Static users, constant gains, reserved grants, synchronous rounds, one decision: generation 0 has
the delay, energy, score and SCR of the static system, for every policy.
"""

import dataclasses

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import list_policies, make_policy
from mecsim.results.derive import all_tables
from mecsim.system.rate_spec import IDEAL, RateSpec
from mecsim.world.world import World

RELATIVE = 1e-9
SEEDS = range(12)
PHASES = ("local", "uplink", "server", "downlink")
# Those that refuse large systems are left out.
NAMES = [
    entry.name
    for entry in list_policies()
    if not entry.error and entry.name not in ("exhaustive", "certified", "dashf_reference")
]


@pytest.fixture(scope="module")
def static(draw_scenario):
    """Return a function from a seed to a static scenario in which one decision holds all the time."""

    def draw(seed):
        unending = {"reallocation.period_s": 1e6, "reallocation.csi": "instantaneous", "duration_s": 1e5}
        rounds = {"workload.rounds": {"mode": "synchronous", "think_s": 6e4}, "record.positions_s": 1e5}
        return draw_scenario(seed, moving=False, users=12, changes=unending | rounds)

    return draw


class Spy:
    """A policy that remembers what another one saw and answered."""

    def __init__(self, policy):
        self.policy, self.seen = policy, []

    def reset(self, info, rng):
        if hasattr(self.policy, "reset"):
            self.policy.reset(info, rng)

    def allocate(self, observation):
        answer = self.policy.allocate(observation)
        self.seen.append((observation, answer))
        return answer


def generation_zero(scenario, policy, seed):
    """Return the instance, the decision on it, and the tables of the run."""
    spy = Spy(policy)
    simulation = Simulation(scenario, spy, seed)
    tables = all_tables(simulation.run(), simulation.world)
    ((observation, allocation),) = spy.seen
    return observation.instance, allocation, tables


def predictions(instance, allocation):
    """Return section 2 of docs/model.md: what generation 0 should come to."""
    return {
        "score": instance.score(allocation).sum(),
        "delay_s": instance.delay(allocation).max(),
        "energy_j": instance.energy(allocation).sum(),
        "scr": instance.scr(allocation),
    }


def assert_generation(tables, expected):
    generations = tables["generations"]
    assert generations["round"][0] == 0
    assert generations["users"][0] == (tables["rounds"]["round"] == 0).sum()
    for name, value in expected.items():
        np.testing.assert_allclose(generations[name][0], value, rtol=RELATIVE, err_msg=name)


def assert_costs(tables, costs):
    first = tables["rounds"]["round"] == 0
    order = np.argsort(tables["rounds"]["user"][first])
    assert (tables["rounds"]["outcome"][first] == "finished").all()
    for i, phase in enumerate(PHASES):
        for suffix, values in (("s", costs.delay_s), ("j", costs.energy_j)):
            name = f"{phase}_{suffix}"
            got = tables["rounds"][name][first][order]
            np.testing.assert_allclose(got, values[:, i], rtol=RELATIVE, atol=0, err_msg=name)


# Decisions of these take tenths of a second, those of the search seconds; the law is one for all.
SLOW = ("dashf", "dashf_plus", "drift_plus_penalty")
CASES = [(name, seed) for name in NAMES for seed in SEEDS if name not in SLOW or seed % 4 == 0]
CASES = [(name, seed) for name, seed in CASES if name != "local_search" or seed == SEEDS[8]]


@pytest.mark.parametrize(("name", "seed"), CASES)
def test_law_for_every_registered_policy(static, name, seed):
    instance, allocation, tables = generation_zero(static(seed), make_policy(name), seed)
    assert_generation(tables, predictions(instance, allocation))
    assert_costs(tables, instance.costs(allocation))


@pytest.mark.parametrize("seed", SEEDS)
def test_law_for_a_random_feasible_policy(static, random_policy, seed):
    instance, allocation, tables = generation_zero(static(seed), random_policy(seed, zeros=0), seed)
    assert_generation(tables, predictions(instance, allocation))
    assert_costs(tables, instance.costs(allocation))


@pytest.mark.parametrize(
    "rate", ["nr-256qam", "lte-36942", {"up": {"gap_db": 3}, "down": {"cap_bps_hz": 2}}], ids=str
)
@pytest.mark.parametrize("fading", ["rayleigh", "ergodic"])
@pytest.mark.parametrize("name", ["gucaa", "gucro", "dashf", "dashf_plus", "water_filling", "best_response"])
def test_law_with_rates_below_shannons(static, name, fading, rate):
    """Mutants: the engine without the cap, or with the uplink's overhead on the downlink."""
    scenario = static(3).with_changes({"channel.rate": rate, "channel.fading.model": fading})
    instance, allocation, tables = generation_zero(scenario, make_policy(name), 3)
    assert_generation(tables, predictions(instance, allocation))
    assert_costs(tables, instance.costs(allocation))
    shannon = dataclasses.replace(instance, rate=IDEAL)
    swapped = dataclasses.replace(instance, rate=RateSpec(instance.rate.down, instance.rate.up))
    for wrong in (shannon, swapped):
        assert noticed(assert_costs, tables, wrong.costs(allocation))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_observed_instance_is_the_worlds_and_so_is_the_row_of_the_epoch(static, random_policy, seed):
    scenario = static(seed)
    instance, allocation, tables = generation_zero(scenario, random_policy(seed, zeros=0), seed)
    assert instance.gain.tobytes() == World(scenario, seed).instance(0.0, fading=True).gain.tobytes()
    for name, value in predictions(instance, allocation).items():
        np.testing.assert_allclose(tables["epochs"][name], [value], rtol=RELATIVE, err_msg=name)


def noticed(check, *arguments):
    try:
        check(*arguments)
    except AssertionError:
        return True
    return False


def bugs(instance, allocation):
    """Return bugs by name: the system as somebody who made that mistake would compute it."""
    users, servers, grants = instance.users, instance.servers, allocation
    ones = np.ones_like
    return {
        "server epochs forgotten": ({"servers": {"epochs": ones(servers.epochs)}}, {}),
        "user epochs forgotten": ({"users": {"epochs": ones(users.epochs)}}, {}),
        "one GPU a user": ({"users": {"gpu_count": ones(users.gpu_count)}}, {}),
        "one GPU a server": ({"servers": {"gpu_count": ones(servers.gpu_count)}}, {}),
        "energy of another user's GPU": ({"users": {"kappa": users.kappa[::-1]}}, {}),
        "bits for bytes": ({"bits_per_param": instance.bits_per_param / 8}, {}),
        "noise in dBm off by 0.1": ({"noise_w_per_hz": instance.noise_w_per_hz * 10**0.01}, {}),
        "gain of another user": ({"gain": instance.gain[::-1]}, {}),
        "uplink power on the downlink": ({}, {"server_power_w": grants.user_power_w}),
        "the other part of the adapter": ({}, {"local_fraction": 1 - grants.local_fraction}),
        "bandwidth in MHz": ({}, {"bandwidth_hz": grants.bandwidth_hz / 1e6}),
        "whole bandwidth for everyone": ({}, {"bandwidth_hz": servers.bandwidth_hz[grants.server]}),
    }


def replaced(instance, changes):
    parts = {
        key: dataclasses.replace(getattr(instance, key), **value) if isinstance(value, dict) else value
        for key, value in changes.items()
    }
    return dataclasses.replace(instance, **parts)


def test_the_law_rejects_every_mistake(static, random_policy):
    scenario = static(4).with_changes(
        {"users.epochs": 2, "users.gpu_count": 3, "servers.epochs": 2, "servers.gpu_count": 5}
    )
    assert scenario.users.count > 1
    instance, allocation, tables = generation_zero(scenario, random_policy(4, zeros=0), 4)
    assert_costs(tables, instance.costs(allocation))
    for bug, (system, grants) in bugs(instance, allocation).items():
        wrong = replaced(instance, system).costs(dataclasses.replace(allocation, **grants))
        assert noticed(assert_costs, tables, wrong), bug


def test_the_law_rejects_a_generation_summed_or_averaged_wrongly(static, random_policy):
    instance, allocation, tables = generation_zero(static(4), random_policy(4, zeros=0), 4)
    right = predictions(instance, allocation)
    assert_generation(tables, right)
    delay, energy = instance.delay(allocation), instance.energy(allocation)
    weights, score = instance.weights, right["score"]
    wrong = [
        {"delay_s": delay.mean()},
        {"delay_s": delay.sum()},
        {"energy_j": energy.max()},
        {"score": score / len(delay)},
        {"scr": score / (weights.delay_per_s * delay.sum() + weights.energy_per_j * energy.sum())},
        {"scr": score / (weights.energy_per_j * delay.max() + weights.delay_per_s * energy.sum())},
        {
            "scr": (
                instance.score(allocation) / (weights.delay_per_s * delay + weights.energy_per_j * energy)
            ).sum()
        },
    ]
    for mistake in wrong:
        assert noticed(assert_generation, tables, mistake), mistake
