"""What the report packs for its replay: positions, rounds and grants, whole and in their order."""

import base64
import gzip
import math

import numpy as np
import pandas as pd
import pytest

from mecsim import load_scenario, simulate
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.pack import pack_grants, pack_positions, pack_rounds, switch_times
from mecsim.analysis.report.replay import ReplayData
from mecsim.results.store import load_run


def unpack(packed):
    data = gzip.decompress(base64.b64decode(packed.text))
    return {c["name"]: np.frombuffer(data, c["type"], c["length"], c["at"]) for c in packed.layout}


def a_run(study):
    return load_run(sorted(path.parent for path in study.glob("*/manifest.json"))[0])


def test_positions_are_packed_by_user_then_time(study):
    """Mutant: rows in the order of the table, which is by time."""
    results = a_run(study)
    columns, table = unpack(pack_positions(results, math.inf)), results.positions
    for user, own in table.groupby("user"):
        rows = slice(columns["first"][user], columns["first"][user + 1])
        for name in ("time_s", "x_m", "y_m"):
            np.testing.assert_array_equal(columns[name][rows], own[name].to_numpy(np.float32))
    assert not np.array_equal(columns["time_s"], table["time_s"].to_numpy(np.float32))


def test_rounds_are_packed_whole_and_cut_by_time(study):
    results = a_run(study)
    columns = unpack(pack_rounds(results, math.inf))
    assert len(columns["start_s"]) == len(results.rounds) == columns["first"][-1]
    assert columns["score"].sum() == pytest.approx(results.rounds["score"].sum(), rel=1e-5)
    assert set(columns["outcome"]) == {0, 1}
    half = unpack(pack_rounds(results, 60.0))
    assert len(half["start_s"]) == (results.rounds["start_s"] <= 60.0).sum() < len(results.rounds)


def test_grants_are_packed_where_they_change_and_end_where_a_decision_is_without_the_user():
    """Mutants: a row left out though a decision without the user lay between; ends forgotten."""
    scenario = load_scenario("smoke").with_changes({
        "duration_s": 100,
        "users.arrivals": {"rate_per_s": 0.2, "stay_s": {"exponential": 20}},
    })  # fmt: skip
    results = simulate(scenario, "gucaa", 3)
    columns = unpack(pack_grants(results, math.inf))
    epochs = results.epochs[results.epochs["in_force_s"].notna()]
    names = ["server", "bandwidth_hz", "user_power_w", "server_gpu_flops", "local_fraction"]
    table = results.allocations.set_index(["epoch", "user"])[names]
    none = 0
    for user in results.allocations["user"].unique():
        rows = slice(columns["first"][user], columns["first"][user + 1])
        for epoch, at_s in epochs[["epoch", "in_force_s"]].to_numpy():
            row = np.searchsorted(columns["in_force_s"][rows], np.float32(at_s), side="right") - 1
            found = [columns[name][rows][row] for name in names] if row >= 0 else [math.nan] * 5
            if (epoch, user) in table.index:
                np.testing.assert_array_equal(found, table.loc[(epoch, user)])
            else:
                none += row >= 0
                assert math.isnan(found[1])
    assert none > 5
    assert columns["first"][-1] == len(columns["server"]) < len(results.allocations)
    cut = unpack(pack_grants(results, 50.0))
    assert 40 < cut["in_force_s"].max() <= 50


def test_grants_that_are_not_recorded_are_not_there_rather_than_none(tmp_path):
    scenario = load_scenario("smoke").with_changes({"duration_s": 20, "record.allocations": False})
    simulate(scenario, "gucaa", out=tmp_path / "run")
    replay = ReplayData(collect(tmp_path))
    assert [run["grants"] for run in replay.header["runs"]] == [None]
    assert not any(name.startswith("grants") for name in replay.blobs)


def test_a_round_changes_its_server_at_the_decision_that_moved_users():
    """Mutants: the first decision after the round; a round without a handover."""
    rounds = pd.DataFrame({"start_s": [0.0, 7.0, 0.0], "delay_s": [6.0, 2.0, 30.0], "handovers": [1, 0, 2]})
    epochs = pd.DataFrame({"in_force_s": [0.0, 5.0, 10.0, math.nan, 20.0], "handovers": [0, 1, 0, 3, 2]})
    np.testing.assert_array_equal(switch_times(rounds, epochs), [5.0, math.nan, 20.0])
