"""Traces as SUMO writes them: floating car data (FCD) with vehicles and persons.

Source: SUMO user documentation, "FCDOutput": ``<fcd-export>`` holds ``<timestep time="...">``, and that
``<vehicle id x y .../>`` and ``<person id x y .../>``; with ``--fcd-output.geo`` x and y are longitude and
latitude in degrees.
"""

from __future__ import annotations

import math

from mecsim.messages import nearest, shortened
from mecsim.world.traces.problems import Problems
from mecsim.world.traces.trace import Samples, Trace
from mecsim.world.traces.xml_events import Attributes, XmlEvents

_ROOT, _STEP = "fcd-export", "timestep"
_USERS = ("vehicle", "person")
# Goods on their way, which SUMO lists beside the persons, carry no device.
_LEFT_OUT = ("container",)


def read_sumo_fcd(content: bytes, source: str, *, geo: bool) -> Trace:
    """Return the trace in an FCD document; a user is called by its kind and id, such as ``vehicle 3``.

    Parameters
    ----------
    content : bytes
        XML, unpacked.
    source : str
        What messages call it.
    geo : bool
        Whether x and y are longitude and latitude.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record.
    """
    reader = _Reader(source, geo)
    reader.events.run(content)
    return reader.samples.trace()


class _Reader:
    def __init__(self, source: str, geo: bool) -> None:
        self.problems = Problems(source)
        self.samples = Samples(self.problems, geo=geo)
        self.events = XmlEvents(self.problems, self._start)
        self._time_s: float | None = None
        self._inside = False

    def _start(self, name: str, attributes: Attributes) -> None:
        if not self._inside:
            self._inside = True
            if name != _ROOT:
                self.problems.add(self.events.line, f"<{shortened(name)}>: must be <{_ROOT}>")
                self.problems.raise_any()
        elif name == _STEP:
            self._step(attributes)
        elif name in _USERS:
            self._user(name, attributes)
        elif name not in _LEFT_OUT:
            hint = nearest(name, (_STEP, *_USERS))
            self.problems.add(self.events.line, f"<{shortened(name)}>: unknown element{hint}")

    def _step(self, attributes: Attributes) -> None:
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
        if self._time_s is not None and x is not None and y is not None:
            self.samples.add(f"{kind} {attributes.get('id')}", self._time_s, x, y, self.events.line)

    def _number(self, name: str, attributes: Attributes, record: int | None) -> float | None:
        text = attributes.get(name)
        if text is None:
            self.problems.add(self.events.line, f"{name}: missing, must be a number", record)
            return None
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.problems.add(
                self.events.line, f"{name} = {shortened(text)}: must be a finite number", record
            )
            return None
        return value
