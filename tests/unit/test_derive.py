"""Tables that follow from what a run recorded: generations, realised SCR, positions."""

import numpy as np
import pytest

from mecsim.results.derive import generations, positions, realised
from mecsim.system.equations import service_cost_ratio
from mecsim.world.world import World


@pytest.fixture(scope="module")
def world(make_scenario):
    return World(make_scenario({"duration_s": 25, "record.positions_s": 10}), 1)


def table(rows):
    names = ("user", "round", "start_s", "score", "delay_s", "energy_j", "outcome")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def test_a_generation_is_whole_or_not_there(make_scenario):
    """The sum of the scores over the largest delay and the sum of the energies, docs/model.md 13."""
    scenario = make_scenario({"users.count": 2})
    rows = [
        (0, 0, 0.0, 100.0, 5.0, 7.0, "finished"), (0, 1, 5.0, 200.0, 3.0, 1.0, "finished"),
        (1, 0, 1.0, 50.0, 9.0, 2.0, "finished"), (1, 1, 10.0, 60.0, 4.0, 1.0, "unfinished"),
        (0, 2, 8.0, 300.0, 1.0, 1.0, "finished"),
    ]  # fmt: skip
    epochs = {"time_s": np.array([0.0, 1.0, 2.0]), "scr": np.array([10.0, 30.0, 500.0])}
    rounds = table(rows) | {"epoch": np.array([0, 2, 1, 2, 2])}
    made = generations(rounds, epochs, scenario)
    weights = scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j
    assert {name: column.tolist() for name, column in made.items()} == {
        "round": [0], "users": [2], "score": [150.0], "delay_s": [9.0], "energy_j": [9.0],
        "scr": [service_cost_ratio(150.0, 9.0, 9.0, *weights)], "predicted_scr": [20.0],
    }  # fmt: skip


def test_realised_needs_a_round_of_every_user_and_takes_the_last_of_each(make_scenario):
    """A round that ends at the very end of an epoch counts; one cut off by the end of the run never does."""
    scenario = make_scenario({"users.count": 2})
    rows = [
        (1, 0, 0.0, 50.0, 10.0, 2.0, "finished"), (0, 0, 0.0, 100.0, 4.0, 7.0, "finished"),
        (0, 1, 4.0, 200.0, 3.0, 1.0, "finished"), (1, 1, 10.0, 999.0, 9.0, 99.0, "unfinished"),
        (0, 2, 12.0, 300.0, 4.0, 5.0, "finished"),
    ]  # fmt: skip
    found = realised(table(rows), np.array([0.0, 5.0, 10.0, 15.0]), scenario)
    weights = scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j
    second = service_cost_ratio(250.0, 10.0, 3.0, *weights)
    last = service_cost_ratio(350.0, 10.0, 7.0, *weights)
    np.testing.assert_array_equal(found, [np.nan, second, second, last])


def test_a_user_without_a_round_leaves_no_realised_scr(make_scenario):
    scenario = make_scenario({"users.count": 3})
    rows = [(0, 0, 0.0, 1.0, 1.0, 1.0, "finished"), (2, 0, 0.0, 1.0, 1.0, 1.0, "finished")]
    assert np.isnan(realised(table(rows), np.array([0.0, 5.0]), scenario)).all()
    assert realised(table(rows), np.zeros(0), scenario).shape == (0,)


def test_no_round_no_generation(make_scenario):
    nothing = {name: np.zeros(0) for name in ("user", "round", "start_s", "score", "delay_s", "energy_j")}
    rounds = nothing | {"round": np.zeros(0, int), "epoch": np.zeros(0, int), "outcome": np.zeros(0, str)}
    made = generations(rounds, {"time_s": np.zeros(1), "scr": np.ones(1)}, make_scenario())
    assert [len(column) for column in made.values()] == [0] * 7


def test_positions_are_the_worlds_at_every_step_before_the_end(world):
    table = positions(world)
    assert table["time_s"].tolist() == [0.0] * 3 + [10.0] * 3 + [20.0] * 3
    assert table["user"].tolist() == [0, 1, 2] * 3
    place = world.position_m(table["user"], table["time_s"])
    assert (np.stack([table["x_m"], table["y_m"]], axis=1) == place).all()
