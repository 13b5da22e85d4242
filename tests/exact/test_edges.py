"""Runs at the edge of what can be run (verification F15): short, small, empty, and too fine for the clock.

A defined result or a clear refusal; nothing that goes on for ever.
"""

import subprocess
import sys

import pytest

from mecsim.engine.simulation import Simulation
from mecsim.errors import MecsimError
from mecsim.registry import make_policy
from mecsim.results.derive import all_tables


def run(make_scenario, policy, changes=None, seed=1):
    scenario = make_scenario(
        {"users.mobility": {"model": "random_waypoint", "speed_mps": [5, 15]}} | (changes or {})
    )
    simulation = Simulation(scenario, policy, seed, label="my-policy")
    record = simulation.run()
    return record, all_tables(record, simulation.world)


def test_a_run_shorter_than_a_period_has_one_epoch(make_scenario):
    record, tables = run(
        make_scenario, make_policy("nearest"), {"duration_s": 0.01, "reallocation.period_s": 5}
    )
    assert record.counts["epochs"] == len(record.epochs["epoch"]) == 1
    assert record.rounds["outcome"].tolist() == ["unfinished"] * 3
    assert record.rounds["delay_s"].tolist() == pytest.approx([0.01] * 3)
    assert len(tables["generations"]["round"]) == 0


def test_an_epoch_at_the_end_belongs_to_the_next_run(make_scenario):
    record, tables = run(
        make_scenario, make_policy("nearest"), {"duration_s": 10, "reallocation.period_s": 5}
    )
    assert record.epochs["time_s"].tolist() == [0.0, 5.0]
    assert tables["positions"]["time_s"].max() < 10


@pytest.mark.parametrize("mode", ["continuous", "synchronous"])
def test_one_user_one_server(make_scenario, mode):
    changes = {"users.count": 1, "servers.positions_m": [[100, 100]], "workload.rounds": {"mode": mode}}
    record, tables = run(make_scenario, make_policy("gucaa"), changes)
    assert record.counts["rounds"] > 3
    assert len(tables["generations"]["round"]) == record.counts["rounds"]


@pytest.mark.parametrize(
    "mobility",
    [{"model": "static"}, {"model": "random_waypoint", "speed_mps": [1, 2]}],
    ids=lambda m: m["model"],
)
def test_no_arrival_before_the_end_gives_empty_tables(make_scenario, mobility):
    rounds = {"mode": "poisson", "rate_per_s": 1e-9}
    record, tables = run(
        make_scenario, make_policy("nearest"), {"workload.rounds": rounds, "users.mobility": mobility}
    )
    assert all(len(column) == 0 for column in record.rounds.values())
    assert all(len(column) == 0 for column in tables["generations"].values())
    assert record.counts["rounds"] == 0
    assert record.epochs["realised_energy_j"].tolist() == [0.0] * 12
    assert record.ledger["work_started"].sum() == 0


@pytest.mark.parametrize("period_s", [5.0, 7.0])
def test_no_round_starts_before_the_first_decision(make_scenario, period_s):
    """Rounds that arrive at time 0 start with the grants of the decision at time 0."""
    rounds = {"mode": "periodic", "period_s": period_s, "staggered": False}
    record, _ = run(make_scenario, make_policy("nearest:local_fraction=0.25"), {"workload.rounds": rounds})
    first = record.rounds["round"] == 0
    assert record.rounds["start_s"][first].tolist() == [0.0] * 3
    assert record.rounds["local_fraction"][first].tolist() == [0.25] * 3
    assert record.rounds["server_first"][first].min() >= 0
    assert record.epochs["handovers"][0] == 0


STORM = """
import sys
from mecsim.engine.simulation import Simulation
from mecsim.errors import MecsimError
from mecsim.registry import make_policy
from mecsim.scenario.schema import Scenario
try:
    Simulation(Scenario.from_toml(sys.stdin.read()), make_policy("local_only"), 1).run()
except MecsimError as error:
    print(error)
"""


def test_rounds_too_short_for_the_clock_do_not_run_for_ever(make_scenario):
    """A round whose length is lost in rounding never moves the clock: say so instead of going on for ever."""
    changes = {"workload.adapter_params": 1e-3, "workload.token_bits": 1e-3, "duration_s": 60}
    try:
        text = make_scenario(changes).to_toml()
    except MecsimError:
        return  # refused by the scenario: as good
    try:
        done = subprocess.run(
            [sys.executable, "-c", STORM], input=text, capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.fail("still running after a minute")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "it ended without having run and without a word"
