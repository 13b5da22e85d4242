"""The Gymnasium environments: Gymnasium's own checker, the tables of simulate, rewards, hostile actions."""

import warnings

import numpy as np
import pytest
from mecsim_policies.baselines import Nearest

from mecsim import load_scenario, make_policy, simulate
from mecsim.engine.simulation import Simulation, _info
from mecsim.errors import InvalidAllocation, MecsimError
from mecsim.registry import list_policies
from mecsim.rng import Purpose, stream
from mecsim.scenario.shipped import shipped_files
from mecsim.world.world import World

gymnasium = pytest.importorskip("gymnasium", reason="the rl extra is not installed")
from gymnasium.utils.env_checker import check_env  # noqa: E402

from mecsim.rl.env import ENVIRONMENTS  # noqa: E402

SHORTER = {
    # The checker wants more than one step, and does not need a day.
    **{name: {"reallocation.period_s": 600.0} for name in ("paper", "paper-20", "paper-capped")},
    "day": {"duration_s": 7200.0, "calendar.outages": None},
}

# Two decisions, after which rounds still end.
BRIEF = {"duration_s": 9.0, "warmup_s": 0.0, "users.count": 3, "users.energy_budget_w": 60.0}

CHURN = {
    "users.count": 0,
    "users.arrivals": {"rate_per_s": 0.2, "stay_s": {"exponential": 15}},
    "users.max_present": 5,
    "users.battery": {"capacity_j": {"uniform": [100, 1000]}, "idle_w": 1.0},
    "reallocation.events": ["round_start", "arrival", "departure"],
    "reallocation.min_interval_s": 0.3,
    "calendar.failures": {"mtbf_s": 20, "mttr_s": 5},
}


def make(form="Association", scenario="smoke", **options):
    name = f"mecsim/{form}-v0"
    return gymnasium.make(name, scenario=scenario, disable_env_checker=True, **options).unwrapped


def episode(env, policy, seed):
    """Return the results and the rewards of an episode with the actions that a policy's answers are."""
    env.reset(seed=seed)
    if hasattr(policy, "reset"):
        policy.reset(_info(env.scenario, env.run.simulation.world), stream(seed, Purpose.POLICY))
    rewards, over = [], False
    while not over:
        answer = policy.allocate(env.observation)
        answer = env.observation.allocation if answer is None else answer
        _, reward, _, over, info = env.step(env.encode(answer))
        rewards.append(reward if info["reward_is_defined"] else np.nan)
    return env.results(), rewards


class Coded:
    """A policy whose answers pass through the code of actions."""

    def __init__(self, policy, code):
        self.policy, self.code = policy, code

    def reset(self, info, rng):
        if hasattr(self.policy, "reset"):
            self.policy.reset(info, rng)

    def allocate(self, seen):
        slot, answer = np.arange(seen.instance.user_count), self.policy.allocate(seen)
        return self.code.decode(self.code.encode(answer or seen.allocation, seen, slot), seen, slot)


