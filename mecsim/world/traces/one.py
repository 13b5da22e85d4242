"""Traces as the ONE simulator reads them: external movement.

Source: the ONE (Opportunistic Network Environment), ``ExternalMovementReader``: the first line is
``minTime maxTime minX maxX minY maxY``, with two heights after them or not; every other line is
``time id x y``, with a height or not, in the order of time. Lines that begin with ``#`` are comments.
"""

from __future__ import annotations

import math

from mecsim.config.table_file.csv_lines import CsvLines
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.values import number
from mecsim.messages import shortened
from mecsim.world.traces.trace import Samples, Trace

_MOST_VALUES = 9


def read_one(content: bytes, source: str) -> Trace:
    """Return the trace in a file of external movement; places and times are taken as they stand.

    Parameters
    ----------
    content : bytes
        UTF-8, unpacked.
    source : str
        What messages call it.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record.
    """
    problems = Problems(source)
    samples, lines, has_header = Samples(problems, geo=False), CsvLines(content, problems), False
    for text in lines:
        row = text.split(maxsplit=_MOST_VALUES)
        if not row:
            continue
        if has_header:
            _add(row, lines.number, samples)
        elif len(row) not in (6, 8) or not all(math.isfinite(number(value)) for value in row):
            what = "must begin with a line minTime maxTime minX maxX minY maxY [minZ maxZ]"
            problems.add(lines.number, what)
            problems.raise_any()
        has_header = True
    return samples.trace()


def _add(row: list[str], line: int, samples: Samples) -> None:
    samples.records += 1
    if len(row) not in (4, 5):
        what = f"has {min(len(row), _MOST_VALUES)} values, must have time id x y"
        samples.problems.add(line, what, samples.records)
        return
    time_s, x, y = number(row[0]), number(row[2]), number(row[3])
    for name, value, text in (("time", time_s, row[0]), ("x", x, row[2]), ("y", y, row[3])):
        if not math.isfinite(value):
            what = f"{name} = {shortened(text)}: must be a finite number"
            samples.problems.add(line, what, samples.records)
            return
    samples.add(row[1], time_s, x, y, line)
