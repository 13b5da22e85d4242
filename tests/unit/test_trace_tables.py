"""Traces as large CSV files and as Parquet: the same samples as line by line, and as pandas reads them."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mecsim.cli import main
from mecsim.config.table_file import csv_columns, parquet_table
from mecsim.errors import TraceError
from mecsim.world.traces.formats import HowToRead
from mecsim.world.traces.read import load_trace, parse_trace
from mecsim.world.traces.table_trace import read_csv, read_parquet

COLUMNS = ("ids", "first", "time_s", "place", "geo", "line", "breaks")


def same(one, other, *, lines=True):
    assert one.ids == other.ids
    for name in COLUMNS[1:] if lines else ("first", "time_s", "place"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def text(separator=",", comma=False, times=str, rows=60):
    rng = np.random.default_rng(3)
    lines = [separator.join(("lane", "t_s", "user_id", "x_m", "y_m"))]
    for k in range(rows):
        place = [f"{value:.3f}".replace(".", "," if comma else ".") for value in rng.normal(0, 1e3, 2)]
        lines.append(separator.join(("L", times(k // 4), f"car {k % 4}", *place)))
    return ("\n".join(lines) + "\n").encode()


@pytest.mark.parametrize(
    "content",
    [
        text(),
        text(";", comma=True),
        text("\t").replace(b"\n", b"\r\n"),
        text().replace(b"car 3", b'"car ""3"""').replace(b"\nL,5,", b'\n"L, or M","5",'),
        b"# a comment\n\n" + text(times=lambda k: f"2024-05-01T08:00:{k:02d}Z"),
        text(times=lambda k: f"00:01:{k:02d}").replace(b"car 0", b" car 0 ").rstrip(b"\n"),
    ],
    ids=["plain", "comma", "tab", "quotes", "date", "clock"],
)
def test_columns_at_once_are_those_of_every_line(content, monkeypatch):
    """The fast way and the one that goes line by line. Mutants: users by name; lines from the first value."""
    slow = read_csv(content, "t.csv")
    used = []

    def at_once(*arguments):
        used.append(found(*arguments))
        return used[-1]

    found = csv_columns.columns_at_once
    monkeypatch.setattr(csv_columns, "_FEWEST_BYTES", 0)
    monkeypatch.setattr(csv_columns, "_BLOCK_BYTES", 400)
    monkeypatch.setattr("mecsim.config.table_file.csv_table.columns_at_once", at_once)
    same(read_csv(content, "t.csv"), slow)
    assert used[0] is not None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\nL,5,", b'\n"L\nM",5,'),
        (b"\nL,5,", b"\n\nL,5,"),
        (b"\nL,5,", b"\n#\nL,5,"),
        (b"\nL,5,", b"\nL,+5,"),
    ],
)
def test_what_is_unusual_is_read_line_by_line(old, new, monkeypatch):
    """Mutant: lines are counted as rows where a value has two of them."""
    slow = read_csv(text().replace(old, new), "t.csv")
    monkeypatch.setattr(csv_columns, "_FEWEST_BYTES", 0)
    same(read_csv(text().replace(old, new), "t.csv"), slow)
    assert slow.ids[3] == "car 3"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"\nL,5,", b"\nL,five,", "t.csv:22: record 21: t_s = five: must be a finite number"),
        (b"\nL,5,", b"\nL,nan,", "t.csv:22: record 21: t_s = nan: must be a finite number"),
        (b"\nL,5,", b"\nL,", "t.csv:22: record 21: has 4 values, must have 5"),
        (b"\nL,5,car 0,", b"\nL,5,,", "t.csv:22: record 21: user_id: is empty, must be a name or number"),
        (b"\nL,5,", b"\nL,1,", "t.csv:22: record 21: time 1 s: earlier than the sample of user car 0"),
    ],
)
def test_problems_of_a_large_file_have_line_and_record(old, new, told, monkeypatch):
    monkeypatch.setattr(csv_columns, "_FEWEST_BYTES", 0)
    with pytest.raises(TraceError) as caught:
        read_csv(text().replace(old, new), "t.csv")
    assert any(line.startswith(told) for line in caught.value.problems), caught.value.problems


def packed(frame, **options):
    out = io.BytesIO()
    pq.write_table(frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame), out, **options)
    return out.getvalue()


