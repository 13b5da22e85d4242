"""Same scenario, policy and seed, same bits: docs/verification.md D1, D3, D4, D6, D7.

Bugs they would catch: a random stream shared or drawn in order of use, a set or a dict of objects
walked in order of their hashes, simultaneous events that happen in the order in which they were
scheduled, anything that reads a clock, a world that a policy can change.
"""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest

import mecsim.engine.simulation as simulation_module
from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.simulation import Simulation
from mecsim.registry import list_policies, make_policy
from mecsim.results.derive import all_tables
from mecsim.rng import Purpose, stream
from mecsim.world.world import World

SEEDS = range(6)
NAMES = [
    entry.name
    for entry in list_policies()
    if not entry.error
    and entry.name not in ("exhaustive", "certified", "dashf_reference")  # slow, and refuse
]


@pytest.fixture
def moving(draw_scenario):
    """Return a function from a seed to a moving scenario of half a minute."""
    return lambda seed, duration_s=30: draw_scenario(seed, moving=True, changes={"duration_s": duration_s})


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_bits_twice(moving, random_policy, digest, seed):
    runs = [digest(Simulation(moving(seed), random_policy(seed), seed).run()) for _ in range(2)]
    assert runs[0] == runs[1]
    other = Simulation(moving(seed), random_policy(seed), seed + 1).run()
    assert digest(other) != runs[0], "a digest that never changes"


class Dice:
    """A policy that decides by the generator it is given."""

    def reset(self, info, rng):
        self.rng = rng

    def allocate(self, observation):
        phi = float(self.rng.random())
        return make_policy("nearest", local_fraction=phi).allocate(observation)


@pytest.mark.parametrize("policy", [*NAMES, Dice], ids=str)
def test_the_same_bits_twice_for_policies_that_may_draw(moving, digest, policy):
    """The generator that a policy is given follows from the seed alone."""
    make = Dice if policy is Dice else lambda: make_policy(policy)
    scenario = moving(3, 6 if policy == "local_search" else 15)  # half a second a decision
    runs = [digest(Simulation(scenario, make(), 3).run()) for _ in range(2)]
    assert runs[0] == runs[1]


def test_a_policys_generator_is_another_for_another_seed_and_none_of_the_worlds(moving):
    drawn = []
    for seed in (3, 4):
        policy = Dice()
        Simulation(moving(3), policy, seed)
        drawn.append(policy.rng.random(100))
    worlds = [stream(3, purpose, *([0] * k)).random(100) for purpose in Purpose for k in range(3)]
    own = stream(3, Purpose.POLICY).random(100)
    assert (drawn[0] == own).all()
    assert sum((drawn[0] == other).any() for other in [drawn[1], *worlds]) == 1, (
        "equal to its own stream only"
    )


OTHER_PROCESS = """
import importlib.util, json, sys
from mecsim.engine.simulation import Simulation
from mecsim.scenario.schema import Scenario
from mecsim.world.world import World
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
found = []
for text in json.load(sys.stdin):
    scenario = Scenario.from_toml(text)
    record = Simulation(scenario, shared.RandomPolicy(1), 1).run()
    found.append([World(scenario, 1).digest(), shared.record_digest(record)])
print(json.dumps(found))
"""


def in_another_process(texts, hash_seed, shared):
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, shared],
        input=json.dumps(texts), capture_output=True, text=True, env=environment, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_the_same_bits_in_another_process(moving, random_policy, digest, request):
    scenarios = [moving(seed) for seed in SEEDS]
    here = [
        [World(scenario, 1).digest(), digest(Simulation(scenario, random_policy(1), 1).run())]
        for scenario in scenarios
    ]
    shared = str(request.config.rootpath / "tests" / "conftest.py")
    texts = [scenario.to_toml() for scenario in scenarios]
    assert in_another_process(texts, "1", shared) == in_another_process(texts, "2", shared) == here


class Gambler:
    """A policy that draws from every generator it can reach, and writes nowhere."""

    def __init__(self, policy):
        self.policy = policy

    def reset(self, info, rng):
        self.rng = rng

    def allocate(self, observation):
        self.rng.random(1000)
        np.random.seed(int(self.rng.integers(1 << 31)))  # noqa: NPY002 - what a careless policy does
        np.random.random(1000)  # noqa: NPY002
        np.random.default_rng().random(10)
        return self.policy.allocate(observation)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_world_is_the_same_under_every_policy(moving, random_policy, seed):
    # Two of the worlds for each; half a second a decision: local search has one short world of its own.
    scenario = moving(seed, 6 if seed == 5 else 30)
    untouched = World(scenario, seed).digest()
    names = [name for k, name in enumerate(NAMES) if name != "local_search" and (k + seed) % 3 == 0]
    names += ["local_search"] if seed == 5 else []
    policies = [*(make_policy(name) for name in names), random_policy(seed), Gambler(random_policy(seed))]
    for policy in policies:
        simulation = Simulation(scenario, policy, seed)
        simulation.run()
        assert simulation.world.digest() == untouched == World(scenario, seed).digest()
    assert World(scenario, seed + 1).digest() != untouched
    assert World(scenario.with_changes({"channel.shadowing.sigma_db": 8.1}), seed).digest() != untouched


