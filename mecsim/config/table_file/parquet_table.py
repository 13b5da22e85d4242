"""Tables as Parquet: the columns that play a role, in bounds that hold before they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.config.table_file import columns
from mecsim.config.table_file.columns import Places
from mecsim.config.table_file.csv_head import refuse_other_units
from mecsim.config.table_file.fields import Fields, Role, Table
from mecsim.config.table_file.parquet_bounds import held_bytes, opened
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.style import TableStyle
from mecsim.config.table_file.values import SECONDS, time_reader
from mecsim.errors import UnreadableFile
from mecsim.messages import counted, shortened

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# Constant columns pack to almost nothing; a few MiB do no harm.
MOST_PACKED, ANY_BYTES, MOST_BYTES = 1000, 64 << 20, 2 << 30


def read_parquet_table(content: bytes, fields: Fields, style: TableStyle, problems: Problems) -> Table:
    """Return the columns of a Parquet file that play a role; rows are counted from 1.

    Rows with a problem are told; the caller raises the problems. Rows without any name and number but a time
    are passed over.

    Raises
    ------
    TraceError
        If the table cannot be read at all, or has as many problems as are told.
    """
    import pyarrow as pa

    try:
        return _read(content, fields, style, problems)
    except UnreadableFile as error:
        problems.add(0, str(error))
    except (pa.ArrowException, OSError, ValueError, MemoryError, NotImplementedError) as error:
        what = shortened(" ".join(str(error).split()), 200) or type(error).__name__
        problems.add(0, f"cannot be read as Parquet: {what}")
    problems.raise_any()
    raise AssertionError


def _read(content: bytes, fields: Fields, style: TableStyle, problems: Problems) -> Table:
    file = opened(content)
    header = [field.name for field in file.schema_arrow]
    if columns.numbered(style.columns):
        problems.add(0, "columns: must be names, since a Parquet file has them")
        problems.raise_any()
    places = columns.find(fields, header, style.columns, problems, 0)
    roles = columns.check(fields, header, style.columns, places, problems, 0)
    problems.raise_any()
    places = {role: places[role] for role in roles}
    _check_kinds(file, header, places, fields, problems)
    _check_size(file, content, header, places, problems)
    words = [header[at] for role, at in places.items() if _is_text(file, at)]
    file = opened(content, words)
    read = _Columns(file, header, places, fields, style, problems)
    return read.table(columns.notes(fields, header, places))


def _check_kinds(
    file: pq.ParquetFile, header: list[str], places: Places, fields: Fields, problems: Problems
) -> None:
    """Raise which columns are of a kind that cannot play its role."""
    import pyarrow.types as kinds

    paths = [file.metadata.schema.column(i).path for i in range(file.metadata.num_columns)]
    for role, at in places.items():
        kind = file.schema_arrow.field(at).type
        value = kind.value_type if kinds.is_dictionary(kind) else kind
        is_number = kinds.is_integer(value) or kinds.is_floating(value) or kinds.is_decimal(value)
        is_text = kinds.is_string(value) or kinds.is_large_string(value)
        good = is_number or (is_text and (role in fields.texts or role == "time"))
        good |= role == "time" and kinds.is_timestamp(value)
        if not good or paths.count(header[at]) != 1:
            what = "names or numbers" if role in fields.texts else "numbers"
            what = "numbers or date times" if role == "time" else what
            problems.add(0, f"{shortened(header[at])}: is a column of {shortened(str(kind))}, must be {what}")
    problems.raise_any()


def _check_size(
    file: pq.ParquetFile, content: bytes, header: list[str], places: Places, problems: Problems
) -> None:
    """Raise that the columns would take more memory than a file of this size may."""
    paths = [file.metadata.schema.column(i).path for i in range(file.metadata.num_columns)]
    used = [paths.index(header[at]) for at in places.values()]
    rows = file.metadata.num_rows
    held = sum(file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups))
    most = min(MOST_BYTES, max(ANY_BYTES, MOST_PACKED * len(content)))
    size = max(rows, held) * 8 * len(places) + held_bytes(file, content, used)
    if held != rows:
        problems.add(0, f"has {rows} rows, its parts have {held}")
    if size > most:
        problems.add(0, f"unpacks to {size} bytes, must be at most {most} for a file of {len(content)} bytes")
    problems.raise_any()


def _is_text(file: pq.ParquetFile, at: int) -> bool:
    import pyarrow.types as kinds

    kind = file.schema_arrow.field(at).type
    return bool(kinds.is_string(kind) or kinds.is_large_string(kind))


class _Columns:
    """Reads one column after the other."""

    def __init__(
        self,
        file: pq.ParquetFile,
        header: list[str],
        places: Places,
        fields: Fields,
        style: TableStyle,
        problems: Problems,
    ) -> None:
        self._file, self._header, self._places, self._fields = file, header, places, fields
        self._style, self._problems = style, problems

    def table(self, notes: list[str]) -> Table:
        numbers, texts = dict[Role, NDArray[np.float64]](), dict[Role, tuple[list[str], NDArray[Any]]]()
        wrong = dict[Role, NDArray[np.bool_]]()
        for role, at in self._places.items():
            column = self._file.read(columns=[self._header[at]], use_threads=False).column(0)
            if role in self._fields.texts:
                texts[role] = _names(column)
                wrong[role] = texts[role][1] < 0
            else:
                numbers[role] = self._seconds(column, notes) if role == "time" else _floats(column)
                wrong[role] = ~np.isfinite(numbers[role])
        is_wrong = np.logical_or.reduce(list(wrong.values()))
        record = np.arange(1, len(is_wrong) + 1)
        if is_wrong.any():
            empty = np.logical_and.reduce([each for role, each in wrong.items() if role != "time"])
            if empty.any():
                notes.append(f"{counted(int(empty.sum()), 'row')} without values passed over")
            self._add_problems(is_wrong & ~empty, wrong)
            kept = ~is_wrong
            record = record[kept]
            numbers = {role: column[kept] for role, column in numbers.items()}
            texts = {role: (names, codes[kept]) for role, (names, codes) in texts.items()}
        return Table(tuple(self._places), numbers, texts, record, record, notes)

    def _add_problems(self, where: NDArray[np.bool_], wrong: dict[Role, NDArray[np.bool_]]) -> None:
        for row in np.flatnonzero(where).tolist():
            role = next(role for role, each in wrong.items() if each[row])
            what = "must be a name or number" if role in self._fields.texts else "must be a finite number"
            name = shortened(self._header[self._places[role]])
            self._problems.add(0, f"{name}: is missing or not finite, {what}", row + 1)

    def _seconds(self, column: pa.ChunkedArray, notes: list[str]) -> NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.types as kinds

        if kinds.is_timestamp(column.type):
            notes.append("times as date times, in UTC where they have no zone")
            per_s = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}[column.type.unit]
            whole = column.cast(pa.timestamp(column.type.unit)).cast(pa.int64())
            return np.asarray(_floats(whole) / per_s)
        name = self._header[self._places["time"]]
        unit = self._style.time_unit or columns.unit_in(name)
        if not (kinds.is_dictionary(column.type) or kinds.is_string(column.type)):
            values = _floats(column)
            if unit is None:
                refuse_other_units(
                    float(np.nanmax(np.abs(values), initial=0.0)), shortened(name), self._problems
                )
            elif unit != "s":
                notes.append(f"times in {unit}")
            return values * SECONDS[unit or "s"]
        names, codes = _names(column)
        read, said = time_reader(names[0] if names else "", unit, ".", self._style.time_format)
        notes += filter(None, [said])
        seconds = np.array([*map(read, names), np.nan])
        return np.asarray(seconds[codes])


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN where there is none."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    parts = [chunk.cast(pa.float64(), safe=False) for chunk in column.chunks]
    values = [part.to_numpy(zero_copy_only=False) for part in parts]
    return np.concatenate([np.empty(0), *values])


def _names(column: pa.ChunkedArray) -> tuple[list[str], NDArray[Any]]:
    """Return the names of a column, and which of them each row has; -1 for none."""
    import pyarrow as pa

    seen: dict[str, int] = {}
    parts = [np.empty(0, dtype=np.int32)]
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        names = ["" if name is None else str(name).strip() for name in coded.dictionary.to_pylist()]
        # Numbered by their first row, whatever the order of the words in the file.
        indices = coded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)
        used, first = np.unique(indices, return_index=True)
        numbers = np.full(len(names) + 1, -1, dtype=np.int32)
        for word in used[np.argsort(first)].tolist():
            if word < len(names) and names[word]:
                numbers[word] = seen.setdefault(names[word], len(seen))
        parts.append(numbers[indices])
    return list(seen), np.concatenate(parts)
