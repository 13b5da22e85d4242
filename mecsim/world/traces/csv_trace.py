"""Traces as CSV: one line a sample, with the columns t_s, user_id and x_m, y_m or lat, lon."""

from __future__ import annotations

import csv
import io
import math

from mecsim.messages import nearest, shortened
from mecsim.world.traces.problems import Problems
from mecsim.world.traces.trace import Samples, Trace

MAP_COLUMNS = ("t_s", "user_id", "x_m", "y_m")
GEO_COLUMNS = ("t_s", "user_id", "lat", "lon")
_KNOWN = tuple(dict.fromkeys(MAP_COLUMNS + GEO_COLUMNS))


def read_csv(content: bytes, source: str) -> Trace:
    """Return the trace in a CSV text; columns may stand in any order.

    Parameters
    ----------
    content : bytes
        UTF-8, with one header line.
    source : str
        What messages call it.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record.
    """
    problems = Problems(source)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(content.count(b"\n", 0, error.start) + 1, f"not UTF-8 text (byte {error.start})")
        problems.raise_any()
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(filter(None, rows), [])
        columns = _columns([name.strip() for name in header], problems, rows.line_num)
        samples = Samples(problems, geo="lat" in columns)
        for row in rows:
            if row:
                samples.records += 1
                _add(samples, columns, row, rows.line_num)
    except csv.Error as error:
        problems.add(rows.line_num, f"not valid CSV: {error}")
        problems.raise_any()
    return samples.trace()


def _columns(header: list[str], problems: Problems, line: int) -> dict[str, int]:
    """Return the place of each column; raises if the header is not one of a trace."""
    if not header:
        problems.add(0, "is empty, must begin with a line of column names")
        problems.raise_any()
    for name in dict.fromkeys(header):
        if name not in _KNOWN:
            hint = nearest(name, _KNOWN) or f"; there are {', '.join(_KNOWN)}"
            problems.add(line, f"{shortened(name)}: unknown column{hint}")
        elif header.count(name) > 1:
            problems.add(line, f"{name}: duplicate column")
    wanted = GEO_COLUMNS if {"lat", "lon"} & set(header) else MAP_COLUMNS
    for name in wanted:
        if name not in header:
            problems.add(line, f"{name}: this column is missing; must be {', '.join(wanted)}")
    for name in header:
        if name in _KNOWN and name not in wanted:
            problems.add(line, f"{name}: give either x_m, y_m or lat, lon, not both")
    problems.raise_any()
    return {name: header.index(name) for name in wanted}


def _add(samples: Samples, columns: dict[str, int], row: list[str], line: int) -> None:
    problems, record = samples.problems, samples.records
    if len(row) != len(columns):
        problems.add(line, f"has {len(row)} values, must have {len(columns)}", record)
        return
    user = row[columns["user_id"]].strip()
    if not user:
        problems.add(line, "user_id: is empty, must be a name or number", record)
    numbers = {}
    for name in columns:
        if name != "user_id":
            numbers[name] = _number(row[columns[name]])
            if not math.isfinite(numbers[name]):
                value = shortened(row[columns[name]])
                problems.add(line, f"{name} = {value}: must be a finite number", record)
                return
    x, y = ("lon", "lat") if samples.geo else ("x_m", "y_m")
    samples.add(user, numbers["t_s"], numbers[x], numbers[y], line)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
