"""Columns of a large CSV text at once, by Arrow, where every line is as the first ones are.

Whatever is not (comments, empty or broken lines, a value that is no number) is left to the reader that goes
line by line and says where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.config.table_file.csv_head import CsvHead
from mecsim.config.table_file.fields import Fields, Table
from mecsim.config.table_file.separators import SIGNS

if TYPE_CHECKING:
    import pyarrow as pa

_FEWEST_BYTES = 1 << 20
_BLOCK_BYTES = 8 << 20
_UNUSUAL = (b"\n#", b"\n\n", b"\n\r\n", b"\0")


def columns_at_once(content: bytes, head: CsvHead, header_line: int, fields: Fields) -> Table | None:
    """Return the columns of a CSV text, or None if it is small or not as regular as that takes.

    Parameters
    ----------
    content : bytes
    head : CsvHead
        What its first lines say.
    header_line : int
        Line of the header, or the first line of values where there is none.
    fields : Fields
    """
    if len(content) < _FEWEST_BYTES or head.separator == "space" or not _is_plain(content, header_line):
        return None
    import pyarrow as pa

    before = header_line if head.has_header else header_line - 1
    try:
        return _read(content, head, before, fields)
    except pa.ArrowException:
        return None


def _is_plain(content: bytes, header_line: int) -> bool:
    start = 0
    for _ in range(header_line):
        start = content.find(b"\n", start) + 1
        if start == 0:
            return False
    if any(content.find(sign, start - 1) >= 0 for sign in _UNUSUAL):
        return False
    if content.count(b"\r") not in (0, content.count(b"\r\n")):
        return False
    try:
        return content.isascii() or bool(content.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _read(content: bytes, head: CsvHead, before: int, fields: Fields) -> Table | None:
    import pyarrow as pa
    from pyarrow import csv

    used = {at: role for role, at in head.places.items()}
    names = [str(at) for at in range(head.width)]
    word = pa.dictionary(pa.int32(), pa.string())
    is_word = {role: role in fields.texts or _is_word(head, role) for role in used.values()}
    reader = csv.open_csv(
        pa.BufferReader(content),
        csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES, skip_rows=before, column_names=names),
        csv.ParseOptions(delimiter=SIGNS[head.separator], quote_char='"', ignore_empty_lines=False),
        csv.ConvertOptions(
            include_columns=[str(at) for at in used],
            column_types={str(at): word if is_word[role] else pa.float64() for at, role in used.items()},
            null_values=[],
            strings_can_be_null=False,
            decimal_point=head.decimal,
        ),
    )
    parts: dict[str, list[NDArray[Any]]] = {role: [] for role in used.values()}
    seen: dict[str, dict[str, int]] = {role: {} for role in used.values() if is_word[role]}
    for batch in reader:
        for at, role in used.items():
            column = batch.column(str(at))
            parts[role].append(_codes(column, seen[role]) if is_word[role] else column.to_numpy())
    rows = sum(map(len, next(iter(parts.values()))))
    if rows != content.count(b"\n") + (not content.endswith(b"\n")) - before:
        return None  # a value goes over several lines
    return _table(head, fields, parts, seen, before)


def _is_word(head: CsvHead, role: str) -> bool:
    return role == "time" and head.time_scale is None


def _codes(column: pa.DictionaryArray, seen: dict[str, int]) -> NDArray[np.int32]:
    """Return which name each value is, numbered in the order of their first appearance in the file."""
    names = [str(name).strip() for name in column.dictionary.to_pylist()]
    numbers = np.array([seen.setdefault(name, len(seen)) for name in names], dtype=np.int32)
    return np.asarray(numbers[column.indices.to_numpy()])


def _table(
    head: CsvHead,
    fields: Fields,
    parts: dict[str, list[NDArray[Any]]],
    seen: dict[str, dict[str, int]],
    before: int,
) -> Table | None:
    """Return the table, or None if a value is no finite number or no name."""
    numbers, texts = dict[str, NDArray[np.float64]](), dict[str, tuple[list[str], NDArray[Any]]]()
    for role in head.roles:
        column = np.concatenate(parts.pop(role))
        if role in fields.texts:
            texts[role] = list(seen[role]), column
            if "" in seen[role]:
                return None
            continue
        if role in seen:
            column = np.array([head.seconds(text) for text in seen[role]])[column]
        elif role == "time":
            column = column * head.time_scale if head.time_scale != 1.0 else column
        if not np.isfinite(column).all():
            return None
        numbers[role] = column
    count = len(next(iter(numbers.values())))
    record = np.arange(1, count + 1)
    return Table(head.roles, numbers, texts, record + before, record, list(head.notes))
