"""J6: Parquet files whose hash is right, because whoever changed them wrote the manifest too.

Mutants: reading before looking at the metadata, trust in the sizes that the metadata promises, columns of
strings that one word of a dictionary blows up, values that no run records.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mecsim import load_results, load_scenario, simulate
from mecsim.config.table_file import parquet_bounds
from mecsim.config.table_file.parquet_pages import unpacked_bytes
from mecsim.errors import ResultStoreError
from mecsim.results.manifest import MANIFEST, manifest_sha256
from mecsim.results.parquet_file import _arrow_schema, parquet_bytes
from mecsim.results.store import load_run, verify_run

MIB = 1 << 20


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results") / "run"
    simulate("smoke", "nearest", seed=1, out=folder)
    return folder


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "run"))


def put(folder: Path, table: str, content: bytes, rows: int | None = None) -> None:
    """Replace a table, and write the manifest as if it belonged there."""
    (folder / f"{table}.parquet").write_bytes(content)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    entry = manifest["tables"][table]
    entry["sha256"] = hashlib.sha256(content).hexdigest()
    entry["rows"] = entry["rows"] if rows is None else rows
    manifest["sha256"] = manifest_sha256(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")


def frame_of(folder: Path, table: str) -> pd.DataFrame:
    return pd.read_parquet(folder / f"{table}.parquet")


def written(table: pa.Table, **settings: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **settings)
    return sink.getvalue()


def repeated(table: str, rows: int, words: str = "x") -> bytes:
    """Return a table of nothing but zeros and one word: a few kB for any number of rows."""
    schema = _arrow_schema(table)
    columns = [
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, dtype=np.int32)), [words]).cast(field.type)
        if field.type == pa.string() and len(words) * rows < MIB * 100
        else pa.array(np.full(rows, words if field.type == pa.string() else 0), type=field.type)
        for field in schema
    ]
    return written(pa.Table.from_arrays(columns, schema=schema), compression="zstd")


def refused(folder: Path, words: str) -> None:
    for read in (load_run, load_results, lambda place: verify_run(place, metadata=True)):
        began = time.process_time()
        with pytest.raises(ResultStoreError, match=words):
            read(folder)
        assert time.process_time() - began < 3.0


def test_a_bomb_is_refused_before_it_takes_memory(folder: Path) -> None:
    """4 million rows of zeros in some kB, honest in its metadata."""
    content = repeated("positions", 4_000_000)
    assert len(content) < MIB
    put(folder, "positions", content, 4_000_000)
    refused(folder, "positions.parquet: unpacks to .* bytes, must be at most")


def test_a_word_that_every_row_repeats_is_counted(folder: Path) -> None:
    """300 rows of a word of a megabyte: one entry of a dictionary, 300 MB as strings."""
    frame = frame_of(folder, "rounds").head(300).assign(outcome="x" * MIB)
    schema = _arrow_schema("rounds")
    put(folder, "rounds", written(pa.Table.from_pandas(frame, schema=schema), compression="zstd"), 300)
    refused(folder, "rounds.parquet: unpacks to")


def test_pages_count_themselves(folder: Path) -> None:
    """The sum of the pages is what the metadata of an honest file says, headers aside."""
    content = written(pa.table({"a": np.random.default_rng(1).random(200_000)}), compression="zstd")
    chunk = pq.ParquetFile(io.BytesIO(content)).metadata.row_group(0).column(0)
    assert (
        0.99 * chunk.total_uncompressed_size < unpacked_bytes(content, chunk) <= chunk.total_uncompressed_size
    )
    broken = bytearray(content)
    broken[chunk.data_page_offset : chunk.data_page_offset + 20] = b"\xff" * 20
    with pytest.raises(ValueError, match="page"):
        unpacked_bytes(bytes(broken), chunk)


def test_a_million_columns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A footer of megabytes is refused before it is parsed. Here 1,000 columns and a lower bound do."""
    monkeypatch.setattr(parquet_bounds, "MOST_FOOTER_BYTES", 100_000)
    content = written(pa.table({f"c{i}": [1] for i in range(1000)}))
    put(folder, "positions", content, 1)
    refused(folder, "positions.parquet: its footer has")


