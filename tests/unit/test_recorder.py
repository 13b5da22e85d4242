"""The recorder: one row for each thing that happened, in columns."""

import pytest

from mecsim.engine.recorder import _CHUNK_ROWS, Recorder
from mecsim.engine.round import RoundLog
from mecsim.system.phases import WorkTerms
from mecsim.tables import TABLES


def log(user=0, index=0, **values):
    given = {
        "arrival_s": 1.0, "start_s": 3.0, "server_first": 1, "server_last": 0,
        "terms": WorkTerms(0.25, 1e6, 1e6, 1.0, 1.0, 32.0), "uplink_bits": 8e6,
        "time_s": [1.0, 2.0, 4.0, 8.0], "energy_j": [10.0, 20.0, 40.0, 80.0],
        "stall_s": 16.0, "interruption_s": 32.0, "score_s": 6300.0, "handovers": 2, "moved_bits": 5.0,
        "restarts": 3, "epoch": 0,
    }  # fmt: skip
    return RoundLog(user=user, index=index, **(given | values))


def rounds_of(*logs, finished=True):
    recorder = Recorder()
    for each in logs:
        recorder.round(each, "finished" if finished else "unfinished")
    return recorder.rounds()


def test_a_round_goes_to_the_columns_it_belongs_to():
    row = {name: column.tolist() for name, column in rounds_of(log(7, 3)).items()}
    assert row == {
        "user": [7], "round": [3], "server_first": [1], "server_last": [0], "local_fraction": [0.25],
        "start_s": [3.0], "local_s": [1.0], "uplink_s": [2.0], "server_s": [4.0], "downlink_s": [8.0],
        "stall_s": [16.0], "interruption_s": [32.0], "wait_s": [2.0], "delay_s": [63.0],
        "local_j": [10.0], "uplink_j": [20.0], "server_j": [40.0], "downlink_j": [80.0], "energy_j": [150.0],
        "score": [100.0], "handovers": [2], "moved_bits": [5.0], "outcome": ["finished"],
        "restarts": [3], "epoch": [0],
    }  # fmt: skip


def test_the_rounds_have_the_columns_of_the_contract_in_that_order():
    assert list(rounds_of(log())) == [column.name for column in TABLES["rounds"]]


def test_a_row_without_a_column_of_the_contract_is_refused():
    with pytest.raises(KeyError, match="status"):
        Recorder().epoch({"epoch": 0})


def test_a_round_that_was_cut_off_says_so():
    assert rounds_of(log(), finished=False)["outcome"].tolist() == ["unfinished"]


def test_the_score_of_a_round_without_length_is_the_last_one():
    assert (
        log(time_s=[0.0] * 4, stall_s=0.0, interruption_s=0.0, score_s=0.0, last_score=42.0).mean_score()
        == 42.0
    )


@pytest.mark.parametrize("count", [0, 1, _CHUNK_ROWS - 1, _CHUNK_ROWS, _CHUNK_ROWS + 1, 2 * _CHUNK_ROWS + 5])
def test_no_row_is_lost_where_chunks_meet(count):
    rounds = rounds_of(*(log(user=k % 3, index=k) for k in range(count)))
    assert rounds["round"].tolist() == list(range(count))
    assert all(len(column) == count for column in rounds.values())
