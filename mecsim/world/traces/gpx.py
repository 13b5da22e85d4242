"""Traces as GPX: every track is a user, its track points are the samples.

Source: GPX 1.1 schema (Topografix): ``<gpx><trk><name/><trkseg><trkpt lat lon><time/></trkpt>``; times
are in UTC by ISO 8601. A segment holds points that follow one another; between segments reception was
lost, or the receiver off. Routes and waypoints have no times and are left out.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from mecsim.config.table_file.problems import Problems
from mecsim.messages import counted, shortened
from mecsim.world.traces.trace import Samples, Trace
from mecsim.world.traces.xml_events import Attributes, XmlEvents


def read_gpx(content: bytes, source: str) -> Trace:
    """Return the trace in a GPX document; times are seconds since 1970 in UTC.

    Parameters
    ----------
    content : bytes
        XML, unpacked.
    source : str
        What messages call it.

    Raises
    ------
    TraceError
        Lists the first problems, each with line and record.
    """
    reader = _Reader(source)
    reader.events.run(content)
    if reader.samples.records == 0:
        reader.problems.add(0, "has no track point (trkpt); routes and waypoints have no times")
    reader.note()
    return reader.samples.trace()


class _Reader:
    def __init__(self, source: str) -> None:
        self.problems = Problems(source)
        self.samples = Samples(self.problems, geo=True)
        self.events = XmlEvents(self.problems, self._start, self._end)
        self._path: list[str] = []
        self._tracks = 0
        self._user = ""
        self._point: tuple[int, float, float] | None = None
        self._time_s: float | None = None
        self._timed = False
        self._untimed, self._unconnected = 0, False

    def note(self) -> None:
        """Say what was passed over."""
        if self._untimed == self.samples.records > 0:
            self.problems.add(0, "no track point has a time, which a replay needs")
        if self._untimed:
            self.samples.notes.append(f"{counted(self._untimed, 'point')} without time passed over")

    def _start(self, name: str, attributes: Attributes) -> None:
        if not self._path and name != "gpx":
            self.problems.add(self.events.line, f"<{shortened(name)}>: must be <gpx>")
            self.problems.raise_any()
        self._path.append(name)
        if name == "trk":
            self._tracks += 1
            self._user, self._unconnected = f"track {self._tracks}", False
        elif name == "trkseg":
            self._unconnected = True
        elif name == "trkpt":
            self.samples.records += 1
            lat, lon = (self._degrees(name, attributes) for name in ("lat", "lon"))
            self._point, self._time_s, self._timed = (self.events.line, lon, lat), None, False

    def _end(self, name: str, text: str) -> None:
        self._path.pop()
        if name == "name" and self._path[-1:] == ["trk"]:
            self._user = f"track {self._tracks} {text}"
        elif name == "time" and self._path[-1:] == ["trkpt"]:
            self._timed, self._time_s = True, self._seconds(text)
        elif name == "trkpt" and self._point is not None:
            line, lon, lat = self._point
            if not self._timed:
                self._untimed += 1
            elif self._time_s is not None and math.isfinite(lon) and math.isfinite(lat):
                self.samples.add(self._user, self._time_s, lon, lat, line, after_break=self._unconnected)
                self._unconnected = False

    def _degrees(self, name: str, attributes: Attributes) -> float:
        try:
            value = float(attributes.get(name, ""))
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            what = f"{name} = {shortened(attributes[name])}" if name in attributes else f"{name}: missing"
            self.problems.add(self.events.line, f"{what}, must be a finite number", self.samples.records)
            return math.nan
        return value

    def _seconds(self, text: str) -> float | None:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            what = f"time = {shortened(text)}: must be a date and time such as 2024-05-01T08:00:00Z"
            self.problems.add(self.events.line, what, self.samples.records)
            return None
        # GPX times are in UTC also where they do not say so.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