TABLES: dict[str, tuple[Callable[[pd.DataFrame], pa.Table], str]] = {
    "other names": (
        lambda f: pa.table(f.rename(columns={"x_m": "y"})),
        r"positions\.x_m: missing",
    ),
    "strings": (lambda f: pa.Table.from_pandas(f.astype({"x_m": str})), r"positions\.x_m: "),
    "lists": (lambda f: pa.table({c: [[v] for v in f[c]] for c in f}), r"positions\.time_s: "),
    "dictionaries": (lambda f: pa.table({c: pa.array(f[c]).dictionary_encode() for c in f}), "positions"),
    "nulls": (lambda f: pa.table({c: [None] * len(f) for c in f}), "positions"),
    "no columns": (lambda f: pa.table({}), r"positions\.time_s: missing"),
    "fewer rows": (
        lambda f: pa.table(f.head(3), schema=_arrow_schema("positions")),
        "has 3 rows",
    ),
}


@pytest.mark.parametrize("what", TABLES)
def test_other_tables(folder: Path, what: str) -> None:
    make, words = TABLES[what]
    put(folder, "positions", written(make(frame_of(folder, "positions"))))
    refused(folder, words)


def test_no_parquet_at_all(folder: Path) -> None:
    whole = (folder / "positions.parquet").read_bytes()
    cut = len(whole) - 8
    for content in (
        b"", b"PAR1", b"PAR1PAR1", whole[:-1], whole[: len(whole) // 2], whole[:-4] + b"PARE",
        whole[:cut] + (2**31).to_bytes(4, "little") + b"PAR1", b"PAR1" + bytes(len(whole)) + b"PAR1",
        whole[:40] + bytes(40) + whole[80:], whole[: cut - 300] + bytes(300) + whole[cut:],
    ):  # fmt: skip
        put(folder, "positions", content)
        with pytest.raises(ResultStoreError, match=r"positions\.parquet: "):
            load_run(folder)


CHANGES = {
    "user": -1, "round": 2**40, "server_last": 5000, "start_s": np.nan, "delay_s": np.inf, "energy_j": np.inf,
    "local_fraction": 2.0, "outcome": "won", "handovers": -3,
}  # fmt: skip


@pytest.mark.parametrize("column", CHANGES)
def test_values_that_no_run_records(folder: Path, column: str) -> None:
    frame = frame_of(folder, "rounds")
    frame.loc[3, column] = CHANGES[column]
    put(folder, "rounds", parquet_bytes("rounds", frame))
    for read in (load_run, load_results):
        with pytest.raises(ResultStoreError, match=rf"run/rounds\.parquet: rounds\.{column}: ") as caught:
            read(folder)
        assert "3" in str(caught.value) or column == "outcome"


@pytest.mark.parametrize(("column", "value"), [("epoch", 7), ("status", "\x1b[2J"), ("cause", "x" * 300)])
def test_epochs_that_no_run_has(folder: Path, column: str, value: object) -> None:
    frame = frame_of(folder, "epochs")
    frame.loc[2, column] = value
    put(folder, "epochs", parquet_bytes("epochs", frame))
    with pytest.raises(ResultStoreError, match=rf"epochs\.parquet: epochs\.{column}") as caught:
        load_run(folder)
    assert str(caught.value).isprintable()


def test_tables_in_which_little_happens_are_no_bombs() -> None:
    """The most compressible table that a run writes. Mutant: a bound on the ratio that refuses it."""
    epochs, users = 3000, 20
    frame = pd.DataFrame(
        {
            c.name: np.zeros(epochs * users, dtype=c.type.to_pandas_dtype())
            for c in _arrow_schema("allocations")
        }
    ).assign(epoch=np.repeat(np.arange(epochs), users), user=np.tile(np.arange(users), epochs))
    content = parquet_bytes("allocations", frame)
    assert 34 * len(frame) / len(content) < 500


def test_a_run_without_a_single_round_can_be_read(tmp_path: Path) -> None:
    """Columns without rows have a dictionary, no page of data, and an offset of 0 for it."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 0.001, "warmup_s": 0})
    written_run = simulate(scenario, "nearest", out=tmp_path / "run")
    assert load_run(tmp_path / "run").digest() == written_run.digest()
    for table in ("rounds", "epochs", "generations", "positions", "allocations"):
        empty = written_run.tables[table].head(0)
        put(tmp_path / "run", table, parquet_bytes(table, empty), 0)
    assert len(load_results(tmp_path / "run").rounds) == 0
