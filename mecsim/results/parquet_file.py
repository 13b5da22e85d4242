"""Tables as Parquet: written with unit and meaning of each column, read without trust in the file."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.config.bounded_file import read_bounded
from mecsim.config.table_file.parquet_bounds import held_bytes, opened
from mecsim.errors import ResultStoreError, UnreadableFile
from mecsim.results.manifest import ADVICE
from mecsim.tables import Column, columns_of, table_problems

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

MOST_BYTES = 2 << 30
# Constant columns pack to almost nothing: the tables of a run in which little happens pack 300 times.
MOST_PACKED, ANY_BYTES = 1000, 64 << 20
_COMPRESSION = "zstd"


def parquet_bytes(table: str, frame: pd.DataFrame) -> bytes:
    """Return a table as the content of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _arrow_schema(table, frame.columns)
    # Through numpy: taken from pandas, a NaN would become a null, which is not a number that failed.
    columns = [pa.array(frame[field.name].to_numpy(), type=field.type) for field in schema]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression=_COMPRESSION)
    return bytes(sink.getvalue())


def read_table(root: Path, table: str, entry: dict[str, Any]) -> pa.Table:
    """Return one table of a run folder; ``entry`` is its entry in the manifest.

    Raises
    ------
    ResultStoreError
        If it is not the table that was written, or would take far more memory than its size suggests.
    """
    path = root / f"{table}.parquet"
    with _refusals(path):
        # What pandas may have stored there, such as columns to be made the index, is not part of a table.
        return _checked(path, table, entry).read(use_threads=False).replace_schema_metadata(None)


def check_table(root: Path, table: str, entry: dict[str, Any]) -> None:
    """Check one table of a run folder as far as its hash and metadata go, without reading its columns.

    Raises
    ------
    ResultStoreError
        As :func:`read_table`.
    """
    path = root / f"{table}.parquet"
    with _refusals(path):
        _checked(path, table, entry)


def checked_bytes(path: Path, entry: dict[str, Any]) -> bytes:
    """Return the content of a table's file.

    Raises
    ------
    ResultStoreError
        If it cannot be read, or its SHA-256 is not that of the manifest.
    """
    try:
        content = read_bounded(path, MOST_BYTES)
    except UnreadableFile as error:
        raise ResultStoreError(f"{path}: {error}; {ADVICE}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ResultStoreError(f"{path}: is not the file that was written (its SHA-256 differs); {ADVICE}")
    return content


def _arrow_schema(table: str, names: Collection[str] = ()) -> pa.Schema:
    """Return the parquet schema of a table; unit and meaning of each column travel in the file."""
    return _schema_of(columns_of(table, names))


@cache
def _schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    import pyarrow as pa

    def field(column: Column) -> pa.Field:
        return pa.field(
            column.name,
            pa.string() if column.dtype == "str" else pa.from_numpy_dtype(column.dtype),
            nullable=False,
            metadata={"unit": column.unit, "meaning": column.meaning},
        )

    return pa.schema([field(column) for column in columns])


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises about a file into a `ResultStoreError`."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        raise ResultStoreError(f"{path}: cannot be read as Parquet: {_one_line(error)}; {ADVICE}") from error


def _checked(path: Path, table: str, entry: dict[str, Any]) -> pq.ParquetFile:
    """Return the file of a table, opened, once its hash and metadata have been checked."""
    content = checked_bytes(path, entry)
    file = _opened(path, content)
    if problems := list(_metadata_problems(table, file, entry["rows"], content)):
        raise ResultStoreError("\n".join(f"{path}: {problem}; {ADVICE}" for problem in problems))
    return file


def _opened(path: Path, content: bytes) -> pq.ParquetFile:
    """Return the file with its footer parsed."""
    try:
        return opened(content)
    except UnreadableFile as error:
        raise ResultStoreError(f"{path}: {error}; {ADVICE}") from error


def _metadata_problems(table: str, file: pq.ParquetFile, rows: int, content: bytes) -> Iterator[str]:
    """Yield why a table should not be read; its metadata may say anything."""
    import numpy as np

    columns = columns_of(table, file.schema_arrow.names)
    if not file.schema_arrow.equals(_arrow_schema(table, file.schema_arrow.names)):
        kinds = {field.name: _numpy_kind(field.type) for field in file.schema_arrow}
        arrays = {name: np.empty(0, dtype=kind) for name, kind in kinds.items()}
        yield from table_problems(table, arrays) or ["types differ from the contract"]
        return
    metadata = file.metadata
    if metadata.num_rows != rows:
        yield f"has {metadata.num_rows} rows, the manifest says {rows}"
    width = sum(8 if column.dtype == "str" else np.dtype(column.dtype).itemsize for column in columns)
    size, most = width * metadata.num_rows, max(ANY_BYTES, MOST_PACKED * len(content))
    texts = [i for i, column in enumerate(columns) if column.dtype == "str"]
    held = sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
    size += held_bytes(file, content, range(metadata.num_columns), texts)
    if held != metadata.num_rows:
        yield f"has {metadata.num_rows} rows, its parts have {held}"
    if size > most:
        yield f"unpacks to {size} bytes, must be at most {most} for a file of {len(content)} bytes"


def _numpy_kind(kind: pa.DataType) -> Any:
    """Return the numpy type of a column of another table; object for what numpy does not have."""
    import numpy as np

    try:
        return np.dtype(kind.to_pandas_dtype())
    except (NotImplementedError, TypeError):
        return np.dtype(object)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
