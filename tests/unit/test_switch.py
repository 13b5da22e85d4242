"""Switch: one policy until a moment, another one from then on, and the same bits until it."""

import re

import numpy as np
import pytest
from mecsim_policies.baselines import Gucaa, Nearest
from mecsim_policies.switch import Switch

import mecsim
from mecsim.analysis.diagnostics import run_warnings
from mecsim.engine.simulation import Simulation
from mecsim.policy import Observation, ScenarioInfo
from mecsim.registry import is_builtin, make_policy, policy_version
from mecsim.study.own_policies import is_own
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.verify_results import is_shipped
from mecsim.world.world import World

INFO = ScenarioInfo("x", 3, 2, 60.0, 5.0)


class Draws:
    """A policy that draws at each decision, and counts in ``iterations``."""

    def __init__(self, at_reset=0):
        self.at_reset, self.iterations = at_reset, 0

    def reset(self, info, rng):
        self.rng = rng
        rng.random(self.at_reset)

    def allocate(self, observation):
        self.iterations += 1
        self.drawn = self.rng.random()
        return Nearest().allocate(observation)


@pytest.fixture(scope="module")
def instance(make_scenario):
    return World(make_scenario(), 1).instance(0.0)


def test_the_moment_belongs_to_the_second_policy(instance):
    """Mutant: ``<=``."""
    first, second = Draws(), Draws()
    policy = Switch(first, second, 10.0)
    policy.reset(INFO, np.random.default_rng(1))
    asked = []
    for time_s in (0.0, np.nextafter(10.0, 0.0), 10.0, 11.0, 12.0):
        policy.allocate(Observation.of(instance, time_s=time_s))
        asked.append((first.iterations, second.iterations))
    assert asked == [(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert policy.iterations == second.iterations


def test_a_moment_of_whole_periods_belongs_to_the_second_policy(instance):
    """3 * 0.7 s is below 2.1 s. Mutant: the first policy makes the decision at 2.1 s too."""
    policy = Switch(Draws(), Draws(), 2.1)
    policy.reset(ScenarioInfo("x", 3, 2, 60.0, 0.7), np.random.default_rng(1))
    asked = []
    for k in range(5):
        policy.allocate(Observation.of(instance, time_s=k * 0.7))
        asked.append((policy.policy.iterations, policy.then.iterations))
    assert asked == [(1, 0), (2, 0), (3, 0), (3, 1), (3, 2)]


def test_what_the_second_policy_draws_does_not_change_the_first(instance):
    """Mutant: one generator for both."""
    drawn = []
    for policy in (Draws(), Switch(Draws(), Draws(at_reset=0)), Switch(Draws(), Draws(at_reset=5))):
        policy.reset(INFO, np.random.default_rng(7))
        policy.allocate(Observation.of(instance))
        drawn.append(getattr(policy, "policy", policy).drawn)
    assert drawn[0] == drawn[1] == drawn[2]


def test_runs_are_the_same_until_the_moment_and_others_after(make_scenario):
    """Rounds that ended before the moment, decisions and grants; the past is that of the first policy alone.

    Mutant: the second policy decides everything.
    """
    walk = {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 20]}, "duration_s": 40}
    scenario, at_s = make_scenario(walk), 20.0

    def run(spec):
        return Simulation(scenario, make_policy(spec), 3).run()

    def past(record):
        rounds, epochs, grants = record.rounds, record.epochs, record.allocations
        ended = rounds["start_s"] + rounds["delay_s"] < at_s
        before = epochs["time_s"] < at_s
        granted = grants["epoch"] < before.sum()
        return [
            *(column[ended] for column in rounds.values()),
            *(column[before] for name, column in epochs.items() if not name.startswith(AFTER)),
            *(column[granted] for column in grants.values()),
        ]

    records = [run(spec) for spec in ("rucaa", *(f"switch:policy=rucaa,then={p},at_s=20" for p in THEN))]
    pasts = [past(record) for record in records]
    assert len(pasts[0][0]) > 50
    for other in pasts[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(pasts[0], other, strict=True))
    assert len({record.rounds["delay_s"].tobytes() for record in records}) == len(records)


THEN = ("nearest", "(gucaa:local_fraction=0.2)", "(switch:policy=local_only,then=rucaa,at_s=25)")
# What happens under a decision until the next one, and what it cost to make.
AFTER = ("realised", "idle", "rounds_finished", "decision_cpu_s", "predicted_scr")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("switch:at_s=600", ["600"]),
        ("hysteresis:policy=(switch:at_s=6)", ["6"]),
        ("switch:then=(switch:at_s=9),at_s=5", ["9"]),
        ("switch:then=(switch:at_s=99),at_s=6", ["6"]),
        ("switch:at_s=5", []),
    ],
)
def test_a_moment_after_the_last_decision_is_told(spec, told):
    """Mutants: only the outermost policy is asked; a switch that nobody asked counts; always; never."""
    scenario = mecsim.load_scenario("smoke").with_changes(
        duration_s=6, warmup_s=0, **{"reallocation.period_s": 5}
    )
    warned = run_warnings(mecsim.simulate(scenario, spec))
    assert re.findall(r"at_s = (\d+) is after the last decision", "\n".join(warned)) == told


def test_specs_nest_and_both_policies_are_made():
    policy = make_policy("switch:policy=(gucaa:local_fraction=0.3),then='hysteresis:policy=gucaa',at_s=600")
    assert (type(policy.policy), policy.policy.local_fraction, policy.at_s) == (Gucaa, 0.3, 600.0)
    assert isinstance(policy.then.policy, Gucaa)
    assert is_own(policy)
    assert policy_version("switch:then=gucaa").count(" + ") == 2


def test_a_second_policy_of_others_is_not_ours(tmp_path):
    """Mutants: only ``policy`` is looked at, in each of the places that ask."""
    file = tmp_path / "mine.py"
    file.write_text("from mecsim_policies.baselines import Nearest\nclass Mine(Nearest):\n    pass\n")
    theirs = f"{file}:Mine"
    assert is_builtin("switch", {"then": "gucaa"})
    assert not is_builtin("switch", {"then": theirs})
    assert is_shipped("switch", {"policy": "dashf", "then": "gucaa"})
    assert not is_shipped("switch", {"policy": "dashf", "then": theirs})
    assert PolicyChoice.of(f"switch:then={theirs}").is_foreign
    assert not is_own(Switch(Nearest(), Draws()))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"policy": "nearest", "then": Nearest()}, "policy = 'nearest': must be a policy"),
        ({"policy": Nearest(), "then": 3}, "then = 3: must be a policy"),
        ({"policy": Nearest(), "then": Nearest(), "at_s": -1}, "at_s = -1: must be a number >= 0, in s"),
        ({"policy": Nearest(), "then": Nearest(), "at_s": float("nan")}, "at_s = nan"),
        ({"policy": Nearest(), "then": Nearest(), "at_s": True}, "at_s = True"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        Switch(**parameters)
