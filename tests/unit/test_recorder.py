"""The recorder: one row for each thing that happened, in columns."""

import numpy as np
import pytest

from mecsim.engine.recorder import _CHUNK_ROWS, EpochRow, Recorder, generations, positions, realised
from mecsim.engine.round import RoundLog
from mecsim.system.equations import service_cost_ratio
from mecsim.tables import TABLES
from mecsim.world.world import World


def log(user=0, index=0, **values):
    given = {
        "arrival_s": 1.0, "start_s": 3.0, "server_first": 1, "server_last": 0, "local_fraction": 0.25,
        "adapter_params": 1e6, "flops_per_param": 1e6, "uplink_bits": 8e6,
        "time_s": [1.0, 2.0, 4.0, 8.0], "energy_j": [10.0, 20.0, 40.0, 80.0],
        "stall_s": 16.0, "interruption_s": 32.0, "score_s": 6300.0, "handovers": 2, "moved_bits": 5.0,
        "restarts": 3, "epoch": 0,
    }  # fmt: skip
    return RoundLog(user=user, index=index, **(given | values))


@pytest.fixture(scope="module")
def world(make_scenario):
    return World(make_scenario({"duration_s": 25, "record.positions_s": 10}), 1)


def decided():
    """Return a recorder that knows of one decision, at time 0."""
    recorder = Recorder()
    recorder.epoch(EpochRow(0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0, 0, 0, 0.0, 0, 0, 0.0))
    return recorder


def rounds_of(*logs, world, finished=True):
    recorder = decided()
    for each in logs:
        recorder.round(each, "finished" if finished else "unfinished")
    return recorder.tables(world)["rounds"]


def test_a_round_goes_to_the_columns_it_belongs_to(world):
    row = {name: column.tolist() for name, column in rounds_of(log(7, 3), world=world).items()}
    assert row == {
        "user": [7], "round": [3], "server_first": [1], "server_last": [0], "local_fraction": [0.25],
        "start_s": [3.0], "local_s": [1.0], "uplink_s": [2.0], "server_s": [4.0], "downlink_s": [8.0],
        "stall_s": [16.0], "interruption_s": [32.0], "wait_s": [2.0], "delay_s": [63.0],
        "local_j": [10.0], "uplink_j": [20.0], "server_j": [40.0], "downlink_j": [80.0], "energy_j": [150.0],
        "score": [100.0], "handovers": [2], "moved_bits": [5.0], "outcome": ["finished"],
        "restarts": [3], "epoch": [0],
    }  # fmt: skip


def test_the_tables_have_the_columns_that_are_promised_in_that_order(world):
    recorder = Recorder()
    recorder.round(log(), "unfinished")
    tables = recorder.tables(world)
    for name in ("rounds", "generations", "positions", "allocations"):
        promised = [column.name for column in TABLES[name]]
        assert list(tables[name]) == promised, name
    apart = {"true_delay_s", "true_energy_j", "true_scr"}  # the decider's
    assert set(tables["epochs"]) == {column.name for column in TABLES["epochs"]} - apart


def test_a_round_that_was_cut_off_says_so(world):
    assert rounds_of(log(), world=world, finished=False)["outcome"].tolist() == ["unfinished"]


def test_the_score_of_a_round_without_length_is_the_last_one():
    assert (
        log(time_s=[0.0] * 4, stall_s=0.0, interruption_s=0.0, score_s=0.0, last_score=42.0).mean_score()
        == 42.0
    )


@pytest.mark.parametrize("count", [0, 1, _CHUNK_ROWS - 1, _CHUNK_ROWS, _CHUNK_ROWS + 1, 2 * _CHUNK_ROWS + 5])
def test_no_row_is_lost_where_chunks_meet(world, count):
    rounds = rounds_of(*(log(user=k % 3, index=k) for k in range(count)), world=world)
    assert rounds["round"].tolist() == list(range(count))
    assert all(len(column) == count for column in rounds.values())


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
    made = generations(table(rows), epochs, scenario)
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


def test_no_round_no_generation(world):
    tables = Recorder().tables(world)
    assert all(len(column) == 0 for column in tables["rounds"].values())
    assert all(len(column) == 0 for column in tables["generations"].values())


def test_positions_are_the_worlds_at_every_step_before_the_end(world):
    table = positions(world)
    assert table["time_s"].tolist() == [0.0] * 3 + [10.0] * 3 + [20.0] * 3
    assert table["user"].tolist() == [0, 1, 2] * 3
    place = world.position_m(table["user"], table["time_s"])
    assert (np.stack([table["x_m"], table["y_m"]], axis=1) == place).all()
