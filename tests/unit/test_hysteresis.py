"""Hysteresis: another policy's handovers, where they pay by a margin."""

import numpy as np
import pytest
from mecsim_policies.baselines import Nearest, equal_split
from mecsim_policies.hysteresis import Hysteresis

from mecsim.engine.simulation import Simulation
from mecsim.errors import PolicyFailed
from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import make_policy
from mecsim.world.world import World

SPEC = "mecsim_policies.hysteresis:Hysteresis"


class Moves:
    """A policy with fixed wishes, that keeps those who are pinned and counts its calls."""

    iterations = 3

    def __init__(self, server):
        self.server, self.seen = np.array(server), []

    def reset(self, info, rng):
        self.given = info, rng

    def allocate(self, observation):
        self.seen.append(observation)
        server = self.server
        if observation.allocation is not None:
            server = np.where(observation.pinned, observation.allocation.server, server)
        return equal_split(observation.instance, server, 0.5)


@pytest.fixture(scope="module")
def instance(make_scenario):
    return World(make_scenario({"users.count": 4}), 1).instance(0.0)


def observed(instance, server=None):
    allocation = None if server is None else equal_split(instance, np.array(server), 0.5)
    return Observation.of(instance, allocation=allocation)


def gain_of_moving(instance, before, after):
    """Return the SCR of an equal split after moving, over that without."""
    scr = [instance.scr(equal_split(instance, np.array(server), 0.5)) for server in (after, before)]
    return scr[0] / scr[1]


@pytest.mark.parametrize("excess", [-1e-6, 1e-6])
def test_handovers_need_the_margin(instance, excess):
    """Just below what moving gains it moves, just above it does not."""
    before, after = [0, 0, 0, 0], [0, 1, 0, 1]
    gained = gain_of_moving(instance, before, after)
    assert gained > 1
    policy = Hysteresis(Moves(after), gained - 1 + excess)
    answer = policy.allocate(observed(instance, before))
    assert answer.server.tolist() == (before if excess > 0 else after)


def test_a_loss_is_never_moved_for_even_without_a_margin(instance):
    before, after = [0, 1, 0, 1], [0, 0, 0, 0]
    assert gain_of_moving(instance, before, after) < 1
    assert Hysteresis(Moves(after), 0).allocate(observed(instance, before)).server.tolist() == before


def test_without_handovers_the_other_policy_is_asked_once(instance):
    inner = Moves([0, 1, 0, 1])
    policy = Hysteresis(inner, 0.5)
    assert policy.allocate(observed(instance)).server.tolist() == [0, 1, 0, 1]
    assert policy.allocate(observed(instance, [0, 1, 0, 1])).server.tolist() == [0, 1, 0, 1]
    assert len(inner.seen) == 2
    assert policy.iterations == 3


def test_the_second_question_pins_everybody(instance):
    inner = Moves([0, 1, 0, 1])
    policy = Hysteresis(inner, 10.0)
    policy.allocate(observed(instance, [1, 1, 0, 0]))
    assert [seen.pinned.all() for seen in inner.seen] == [False, True]
    assert policy.iterations == 6


def test_a_policy_that_keeps_or_moves_the_pinned(instance):
    class Keeps(Moves):
        def allocate(self, observation):
            return None if observation.pinned.all() else super().allocate(observation)

    before = observed(instance, [1, 1, 0, 0])
    assert Hysteresis(Keeps([0, 1, 0, 1]), 10.0).allocate(before) is before.allocation

    class Heedless(Moves):
        def allocate(self, observation):
            return equal_split(observation.instance, self.server, 0.5)

    with pytest.raises(ValueError, match="Heedless moves users who are pinned"):
        Hysteresis(Heedless([0, 1, 0, 1]), 10.0).allocate(before)


def test_reset_goes_through(instance):
    inner, info, rng = Moves([0] * 4), ScenarioInfo("x", 4, 2, 60.0, 5.0), np.random.default_rng(1)
    Hysteresis(inner).reset(info, rng)
    assert inner.given == (info, rng)
    Hysteresis(Nearest()).reset(info, rng)


def test_the_registry_makes_the_other_policy_from_its_spec():
    policy = make_policy(f"{SPEC}:policy='gucaa:local_fraction=0.25',margin=0.2")
    assert (type(policy.policy).__name__, policy.policy.local_fraction, policy.margin) == ("Gucaa", 0.25, 0.2)
    assert isinstance(make_policy(SPEC).policy, Nearest)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policy": 3}, "policy = 3: must be a policy"),
        ({"policy": "nearest"}, "must be a policy"),
        ({"policy": Nearest(), "margin": -0.1}, "margin = -0.1: must be a number >= 0"),
        ({"policy": Nearest(), "margin": float("nan")}, "margin = nan"),
        ({"policy": Nearest(), "margin": True}, "margin = True"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        Hysteresis(**parameters)


def test_it_makes_fewer_handovers(make_scenario):
    """In a world of fast users and shadowing. Mutant: a wrapper that lets everything through."""
    changes = {
        "users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}, "users.count": 8,
        "reallocation.period_s": 1, "workload.adapter_params": 3e6,
    }  # fmt: skip

    def handovers(policy):
        return Simulation(make_scenario(changes), policy, 2).run().counts["handovers"]

    plain, wrapped = handovers(make_policy("nearest")), handovers(Hysteresis(make_policy("nearest"), 0.3))
    assert handovers(Hysteresis(make_policy("nearest"), 0.0)) <= plain
    assert wrapped < 0.5 * plain


def test_a_failure_of_the_other_policy_is_a_failure(make_scenario):
    class Fails:
        def allocate(self, observation):
            raise KeyError("no")

    with pytest.raises(PolicyFailed, match="KeyError"):
        Simulation(make_scenario(), Hysteresis(Fails()), 1).run()