@pytest.mark.parametrize("seed", SEEDS)
def test_a_policy_that_draws_random_numbers_changes_no_others_numbers(moving, random_policy, digest, seed):
    plain = Simulation(moving(seed), random_policy(seed), seed).run()
    drawing = Simulation(moving(seed), Gambler(random_policy(seed)), seed).run()
    assert digest(drawing) == digest(plain)


class BackwardsClock(Clock):
    """A clock that starts the processes made at one instant in the reverse of that order."""

    made = ()

    def process(self, generator):
        if not self.made:
            self.call_at(self.now, EventKind.EPOCH, 1 << 31, self._start)
        self.made = (generator, *self.made)

    def _start(self):
        made, self.made = self.made, ()
        for generator in made:
            super().process(generator)


@pytest.mark.parametrize("mode", ["synchronous", "periodic", "continuous"])
@pytest.mark.parametrize("sharing", ["reserved", "work_conserving"])
def test_the_order_in_which_users_are_made_does_not_matter(
    draw_scenario, random_policy, digest, monkeypatch, mode, sharing
):
    """D4: events at one instant have an order of their own; here all users start together."""
    rounds = {"mode": mode} | ({"period_s": 5, "staggered": False} if mode == "periodic" else {})
    changes = {
        "workload.rounds": rounds,
        "service.sharing": sharing,
        "duration_s": 30,
        "reallocation.period_s": 5,
    }
    for seed in (1, 4, 7):
        scenario = draw_scenario(seed, moving=True, changes=changes)
        forwards = Simulation(scenario, random_policy(seed), seed).run()
        with monkeypatch.context() as patch:
            patch.setattr(simulation_module, "Clock", BackwardsClock)
            backwards = Simulation(scenario, random_policy(seed), seed).run()
        assert by_user(backwards.rounds) == by_user(forwards.rounds)
        assert backwards.epochs["realised_energy_j"].tolist() == forwards.epochs["realised_energy_j"].tolist()


def test_rounds_that_end_at_one_instant_stand_in_the_order_of_users(make_scenario, digest, monkeypatch):
    """Like users with like work end together; the order of rows is theirs and not that of scheduling."""
    like = {"adapter_params": 1e6, "token_bits": 1e7, "bits_per_param": 0, "rounds": {"mode": "synchronous"}}
    scenario = make_scenario({f"workload.{key}": value for key, value in like.items()} | {"users.count": 7})
    forwards = Simulation(scenario, make_policy("local_only"), 1).run()
    monkeypatch.setattr(simulation_module, "Clock", BackwardsClock)
    backwards = Simulation(scenario, make_policy("local_only"), 1).run()
    assert forwards.rounds["user"].tolist()[:21] == [0, 1, 2, 3, 4, 5, 6] * 3
    assert digest(backwards) == digest(forwards)


def by_user(rounds):
    """Return the table's bits by (user, round): rounds that end at one instant may stand in any order."""
    order = np.lexsort((rounds["round"], rounds["user"]))
    return {name: column[order].tobytes() for name, column in rounds.items()}


def test_progress_and_logging_change_nothing(moving, random_policy, digest, caplog):
    quiet = digest(Simulation(moving(2), random_policy(2), 2).run())
    told = []
    with caplog.at_level(logging.DEBUG):
        simulation = Simulation(moving(2), random_policy(2), 2, label="loud", on_progress=told.append)
        loud = digest(simulation.run())
    assert loud == quiet
    assert told == sorted(told)
    assert len(told) > 0
    assert told[-1] <= 30


def test_recording_positions_more_often_changes_no_other_table(moving, random_policy):
    runs = [
        Simulation(moving(2).with_changes({"record.positions_s": step_s}), random_policy(2), 2)
        for step_s in (10, 0.5)
    ]
    seldom, often = (all_tables(run.run(), run.world) for run in runs)
    assert by_user(seldom["rounds"]) == by_user(often["rounds"])
    assert len(often["positions"]["user"]) == 20 * len(seldom["positions"]["user"])


@pytest.mark.parametrize("seed", range(8))
def test_a_short_run_is_the_start_of_a_long_one(draw_scenario, random_policy, seed):
    """D7: horizon T equals the start of horizon 2T."""
    runs = [
        Simulation(
            draw_scenario(seed, moving=True, changes={"duration_s": duration_s, "record.positions_s": 5}),
            random_policy(seed), seed,
        )
        for duration_s in (25, 50)
    ]  # fmt: skip
    short, long = (all_tables(run.run(), run.world) for run in runs)
    finished = short["rounds"]["outcome"] == "finished"
    count = finished.sum()
    assert finished[:count].all(), "finished rounds come first, as they ended"
    whole = len(short["epochs"]["epoch"]) - 1  # the last epoch is cut short
    samples = len(short["positions"]["time_s"])
    for name, rows in (("rounds", count), ("epochs", whole), ("positions", samples)):
        for column in set(short[name]) - {"decision_cpu_s", "realised_scr"}:
            np.testing.assert_array_equal(short[name][column][:rows], long[name][column][:rows], column)
    later = long["rounds"]["start_s"][count:] + long["rounds"]["delay_s"][count:]
    assert (later >= 25 * (1 - 1e-12)).all()
