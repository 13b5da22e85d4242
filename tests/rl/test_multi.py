"""The environment of several agents: PettingZoo's own tests, and the same bits as for one agent."""

import warnings

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.errors import InvalidAllocation, MecsimError

pytest.importorskip("pettingzoo", reason="the rl extra is not installed")
from pettingzoo.test import parallel_api_test, parallel_seed_test

from mecsim.rl.env import AllocationEnv
from mecsim.rl.multi import OWN_SHARES, SERVER_SHARES, MultiAgentEnv

CHURN = {
    "users.count": 1,
    "users.arrivals": {"rate_per_s": 0.2, "stay_s": {"exponential": 15}},
    "users.max_present": 4,
    "calendar.failures": {"mtbf_s": 20, "mttr_s": 5},
}


@pytest.mark.parametrize("changes", [{}, CHURN], ids=["smoke", "churn"])
def test_the_tests_of_pettingzoo_pass(changes):
    scenario = load_scenario("smoke").with_changes(changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(MultiAgentEnv(scenario), num_cycles=30)
        parallel_seed_test(lambda: MultiAgentEnv(scenario), num_cycles=5)


def split(action, slots, servers):
    """Return the actions of the agents that are the action of one; servers say nonsense of others' users."""
    actions = {f"user_{n}": {name: action[name][n] for name in ("server", *OWN_SHARES)} for n in range(slots)}
    for m in range(servers):
        own = action["server"] == m
        actions[f"server_{m}"] = {name: np.where(own, action[name], 0.77) for name in SERVER_SHARES}
    return actions


def test_it_is_the_environment_of_one_agent_in_parts():
    """Mutant: the shares of the server in force in place of the one that is chosen."""
    one, many = AllocationEnv("smoke", form="full"), MultiAgentEnv("smoke")
    one.action_space.seed(1)
    one.reset(seed=4)
    many.reset(seed=4)
    while many.agents:
        action = one.action_space.sample()
        _, expected, _, is_over, _ = one.step(action)
        seen, rewards, ended, cut, _ = many.step(split(action, 4, 2))
        assert set(rewards.values()) == {expected}
        assert set(cut.values()) == {is_over}
        assert not any(ended.values())
        assert set(seen) == set(many.possible_agents)
    assert one.results().digest() == many._env.results().digest()


def test_actions_that_are_none_are_refused():
    env = MultiAgentEnv("smoke")
    with pytest.raises(MecsimError, match="call reset"):
        env.step({})
    env.reset(seed=1)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    with pytest.raises(InvalidAllocation, match="actions: server_1 has none"):
        env.step({agent: action for agent, action in actions.items() if agent != "server_1"})
    with pytest.raises(InvalidAllocation, match="action of user_0: must be a mapping with"):
        env.step({**actions, "user_0": 1})
    with pytest.raises(InvalidAllocation, match=r"action server\[0\] = 5: must be a server, 0 to 1"):
        env.step({**actions, "user_0": {**actions["user_0"], "server": 5}})
    with pytest.raises(InvalidAllocation, match="must be an array of whole numbers"):
        env.step({**actions, "user_0": {**actions["user_0"], "server": np.nan}})
    with pytest.raises(InvalidAllocation, match="actions: "):
        env.step({**actions, "server_0": {**actions["server_0"], "bandwidth": [1.0]}})