@pytest.mark.parametrize("name", [*shipped_files(), "churn"])
def test_the_checker_has_nothing_to_say(name):
    """Every form of actions in three scenarios. Mutant: an observation above its bound; a seed dropped."""
    changes = CHURN if name == "churn" else SHORTER.get(name, {})
    scenario = load_scenario("smoke" if name == "churn" else name).with_changes(changes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        everywhere = name in ("smoke", "churn", "paper")
        for name in ENVIRONMENTS if everywhere else ["mecsim/Full-v0"]:
            kind = "dict" if name == "mecsim/AssociationRatio-v0" else "flat"
            env = gymnasium.make(name, scenario=scenario, observation=kind, disable_env_checker=True)
            check_env(env.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("name", ["smoke", "churn", "gpx-walk"])
def test_nearest_gives_the_tables_of_simulate_and_the_realised_scr(name):
    """Mutant: the last rounds of users who have left count; more BLAS threads than one."""
    changes = {"gpx-walk": {"duration_s": 400.0, "warmup_s": 0.0}, "churn": CHURN}.get(name, {})
    scenario = load_scenario("smoke" if name == "churn" else name).with_changes(changes)
    expected = simulate(scenario, "nearest", 3)
    results, rewards = episode(make(scenario=scenario), Nearest(), 3)
    assert results.digest() == expected.digest()
    asked = expected.epochs["status"] != "empty"
    # The reward is that of the last epoch before the next decision; before the first one there is none.
    rewarded = asked.shift(-1, fill_value=True) & asked.cummax()
    np.testing.assert_array_equal(rewards, expected.epochs["realised_scr"][rewarded])


SEARCHES = ("certified", "exhaustive", "local_search", "dashf_reference")
# Those that do not do without, and one that is quick with few nodes.
PARAMETERS = {
    "certified": {"max_nodes": 2},
    "switch": {"policy": "gucaa", "then": "water_filling", "at_s": 3.0},
}


@pytest.mark.parametrize("policy", [entry.name for entry in list_policies()])
def test_other_policies_give_those_of_the_coded_policy_and_nearly_their_own(policy):
    """Mutant: shares divided by their sum where it is below 1."""
    few = {"users.count": 2} if policy in SEARCHES else {}
    scenario, parameters = load_scenario("smoke").with_changes(BRIEF | few), PARAMETERS.get(policy, {})
    env = make("Full", scenario)
    results, _ = episode(env, make_policy(policy, **parameters), 1)
    coded = simulate(scenario, Coded(make_policy(policy, **parameters), env.code), 1)
    assert results.digest() == coded.digest()
    plain = simulate(scenario, make_policy(policy, **parameters), 1).rounds
    assert len(plain) > 5
    numbers = plain.select_dtypes("number").columns
    np.testing.assert_allclose(results.rounds[numbers], plain[numbers], rtol=1e-9, atol=1e-9)


def test_an_episode_is_the_world_of_its_replication():
    env = make()
    env.reset(seed=5)
    assert env.run.simulation.world.digest() == World(env.scenario, 5).digest()
    assert env.run.simulation.world.digest() != World(env.scenario, 6).digest()
    seeds = [env.reset(seed=5)[1]["seed"], *(env.reset()[1]["seed"] for _ in range(2))]
    assert len(set(seeds)) == 3
    env.reset(seed=5)
    assert env.reset()[1]["seed"] == seeds[1]


def test_users_without_slot_are_served():
    env = make("Full", slots=2)
    env.reset(seed=1)
    action = env.action_space.sample()
    for values in action.values():
        values[:] = 1
    allocation = env.decode(action)
    assert allocation.violations(env.observation.instance) == ()
    assert (allocation.bandwidth_hz > 0).all()
    assert env.step(action)[4]["users_without_slot"] == 2


@pytest.mark.parametrize(
    ("part", "value", "told"),
    [
        ("server", [0, 0, 0], "action server = array of shape (3,): the shape must be (4,)"),
        ("server", [0, 0, 0, 2], "action server[3] = 2: must be a server, 0 to 1"),
        ("server", [0.0] * 4, "action server = array of float64: must be an array of whole numbers"),
        ("bandwidth", [0, np.nan, 0, 0], "action bandwidth[1] = nan: must be a number from 0 to 1"),
        ("local_fraction", [0, 0, -0.1, 0], "action local_fraction[2] = -0.1: must be a number from 0 to 1"),
        ("user_gpu", ["a"] * 4, "action user_gpu = array of <U1: must be an array of numbers"),
        ("extra", 1, "must be a mapping with server, local_fraction, bandwidth, user_power"),
    ],
)
def test_hostile_actions_are_refused(part, value, told):
    env = make("Full")
    env.reset(seed=1)
    with pytest.raises(InvalidAllocation) as raised:
        env.step({**env.action_space.sample(), part: value})
    assert told in str(raised.value)
    env.step(env.action_space.sample())  # and no harm was done


def test_steps_out_of_turn_and_wrong_options_are_refused():
    env = make()
    with pytest.raises(MecsimError, match="call reset"):
        env.step(env.action_space.sample())
    with pytest.raises(MecsimError, match="must be 'flat' or 'dict'"):
        make(observation="flatt")
    for wrong in ("2", True, 2.5, 0):
        with pytest.raises(MecsimError, match=r"slots = .*: must be a whole number >= 1"):
            make(slots=wrong)
    with pytest.raises(MecsimError, match=r"local_fraction = '0.5': must be a number from 0 to 1"):
        make(local_fraction="0.5")
    with pytest.raises(MecsimError, match=r"reward = 'realised_sc': .*did you mean 'realised_scr'"):
        make(reward="realised_sc")
    with pytest.raises(MecsimError, match=r"reward = 3: must be a function of an epoch, or 'realised_scr'"):
        make(reward=3)
    with pytest.raises(MecsimError, match="deadline"):
        make(reward="deadline_misses")
    episode(env, Nearest(), 1)
    with pytest.raises(MecsimError, match="the run is over"):
        env.step(env.action_space.sample())


def test_rewards_by_metric_are_those_of_the_rounds_that_ended_in_the_epoch():
    """Mutant: the rounds that began in it."""
    results, rewards = episode(make(reward="delay_s"), Nearest(), 1)
    rounds = results.rounds[results.rounds["outcome"] == "finished"]
    epoch = np.searchsorted(results.epochs["time_s"], rounds["start_s"] + rounds["delay_s"]) - 1
    np.testing.assert_allclose(rewards, -rounds.groupby(epoch)["delay_s"].mean())
    _, rewards = episode(make(reward=lambda epoch: epoch.end_s), Nearest(), 1)
    assert rewards == [5.0 * k for k in range(1, 13)]
    with pytest.raises(MecsimError, match="must be a finite number"):
        episode(make(reward=lambda epoch: np.inf), Nearest(), 1)


def test_the_map_has_the_servers_and_users():
    env = make(render_mode="rgb_array")
    env.reset(seed=1)
    picture = env.render()
    assert picture.dtype == np.uint8
    assert picture.shape == (240, 480, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10


def test_the_loop_goes_on_where_it_paused():
    """Mutant: a pause that also skips what happens at the same instant."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 20.0})
    simulation = Simulation(scenario, Nearest(), 2)
    while (seen := simulation.advance()) is not None:
        simulation.decisions.take(simulation.guard.decide(seen))
    stepped, whole = simulation.record(), Simulation(scenario, Nearest(), 2).run()
    assert stepped.counts == whole.counts
    for name, column in whole.rounds.items():
        np.testing.assert_array_equal(stepped.rounds[name], column)
