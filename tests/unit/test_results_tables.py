"""The output contract: columns, dtypes, the digest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mecsim.errors import ResultStoreError
from mecsim.results.result import Results
from mecsim.scenario.load import load_scenario
from mecsim.study.runner import simulate
from mecsim.tables import MEASURED, TABLES, to_frame


@pytest.fixture(scope="module")
def run() -> Results:
    return simulate("smoke", "gucaa", seed=3)


def columns_of(table: str, rows: int = 3) -> dict[str, np.ndarray]:
    """Return valid columns: counted numbers, or a word."""
    return {
        c.name: np.array(["new"] * rows) if c.dtype == "str" else np.arange(rows).astype(c.dtype)
        for c in TABLES[table]
    }


def changed(run: Results, table: str, column: str, values: pd.Series) -> Results:
    return replace(run, **{table: run.tables[table].assign(**{column: values})})


COLUMNS = {
    # Columns added later stand at the end.
    "rounds": """
        user round server_first server_last local_fraction start_s local_s uplink_s server_s downlink_s
        stall_s interruption_s wait_s delay_s local_j uplink_j server_j downlink_j energy_j score
        handovers moved_bits outcome restarts epoch""",
    "epochs": """
        epoch time_s score delay_s energy_j scr decision_cpu_s iterations status handovers
        realised_energy_j rounds_finished cause in_force_s true_delay_s true_energy_j true_scr
        idle_j realised_scr predicted_scr""",
    "generations": "round users score delay_s energy_j scr predicted_scr",
    "positions": "time_s user x_m y_m",
    "allocations": """
        epoch user server local_fraction bandwidth_hz user_power_w server_power_w user_gpu_flops
        server_gpu_flops""",
}


def test_the_columns_and_their_order_are_promised() -> None:
    assert {name: [c.name for c in columns] for name, columns in TABLES.items()} == {
        name: text.split() for name, text in COLUMNS.items()
    }


@pytest.mark.parametrize("table", TABLES)
def test_every_column_has_a_unit_and_a_meaning(table: str) -> None:
    for column in TABLES[table]:
        assert column.meaning
        assert (column.unit == "") == (column.dtype == "str")
        suffix = column.name.rpartition("_")[2]
        units = {"s": "s", "j": "J", "m": "m", "bits": "bit", "hz": "Hz", "w": "W", "flops": "FLOP/s"}
        if suffix in units:
            assert column.unit == units[suffix]


@pytest.mark.parametrize("table", TABLES)
def test_a_run_keeps_the_contract(run: Results, table: str) -> None:
    frame = run.tables[table]
    assert list(frame.columns) == [c.name for c in TABLES[table]]
    for column in TABLES[table]:
        if column.dtype != "str":
            assert frame[column.name].dtype == column.dtype
    assert len(frame) > 0


def test_narrow_numbers_are_widened_and_columns_put_in_order() -> None:
    columns = columns_of("positions")
    columns["user"] = columns["user"].astype(np.int16)
    frame = to_frame("positions", dict(reversed(columns.items())))
    assert list(frame.columns) == ["time_s", "user", "x_m", "y_m"]
    assert frame["user"].dtype == np.int64


def test_an_empty_table_keeps_its_dtypes() -> None:
    frame = to_frame("generations", columns_of("generations", rows=0))
    assert frame["scr"].dtype == np.float64
    assert frame["users"].dtype == np.int64


def test_all_problems_of_a_table_are_named_at_once() -> None:
    columns = columns_of("positions")
    columns["times_s"] = columns.pop("time_s")
    columns["user"] = columns["user"] + 0.5
    columns["y_m"] = columns["y_m"][:2]
    with pytest.raises(ResultStoreError) as caught:
        to_frame("positions", columns)
    message = str(caught.value)
    assert "positions.time_s: missing" in message
    assert "positions.times_s: not a column of this table; did you mean 'time_s'?" in message
    assert "positions.user: float64" in message
    assert "different lengths" in message


def test_the_digest_repeats_and_another_seed_changes_it(run: Results) -> None:
    assert simulate("smoke", "gucaa", seed=3).digest() == run.digest() == run.manifest["digest"]
    assert simulate("smoke", "gucaa", seed=4).digest() != run.digest()


@pytest.mark.parametrize(("table", "column"), [(t, c) for t in TABLES for c in TABLES[t]])
def test_one_bit_in_any_column_but_the_measured_changes_the_digest(run: Results, table: str, column) -> None:
    """Mutants rejected: a digest of rounded values, of some columns, or one that includes measured time."""
    values = run.tables[table][column.name].copy()
    if column.dtype.startswith("float"):
        last = values.dtype.type(1.0) if np.isnan(values.iloc[-1]) else values.iloc[-1]
        values.iloc[-1] = np.nextafter(last, values.dtype.type(np.inf))
    elif column.dtype.startswith("int"):
        values.iloc[-1] += 1
    else:
        values.iloc[-1] = "other"
    same = changed(run, table, column.name, values).digest() == run.digest()
    assert same == (column.name in MEASURED)


def test_the_digest_sees_rows_swapped_between_columns_and_words(run: Results) -> None:
    """Mutant rejected: a sum or a set over the values instead of their sequence."""
    backwards = run.rounds["delay_s"].to_numpy()[::-1]
    assert changed(run, "rounds", "delay_s", pd.Series(backwards)).digest() != run.digest()
    words = run.epochs["status"].to_numpy().copy()
    words[[0, 1]] = "a", "bc"
    other = words.copy()
    other[[0, 1]] = "ab", "c"
    digests = {changed(run, "epochs", "status", pd.Series(w)).digest() for w in (words, other)}
    assert len(digests) == 2


def test_every_nan_is_the_same_nan(run: Results) -> None:
    """Mutant rejected: raw bytes, where a NaN from 0/0 (sign bit set on x86) differs from numpy's own."""
    other_nan = np.array([0xFFF8000000000001], dtype=np.uint64).view(np.float64)[0]
    assert np.isnan(other_nan)
    assert np.float64(other_nan).tobytes() != np.float64(np.nan).tobytes()
    digests = set()
    for nan in (np.nan, other_nan):
        values = run.epochs["scr"].to_numpy().copy()
        values[0] = nan
        digests.add(changed(run, "epochs", "scr", pd.Series(values)).digest())
    assert len(digests) == 1


