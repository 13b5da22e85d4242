"""Traces as CSV: one line a sample, with columns for the time, the user and the place."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from itertools import chain, islice

from mecsim.messages import counted, shortened
from mecsim.world.traces import columns
from mecsim.world.traces.columns import Places
from mecsim.world.traces.formats import Decimal, HowToRead, Role, Separator
from mecsim.world.traces.problems import Problems
from mecsim.world.traces.separators import SIGNS, separator_of
from mecsim.world.traces.trace import Samples, Trace
from mecsim.world.traces.values import LATEST_S, AsSeconds, decimal_of, number, time_reader

_LOOKED_AT = 200
Row = tuple[int, list[str]]


def read_csv(content: bytes, source: str, how: HowToRead | None = None) -> Trace:
    """Return the trace in a CSV text; columns may stand in any order, and further ones are passed over.

    Parameters
    ----------
    content : bytes
        UTF-8, with one header line, or none if the columns are given by number.
    source : str
        What messages call it.
    how : HowToRead, optional
        Columns, separator, decimal sign and times, where they are given.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record; also what is ambiguous, with the key to say it.
    """
    problems, how = Problems(source), how or HowToRead()
    lines = _Lines(_text(content, problems))
    reader = _Reader(problems, how, _separator(lines, how, problems))
    try:
        samples = reader.samples(lines)
    except csv.Error as error:
        problems.add(lines.number, f"not valid CSV: {error}")
        problems.raise_any()
        raise
    if lines.comments:
        samples.notes.append(f"{counted(lines.comments, 'line')} beginning with # passed over")
    return samples.trace()


def _text(content: bytes, problems: Problems) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(content.count(b"\n", 0, error.start) + 1, f"not UTF-8 text (byte {error.start})")
        problems.raise_any()
        raise


class _Lines:
    """The lines of a text; comments are empty ones. ``number`` is that of the last line given."""

    def __init__(self, text: str) -> None:
        self.text, self.number, self.comments = text, 0, 0

    def __iter__(self) -> Iterator[str]:
        self.number = self.comments = 0
        for line in io.StringIO(self.text, newline=""):
            self.number += 1
            if line.startswith("#"):
                self.comments += 1
                yield "\n"
            else:
                yield line


def _separator(lines: _Lines, how: HowToRead, problems: Problems) -> Separator:
    if how.separator is not None:
        return how.separator
    first = next((line for line in lines if line.strip()), "").strip("\r\n")
    found, problem = separator_of(first, lambda values: _fits(values, how))
    if problem:
        problems.add(lines.number, problem)
        problems.raise_any()
    return found


def _fits(values: list[str], how: HowToRead) -> bool:
    if columns.numbered(how.columns):
        return all(isinstance(column, int) and column <= len(values) for _, column in how.columns)
    places = columns.find(values, how.columns, problems := Problems(""), 0)
    columns.check(values, places, problems, 0)
    return not problems.found


class _Reader:
    def __init__(self, problems: Problems, how: HowToRead, separator: Separator) -> None:
        self._problems, self._how, self._separator = problems, how, separator
        self._notes = [f"separator = '{separator}'"] if separator != "," else []
        self._width = 0
        self._places: Places = {}
        self._roles: tuple[Role, ...] = ()
        self._names: dict[Role, str] = {}
        self._decimal: Decimal = "."
        self._seconds: AsSeconds = float

    def samples(self, lines: _Lines) -> Samples:
        space = self._separator == "space"
        table = csv.reader(lines, delimiter=SIGNS[self._separator], strict=True, skipinitialspace=space)
        rows: Iterator[Row] = ((lines.number, row) for row in table if row)
        first = next(rows, None)
        if first is None:
            self._problems.add(0, "is empty, must begin with a line of column names")
            self._problems.raise_any()
        else:
            rows = self._head(*first, rows)
        looked_at = list(islice(rows, _LOOKED_AT))
        self._look_at([row for _, row in looked_at if len(row) == self._width])
        samples = Samples(self._problems, geo="lat" in self._roles)
        empty = self._read(samples, chain(looked_at, rows))
        samples.notes += self._notes
        if empty:
            samples.notes.append(f"{counted(empty, 'line')} without user and place passed over")
        return samples

    def _head(self, line: int, first: list[str], rows: Iterator[Row]) -> Iterator[Row]:
        """Find the columns by the first line; return the rows of values."""
        problems, asked = self._problems, self._how.columns
        self._width = len(first)
        if columns.numbered(asked):
            rows = chain([(line, first)], rows)
            header = [f"column {n}" for n in range(1, len(first) + 1)]
            places = columns.by_number(len(first), asked, problems, line)
            self._notes.append("no header; columns by number")
        else:
            header = [name.strip() for name in first]
            places = columns.find(header, asked, problems, line)
        self._roles = columns.check(header, places, problems, line)
        if problems.found and len(first) == 1:
            problems.add(line, "has one column only; give the separator, such as separator = 'space'")
        problems.raise_any()
        self._places = {role: places[role] for role in self._roles}
        self._names = {role: shortened(header[at]) for role, at in self._places.items()}
        self._notes += columns.notes(header, self._places)
        return rows

    def _look_at(self, rows: list[list[str]]) -> None:
        """Find out how numbers and times are written."""
        how, problems = self._how, self._problems
        text = {role: [row[at].strip() for row in rows] for role, at in self._places.items()}
        numbers = [role for role in self._roles if role not in ("user", "time")]
        first = next(filter(None, text["time"]), "")
        unit = how.time_unit or columns.unit_in(self._names["time"])
        read, said = time_reader(first, unit, ".", how.time_format)
        plain = said == "" or said.startswith("times in")
        decimal = how.decimal or decimal_of(
            value for role in (*numbers, *(("time",) if plain else ())) for value in text[role]
        )
        if decimal is None:
            problems.add(
                0, "its numbers have commas that may be decimal signs or not: give decimal = ',' or '.'"
            )
            problems.raise_any()
        self._decimal = decimal or "."
        if self._decimal == ",":
            self._notes.append("decimal = ','")
            read, said = time_reader(first, unit, ",", how.time_format)
        self._notes += filter(None, [said])
        self._seconds = read
        latest = max(filter(math.isfinite, map(read, text["time"])), default=0.0)
        if unit is None and plain and abs(latest) > LATEST_S:
            problems.add(
                0,
                f"{self._names['time']} = {latest:.15g}: too late for seconds: give time_unit, such as 'ms'",
            )
            problems.raise_any()

    def _read(self, samples: Samples, rows: Iterator[Row]) -> int:
        """Add all samples; return how many lines had neither a user nor a place."""
        place: tuple[Role, Role] = ("lon", "lat") if samples.geo else ("x", "y")
        x_at, y_at = (self._places[role] for role in place)
        user_at, time_at, empty = self._places["user"], self._places["time"], 0
        seconds, decimal = self._seconds, self._decimal
        for line, row in rows:
            samples.records += 1
            if len(row) != self._width:
                what = f"has {len(row)} values, must have {self._width}"
                self._problems.add(line, what, samples.records)
                continue
            user = row[user_at].strip()
            time_s, x, y = seconds(row[time_at]), number(row[x_at], decimal), number(row[y_at], decimal)
            if time_s - time_s == 0.0 and x - x == 0.0 and y - y == 0.0 and user:
                samples.add(user, time_s, x, y, line)
            elif not (user or row[x_at].strip() or row[y_at].strip()):
                empty += 1
            else:
                self._add_problem(samples.records, line, row, (time_s, x, y), place)
        return empty

    def _add_problem(
        self, record: int, line: int, row: list[str], values: tuple[float, ...], places: tuple[Role, Role]
    ) -> None:
        if not row[self._places["user"]].strip():
            self._problems.add(line, f"{self._names['user']}: is empty, must be a name or number", record)
        roles: tuple[Role, ...] = ("time", *places)
        for role, value in zip(roles, values, strict=True):
            if not math.isfinite(value):
                text = row[self._places[role]]
                what = f"{self._names[role]} = {shortened(text)}: must be a finite number"
                self._problems.add(line, what + (self._advice(text) if role == "time" else ""), record)
                return

    def _advice(self, text: str) -> str:
        if self._how.time_format is not None:
            return f", or a date time by time_format = '{self._how.time_format}'"
        is_date = any(sign in text for sign in "/:") or text.count(".") > 1
        return ", or a date time with its time_format, such as '%d/%m/%Y %H:%M:%S'" if is_date else ""
