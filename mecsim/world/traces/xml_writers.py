"""Traces written as XML: floating car data of SUMO, and GPX."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from mecsim.errors import TraceError
from mecsim.escapes import printable
from mecsim.messages import shortened
from mecsim.system.arrays import Floats
from mecsim.world.traces.trace import Trace

_START = '<?xml version="1.0" encoding="UTF-8"?>\n'
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sumo_text(trace: Trace, place: Floats) -> Iterator[str]:
    """Yield a trace as floating car data: the users of each time, persons and vehicles by their names.

    Raises
    ------
    TraceError
        If two users would have one name.
    """
    yield _START + ('<fcd-export geo="true">\n' if trace.geo else "<fcd-export>\n")
    users = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
    heads = [_sumo_head(name) for name in trace.ids]
    _check_distinct(heads, trace)
    before_s: float | None = None
    for i in np.argsort(trace.time_s, kind="stable").tolist():
        time_s, (x, y) = float(trace.time_s[i]), place[i].tolist()
        if time_s != before_s:
            yield ("" if before_s is None else "  </timestep>\n") + f'  <timestep time="{time_s!r}">\n'
            before_s = time_s
        yield f'    {heads[users[i]]} x="{x!r}" y="{y!r}"/>\n'
    yield "  </timestep>\n</fcd-export>\n"


def _sumo_head(name: str) -> str:
    """Return the begin of an element: ``vehicle 3`` was read from one, other names become vehicles."""
    kind, _, rest = name.partition(" ")
    if kind not in ("vehicle", "person") or not rest:
        kind, rest = "vehicle", name
    return f"<{kind} id={quoteattr(printable(rest))}"


def _check_distinct(heads: list[str], trace: Trace) -> None:
    first: dict[str, str] = {}
    for head, name in zip(heads, trace.ids, strict=True):
        if head in first:
            both = f"users {shortened(first[head])} and {shortened(name)}"
            raise TraceError(
                trace.source, [f"{trace.source}: {both} would both be {head}>; rename one of them"]
            )
        first[head] = name


def gpx_text(trace: Trace, place: Floats) -> Iterator[str]:
    """Yield a trace in degrees as GPX: a track for each user, a segment after each break.

    Raises
    ------
    TraceError
        If a time is none of the years from 1 to 9999.
    """
    yield f'{_START}<gpx version="1.1" creator="mecsim" xmlns="http://www.topografix.com/GPX/1/1">\n'
    for n, name in enumerate(trace.ids):
        yield f"  <trk>\n    <name>{escape(printable(_track_name(name)))}</name>\n    <trkseg>\n"
        for i in range(int(trace.first[n]), int(trace.first[n + 1])):
            if trace.breaks[i] and i > trace.first[n]:
                yield "    </trkseg>\n    <trkseg>\n"
            lon, lat = place[i].tolist()
            time = _utc(float(trace.time_s[i]), trace.source)
            yield f'      <trkpt lat="{lat!r}" lon="{lon!r}"><time>{time}</time></trkpt>\n'
        yield "    </trkseg>\n  </trk>\n"
    yield "</gpx>\n"


def _track_name(name: str) -> str:
    """Return the name of a track; ``track 2 walk`` was read from one."""
    first, _, rest = name.partition(" ")
    number, _, own = rest.partition(" ")
    return own if first == "track" and number.isdecimal() else name


def _utc(time_s: float, source: str) -> str:
    try:
        return (_EPOCH + timedelta(seconds=time_s)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        raise TraceError(source, [f"{source}: time {time_s:.12g} s is no date that GPX can hold"]) from None