@pytest.fixture
def frame():
    return pd.read_csv(io.BytesIO(text()))


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"user_id": lambda f: f.user_id.astype("category")},
        {"t_s": lambda f: f.t_s.astype("int32")},
        {"t_s": lambda f: pd.to_datetime(f.t_s, unit="s", utc=True)},
        {"t_s": lambda f: pd.to_datetime(f.t_s, unit="s").astype(str)},
        {"x_m": lambda f: f.x_m.astype(object)},
    ],
)
def test_parquet_is_as_pandas_reads_it(frame, change):
    """Mutant: the words of a dictionary in their own order number the users."""
    trace = read_parquet(packed(frame.assign(**change), row_group_size=7), "t.parquet")
    same(trace, read_csv(text(), "t.csv"), lines=False)
    assert trace.line[0] == 1
    ours = frame.groupby("user_id", sort=False)
    assert list(ours.groups) == list(trace.ids)
    assert trace.place[: trace.first[1]].tolist() == ours.get_group("car 0")[["x_m", "y_m"]].values.tolist()


def test_columns_and_units_of_parquet(frame, tmp_path, capsys):
    path = tmp_path / "town"  # known by its content
    path.write_bytes(
        packed(frame.rename(columns={"t_s": "when", "user_id": "CellID"}).assign(when=1500.0)[:1])
    )
    how = HowToRead(columns=(("time", "when"), ("user", "CellID")), time_unit="ms")
    trace = load_trace(path, how=how)
    assert trace.time_s.tolist() == [1.5]
    assert trace.notes[:3] == ("format = 'parquet', by its content", "time = when", "user = CellID")
    assert main(["trace", "info", str(path), "--column", "time=when", "--column", "user=CellID"]) == 0
    assert "columns passed over: lane" in capsys.readouterr().out


def test_rows_without_anybody_are_passed_over_and_half_of_one_is_not(frame):
    """As SUMO writes for steps without vehicles."""
    frame.loc[5, ["user_id", "x_m", "y_m"]] = None
    assert "1 row without values passed over" in read_parquet(packed(frame), "t").notes
    frame.loc[[7, 9], "x_m"] = np.nan
    frame.loc[8, "user_id"] = None
    with pytest.raises(TraceError) as caught:
        read_parquet(packed(frame), "t")
    assert caught.value.problems == (
        "t: record 8: x_m: is missing or not finite, must be a finite number",
        "t: record 9: user_id: is missing or not finite, must be a name or number",
        "t: record 10: x_m: is missing or not finite, must be a finite number",
    )


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"t_s": [0], "user_id": ["a"], "x_m": ["1"], "y_m": [1]}, "x_m: is a column of string, must be num"),
        ({"t_s": [0], "user_id": [["a"]], "x_m": [1], "y_m": [1]}, "user_id: is a column of list<"),
        ({"t_s": [0], "user_id": ["a"], "X": [1]}, "y_m: this column is missing"),
        ({"t_s": [1e12], "user_id": ["a"], "x_m": [1], "y_m": [1]}, "give time_unit, such as 'ms'"),
        ({"t_s": [], "user_id": [], "x_m": [], "y_m": []}, "is a column of null"),
    ],
)
def test_what_parquet_may_not_hold(columns, told):
    with pytest.raises(TraceError, match="t: ") as caught:
        read_parquet(packed(pa.table(columns)), "t")
    assert told in str(caught.value)


def test_a_parquet_bomb_is_refused_before_it_is_read(monkeypatch):
    """Constant columns of four million rows are a file of kilobytes. Mutant: the size of the file only."""
    rows = 4_000_000
    table = pa.table({"t_s": np.zeros(rows), "x_m": np.zeros(rows), "y_m": np.zeros(rows)})
    table = table.append_column("user_id", pa.array(["a"]).take(pa.array(np.zeros(rows, dtype=np.int32))))
    content = packed(table, compression="zstd")
    assert len(content) < 100_000
    monkeypatch.setattr(parquet_table, "_Columns", None)
    with pytest.raises(TraceError, match=r"t: unpacks to \d+ bytes, must be at most \d+ for a file of"):
        parse_trace(content, "t", "parquet")


def test_a_cut_or_empty_parquet_file_is_an_error(frame):
    for content in (b"", b"PAR1", packed(frame)[:-9], packed(frame)[:-8] + b"\xff\xff\xff\x7fPAR1"):
        with pytest.raises(TraceError, match="t: is no whole Parquet file"):
            parse_trace(content, "t", "parquet")
