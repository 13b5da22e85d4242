"""Tables as CSV: columns in any order, further ones passed over, every problem with line and record."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from itertools import chain, islice

import numpy as np

from mecsim.config.table_file.csv_columns import columns_at_once
from mecsim.config.table_file.csv_head import CsvHead
from mecsim.config.table_file.csv_lines import CsvLines, Row, separator_in
from mecsim.config.table_file.fields import Fields, Role, Table
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.style import TableStyle
from mecsim.config.table_file.values import AsSeconds, number
from mecsim.messages import counted, shortened

_LOOKED_AT = 200


def read_csv_table(content: bytes, fields: Fields, style: TableStyle, problems: Problems) -> Table:
    """Return the columns of a CSV text that play a role.

    Records with a problem are left out, and told; the caller raises the problems. Records without any name
    and number but a time are passed over, as SUMO writes for steps in which nobody moves.

    Raises
    ------
    TraceError
        If the table cannot be read at all, or has as many problems as are told.
    """
    lines = CsvLines(content, problems)
    separator = separator_in(lines, fields, style, problems)
    rows = lines.rows(separator)
    first = next(rows, None)
    if first is None:
        problems.add(0, "is empty, must begin with a line of column names")
        problems.raise_any()
        raise AssertionError
    head = CsvHead.of(first[1], first[0], separator, fields, style, problems)
    looked_at = list(islice(rows if head.has_header else chain([first], rows), _LOOKED_AT))
    head.look_at([row for _, row in looked_at if len(row) == head.width], fields, style, problems)
    table = columns_at_once(content, head, first[0], fields)
    if table is None:
        table = _Reader(head, fields, style, problems).read(chain(looked_at, rows))
    if lines.comments:
        table.notes.append(f"{counted(lines.comments, 'line')} beginning with # passed over")
    return table


class _Reader:
    """Reads line by line, and says of each problem where it is."""

    def __init__(self, head: CsvHead, fields: Fields, style: TableStyle, problems: Problems) -> None:
        self._head, self._problems, self._has_format = head, problems, style.time_format
        self._texts = [role for role in head.roles if role in fields.texts]
        self._numbers = [role for role in head.roles if role not in fields.texts]
        self._seen: dict[Role, dict[str, int]] = {role: {} for role in self._texts}

    def read(self, rows: Iterator[Row]) -> Table:
        head, record, empty = self._head, 0, 0
        names = [(head.places[role], self._seen[role], array("q")) for role in self._texts]
        values = [(head.places[role], self._as_number(role), array("d")) for role in self._numbers]
        lines, records = array("q"), array("q")
        for line, row in rows:
            record += 1
            if len(row) != head.width:
                self._problems.add(line, f"has {len(row)} values, must have {head.width}", record)
                continue
            found = [row[at].strip() for at, _, _ in names]
            numbers = [read(row[at]) for at, read, _ in values]
            if all(found) and all(value - value == 0.0 for value in numbers):
                for name, (_, seen, codes) in zip(found, names, strict=True):
                    codes.append(seen.setdefault(name, len(seen)))
                for value, (_, _, column) in zip(numbers, values, strict=True):
                    column.append(value)
                lines.append(line)
                records.append(record)
            elif self._is_empty(row):
                empty += 1
            else:
                self._add_problem(record, line, row, numbers)
        notes = list(head.notes)
        if empty:
            what = "user and place" if self._texts == ["user"] else "values"
            notes.append(f"{counted(empty, 'line')} without {what} passed over")
        return Table(
            head.roles,
            {role: np.array(part[2]) for role, part in zip(self._numbers, values, strict=True)},
            {role: (list(part[1]), np.array(part[2])) for role, part in zip(self._texts, names, strict=True)},
            np.array(lines, dtype=np.int64),
            np.array(records, dtype=np.int64),
            notes,
        )

    def _as_number(self, role: Role) -> AsSeconds:
        decimal = self._head.decimal
        return self._head.seconds if role == "time" else lambda text: number(text, decimal)

    def _is_empty(self, row: list[str]) -> bool:
        places = self._head.places
        return not any(row[at].strip() for role, at in places.items() if role != "time")

    def _add_problem(self, record: int, line: int, row: list[str], numbers: list[float]) -> None:
        head = self._head
        for role in self._texts:
            if not row[head.places[role]].strip():
                what = f"{head.names[role]}: is empty, must be a name or number"
                self._problems.add(line, what, record)
        for role, value in zip(self._numbers, numbers, strict=True):
            if not math.isfinite(value):
                text = row[head.places[role]]
                what = f"{head.names[role]} = {shortened(text)}: must be a finite number"
                self._problems.add(line, what + (self._advice(text) if role == "time" else ""), record)
                return

    def _advice(self, text: str) -> str:
        if self._has_format is not None:
            return f", or a date time by time_format = '{self._has_format}'"
        is_date = any(sign in text for sign in "/:") or text.count(".") > 1
        return ", or a date time with its time_format, such as '%d/%m/%Y %H:%M:%S'" if is_date else ""
