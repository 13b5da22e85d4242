"""Traces as BonnMotion writes them: one line a node, with the times and places at which its velocity changes.

Source: BonnMotion manual, "The native format"; INET framework, ``BonnMotionMobility``: a line holds triples
``t x y`` of real numbers, or after a first line ``#3D`` quadruples ``t x y z``, whose height is passed over.
Between two waypoints a node moves straight on at constant speed, so there are no gaps.
"""

from __future__ import annotations

import math
import re
from array import array

from mecsim.config.table_file.csv_lines import CsvLines
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.values import number
from mecsim.messages import shortened
from mecsim.world.traces.trace import Samples, Trace

_THREE_D = b"#3D"
_TOKEN = re.compile(r"\S+")


def read_bonnmotion(content: bytes, source: str) -> Trace:
    """Return the trace in a BonnMotion file; a user is called by the number of its line, such as ``node 0``.

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
    samples = Samples(problems, geo=False, waypoints=True)
    names = ("t", "x", "y", "z") if content.startswith(_THREE_D) else ("t", "x", "y")
    lines, node = CsvLines(content, problems), 0
    for line in lines:
        values = _values(line, names, lines.number, samples)
        if not values:
            continue
        if len(values) % len(names):
            each = " ".join(names)
            problems.add(lines.number, f"has {len(values)} values, must have {each} for each waypoint")
        width = len(names)
        for k in range(0, len(values) - width + 1, width):
            samples.records += 1
            samples.add(f"node {node}", values[k], values[k + 1], values[k + 2], lines.number)
        node += 1
    if len(names) == 4:
        samples.notes.append("heights passed over")
    return samples.trace()


def _values(line: str, names: tuple[str, ...], number_of_line: int, samples: Samples) -> array[float]:
    values = array("d")
    for k, token in enumerate(_TOKEN.finditer(line)):
        value = number(token[0])
        if not math.isfinite(value):
            what = f"{names[k % len(names)]} = {shortened(token[0])}: must be a finite number"
            samples.problems.add(number_of_line, what, samples.records + k // len(names) + 1)
            value = 0.0  # a problem, so never used
        values.append(value)
    return values