def predicted_by_hand(results: Results, *, after: bool = False, mean=np.mean) -> list[float]:
    """Return the promise of each generation, user by user, straight from the definition."""
    finished = results.rounds[results.rounds["outcome"] == "finished"]
    found = []
    for k in results.generations["round"]:
        starts = finished.loc[finished["round"] == k, "start_s"]
        promises = []
        for start_s in starts:
            before = results.epochs["time_s"].lt(start_s) if after else results.epochs["time_s"].le(start_s)
            promises.append(results.epochs.loc[before, "scr"].iloc[-1] if before.any() else np.nan)
        found.append(float(mean(promises)))
    return found


def realised_by_hand(results: Results, *, choose: str = "round", delay=max) -> list[float]:
    """Return the SCR of the last rounds ended by the end of each epoch, straight from the definition."""
    weights = results.manifest["objective"]
    finished = results.rounds[results.rounds["outcome"] == "finished"]
    ended_s = finished["start_s"] + finished["delay_s"]
    ends_s = [*results.epochs["time_s"].iloc[1:], np.inf]
    found = []
    for end_s in ends_s:
        done = finished[ended_s <= end_s]
        last = done.sort_values(choose).groupby("user").tail(1)
        cost = weights["delay_weight_per_s"] * delay(last["delay_s"], default=np.nan)
        cost += weights["energy_weight_per_j"] * last["energy_j"].sum()
        whole = len(last) == results.manifest["users"]
        found.append(float(last["score"].sum() / cost) if whole else np.nan)
    return found


@pytest.fixture(scope="module")
def long_run() -> Results:
    """Return a run in which rounds outlast epochs, and decisions follow the users."""
    return simulate(
        load_scenario("campus").with_changes({"duration_s": 300, "warmup_s": 0}), "nearest", seed=1
    )


def test_predicted_scr_is_the_mean_promise_at_the_users_round_starts(long_run: Results) -> None:
    """Mutants rejected: the epoch before one of the same instant; the first user's or the largest promise."""
    promised = long_run.generations["predicted_scr"].to_numpy()
    assert len(promised) >= 3
    np.testing.assert_allclose(promised, predicted_by_hand(long_run), rtol=1e-12)
    for mutant in ({"after": True}, {"mean": lambda values: values[0]}, {"mean": max}):
        wrong = predicted_by_hand(long_run, **mutant)
        assert not np.allclose(promised, wrong, rtol=1e-9), mutant


def test_realised_scr_is_of_the_last_rounds_ended_in_time(long_run: Results) -> None:
    """Mutants rejected: each user's first or longest round; the mean delay instead of the largest."""
    realised = long_run.epochs["realised_scr"].to_numpy()
    assert np.isnan(realised[0])
    assert len(set(realised[~np.isnan(realised)])) > 5
    np.testing.assert_allclose(realised, realised_by_hand(long_run), rtol=1e-12)

    def average(values, default):
        return values.mean() if len(values) else default

    for mutant in ({"choose": "delay_s"}, {"delay": average}):
        assert not np.allclose(realised, realised_by_hand(long_run, **mutant), rtol=1e-9, equal_nan=True), (
            mutant
        )


def test_promise_and_outcome_agree_where_nothing_moves() -> None:
    """A round under one decision, constant gains and reserved sharing costs what was promised."""
    changes = {"duration_s": 1000, "reallocation.period_s": 1000}
    still = simulate(load_scenario("paper").with_changes(changes), "gucaa", seed=2)
    generations = still.generations
    np.testing.assert_allclose(generations["predicted_scr"], generations["scr"], rtol=1e-9)
    np.testing.assert_allclose(still.epochs["realised_scr"], still.epochs["scr"], rtol=1e-9)
