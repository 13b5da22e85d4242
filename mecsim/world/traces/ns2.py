"""Traces as ns-2 movements: where nodes begin, and when each sets out for where at what speed.

Source: ns-2 manual, "Mobile node movement"; ns-3, ``Ns2MobilityHelper``. Statements of movement are

    $node_(0) set X_ 1.0
    $ns_ at 2.0 "$node_(0) setdest 30.0 40.0 5.0"
    $ns_ at 0.0 "$node_(0) set X_ 1.0"

A node stands until its first `setdest`, and where it has arrived; a later `setdest` takes effect where the
node is by then. All nodes are there from time 0 until the last of them has arrived. Heights and statements
about other objects are passed over.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

from mecsim.config.table_file.csv_lines import CsvLines
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.values import number
from mecsim.messages import counted, shortened
from mecsim.world.traces.trace import Samples, Trace

_SET = re.compile(r"\$[\w.]+\((\d{1,9})\) +set +([XYZ])_ +(\S+)")
_AT = re.compile(r'\$ns_? +at +(\S+) +"(\$[^"]*)"')
_GO = re.compile(r"\$[\w.]+\((\d{1,9})\) +setdest +(\S+) +(\S+) +(\S+)")
_ABOUT_NODES = re.compile(r"\$node|setdest|set +[XYZ]_")


@dataclass
class _Node:
    place: dict[str, float] = field(default_factory=dict)
    line: int = 0
    trips: list[tuple[float, float, float, float, int]] = field(default_factory=list)


def read_ns2(content: bytes, source: str) -> Trace:
    """Return the trace in a file of ns-2 movements; users are called ``node 0`` and so on.

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
    reader = _Reader(source)
    lines = CsvLines(content, reader.problems)
    for text in lines:
        reader.read(" ".join(text.split()), lines.number)
    return reader.trace()


class _Reader:
    def __init__(self, source: str) -> None:
        self.problems = Problems(source)
        self._samples = Samples(self.problems, geo=False, waypoints=True)
        self._nodes: dict[int, _Node] = {}
        self._others = 0

    def read(self, text: str, line: int) -> None:
        """Read one statement, its words separated by single spaces."""
        if not text:
            return
        at = _AT.fullmatch(text)
        time_s, what = (at[1], at[2].strip()) if at else ("0", text)
        if (go := _GO.fullmatch(what)) and at:
            self._samples.records += 1
            self._go(self._node(go[1]), time_s, go.groups()[1:], line)
        elif put := _SET.fullmatch(what):
            self._samples.records += 1
            self._put(self._node(put[1]), time_s, put[2], put[3], line)
        elif _ABOUT_NODES.search(text):
            told = f'{shortened(text)}: must be $node_(0) set X_ 1 or $ns_ at 1 "$node_(0) setdest 1 2 3"'
            self.problems.add(line, told)
        else:
            self._others += 1

    def _node(self, name: str) -> _Node:
        return self._nodes.setdefault(int(name), _Node())

    def _number(self, name: str, text: str, line: int, *, least: float = -math.inf) -> float | None:
        value = number(text)
        if math.isfinite(value) and value >= least:
            return value
        allowed = "a finite number" if least < 0 else "a finite number >= 0"
        what = f"{name} = {shortened(text)}: must be {allowed}"
        self.problems.add(line, what, self._samples.records)
        return None

    def _put(self, node: _Node, time: str, axis: str, value: str, line: int) -> None:
        time_s, place = self._number("time", time, line, least=0.0), self._number(f"{axis}_", value, line)
        if time_s is None or place is None or axis == "Z":
            return
        if time_s > 0.0 and (axis in node.place or node.trips):
            what = f"{axis}_ at {time_s:g} s: only where a node begins; it moves by setdest"
            self.problems.add(line, what, self._samples.records)
        node.place[axis], node.line = place, line

    def _go(self, node: _Node, time: str, values: tuple[str, ...], line: int) -> None:
        names = ("x", "y", "speed")
        time_s = self._number("time", time, line, least=0.0)
        x, y, speed = (
            self._number(name, text, line, least=0.0 if name == "speed" else -math.inf)
            for name, text in zip(names, values, strict=True)
        )
        if time_s is not None and x is not None and y is not None and speed is not None:
            node.trips.append((time_s, x, y, speed, line))

    def trace(self) -> Trace:
        """Return the trace: a waypoint where a node begins, sets out or arrives."""
        is_wrong = self.problems.found
        for name, node in self._nodes.items():
            missing = " and ".join(f"{axis}_" for axis in ("X", "Y") if axis not in node.place)
            if missing and (node.trips or not is_wrong):
                line = node.trips[0][4] if node.trips else node.line
                self.problems.add(line, f"node {name} has no {missing} where it begins")
        self.problems.raise_any()
        ways = {name: _way(node) for name, node in sorted(self._nodes.items())}
        end_s = max((way[-1][0] for way in ways.values()), default=0.0)
        for name, way in ways.items():
            if way[-1][0] < end_s:
                way.append((end_s, *way[-1][1:]))
            for time_s, x, y, line in way:
                self._samples.add(f"node {name}", time_s, x, y, line)
        if self._others:
            self._samples.notes.append(f"{counted(self._others, 'line')} about other things passed over")
        return self._samples.trace()


def _way(node: _Node) -> list[tuple[float, float, float, int]]:
    """Return the waypoints (t, x, y, line) of a node in the order of time."""
    x, y = node.place["X"], node.place["Y"]
    way = [(0.0, x, y, node.line)]
    trips = sorted(node.trips, key=lambda trip: trip[0])
    for k, (time_s, to_x, to_y, speed, line) in enumerate(trips):
        until_s = trips[k + 1][0] if k + 1 < len(trips) else math.inf
        if time_s > way[-1][0]:
            way.append((time_s, x, y, line))
        far = math.hypot(to_x - x, to_y - y)
        needed_s = far / speed if speed > 0.0 else math.inf
        if far == 0.0 or not math.isfinite(needed_s):
            continue  # stands where it is
        share = min(1.0, (until_s - time_s) / needed_s)
        x, y = (to_x, to_y) if share == 1.0 else (x + share * (to_x - x), y + share * (to_y - y))
        reached_s = time_s + share * needed_s
        if reached_s > way[-1][0]:
            way.append((reached_s, x, y, line))
    return way
