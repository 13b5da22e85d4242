"""Traces as SUMO writes them: floating car data (FCD) with vehicles and persons.

Source: SUMO user documentation, "FCDOutput": ``<fcd-export>`` holds ``<timestep time="...">``, and that
``<vehicle id x y .../>`` and ``<person id x y .../>``; with ``--fcd-output.geo`` x and y are longitude and
latitude in degrees. SUMO writes its options as a comment before the root; with ``--human-readable-time``
times are ``[days:]hours:minutes:seconds``.
"""

from __future__ import annotations

import math
import re

from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.values import clock_s, number
from mecsim.messages import counted, nearest, shortened
from mecsim.world.traces.formats import Riders
from mecsim.world.traces.trace import Samples, Trace
from mecsim.world.traces.xml_events import Attributes, XmlEvents

_ROOT, _STEP = "fcd-export", "timestep"
_USERS = ("vehicle", "person")
# Goods on their way, which SUMO lists beside the persons, carry no device.
_LEFT_OUT = ("container",)
_TRUE = ("true", "1", "yes", "on", "t", "x")
_GEO_OPTION = re.compile(
    r"""<fcd-output\.geo\s+value\s*=\s*["']\s*(\w+)|--fcd-output\.geo(?:[= ]\s*(\w+))?""", re.ASCII
)


def read_sumo_fcd(content: bytes, source: str, *, geo: bool | None, riders: Riders = "keep") -> Trace:
    """Return the trace in an FCD document; a user is called by its kind and id, such as ``vehicle 3``.

    Parameters
    ----------
    content : bytes
        XML, unpacked.
    source : str
        What messages call it.
    geo : bool or None
        Whether x and y are longitude and latitude; None: if the root or the comment before it says so.
    riders : str
        ``"merge"``: a person at the place of a vehicle of the same step rides in it and is away as long.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record.
    """
    reader = _Reader(source, geo, riders)
    reader.events.run(content)
    reader.note()
    return reader.samples.trace()


class _Reader:
    def __init__(self, source: str, geo: bool | None, riders: Riders) -> None:
        self.problems = Problems(source)
        self._geo, self._riders = geo, riders
        self.samples = Samples(self.problems, geo=geo is True)
        self.events = XmlEvents(self.problems, self._start, on_comment=self._comment)
        self._time_s: float | None = None
        self._inside = False
        self._taken: set[tuple[float, float]] = set()
        self._riding: dict[str, bool] = {}
        self._left_out = 0

    def note(self) -> None:
        """Say what was passed over, and who rides."""
        notes = self.samples.notes
        if self._left_out:
            notes.append(f"{counted(self._left_out, 'sample')} of containers passed over")
        if self._riding:
            what = f"{counted(len(self._riding), 'person')} in vehicles"
            if self._riders == "merge":
                notes.append(f"{what}: riders = 'merge', away while they ride")
            else:
                notes.append(f"{what}: riders = 'keep', users beside their vehicles")

    def _comment(self, text: str) -> None:
        found = _GEO_OPTION.search(text)
        if self._inside or self._geo is not None or found is None:
            return
        value = found[1] or found[2]
        if value is None or value.lower() in _TRUE:
            self._say_geo("the options in its comment")

    def _say_geo(self, where: str) -> None:
        self._geo = self.samples.geo = True
        self.samples.notes.append(f"coordinates = 'geo', by {where}")

    def _root(self, name: str, attributes: Attributes) -> None:
        self._inside = True
        if name != _ROOT:
            self.problems.add(self.events.line, f"<{shortened(name)}>: must be <{_ROOT}>")
            self.problems.raise_any()
        for key, value in attributes.items():
            if self._geo is None and key.lower().rpartition(".")[2] == "geo" and value.lower() in _TRUE:
                self._say_geo("its root")

    def _start(self, name: str, attributes: Attributes) -> None:
        if not self._inside:
            self._root(name, attributes)
        elif name == _STEP:
            self._step(attributes)
        elif name in _USERS:
            self._user(name, attributes)
        elif name in _LEFT_OUT:
            self._left_out += 1
        else:
            hint = nearest(name, (_STEP, *_USERS))
            self.problems.add(self.events.line, f"<{shortened(name)}>: unknown element{hint}")

    def _step(self, attributes: Attributes) -> None:
        self._taken.clear()
        before, self._time_s = self._time_s, self._number("time", attributes, None)
        if before is not None and self._time_s is not None and self._time_s <= before:
            self.problems.add(
                self.events.line,
                f"time = {self._time_s:.12g}: must be after the step before it, {before:.12g}",
            )

    def _user(self, kind: str, attributes: Attributes) -> None:
        self.samples.records += 1
        record = self.samples.records
        if not attributes.get("id"):
            self.problems.add(self.events.line, f"id: missing, every {kind} must have one", record)
        x, y = (self._number(name, attributes, record) for name in ("x", "y"))
        if self._time_s is None or x is None or y is None:
            return
        user = f"{kind} {attributes.get('id')}"
        is_riding = kind == "person" and (bool(attributes.get("vehicle")) or (x, y) in self._taken)
        if kind == "vehicle":
            self._taken.add((x, y))
        rode = self._riding.get(user, False)
        if is_riding or rode:
            self._riding[user] = is_riding
        if not (is_riding and self._riders == "merge"):
            after_ride = rode and self._riders == "merge"
            self.samples.add(user, self._time_s, x, y, self.events.line, after_break=after_ride)

    def _number(self, name: str, attributes: Attributes, record: int | None) -> float | None:
        text = attributes.get(name)
        if text is None:
            self.problems.add(self.events.line, f"{name}: missing, must be a number", record)
            return None
        value = number(text)
        if name == "time" and ":" in text:
            value = clock_s(text)
        if not math.isfinite(value):
            self.problems.add(
                self.events.line, f"{name} = {shortened(text)}: must be a finite number", record
            )
            return None
        return value
