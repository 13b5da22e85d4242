"""Traces written in the formats that are read: text formats here, XML and Parquet beside."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import PurePath

import numpy as np

from mecsim.errors import TraceError
from mecsim.escapes import csv_cell
from mecsim.messages import either
from mecsim.scenario.projection import projected
from mecsim.system.arrays import Floats
from mecsim.world.traces.formats import FORMAT_OF_SUFFIX, TraceFormat, format_of
from mecsim.world.traces.trace import Trace
from mecsim.world.traces.xml_writers import gpx_text, sumo_text

_METRES: tuple[TraceFormat, ...] = ("bonnmotion", "ns2", "one")


def format_to_write(name: str, given: TraceFormat | None) -> TraceFormat:
    """Return the format to write a file in: as given, or by its suffix.

    Raises
    ------
    TraceError
        If its suffix is that of none.
    """
    found = given or format_of(name)
    if found is None:
        suffixes = either(tuple(FORMAT_OF_SUFFIX))
        raise TraceError(name, [f"{name}: its suffix must be {suffixes}, with .gz after it or not"])
    return found


def trace_bytes(
    trace: Trace, name: str, file_format: TraceFormat, origin_deg: tuple[float, float] | None = None
) -> tuple[bytes, list[str]]:
    """Return a trace as the content of a file of a name, packed if that ends in ``.gz``; and what is lost.

    Parameters
    ----------
    trace : Trace
    name : str
    file_format : str
    origin_deg : pair of float, optional
        Latitude and longitude of (0, 0) where a trace in degrees is written in metres; its south-west corner
        if left out.

    Raises
    ------
    TraceError
        If the format cannot hold it.
    """
    if origin_deg is not None and not (trace.geo and file_format in _METRES):
        what = "an origin is only for a trace in degrees that is written in metres"
        raise TraceError(name, [f"{name}: {what}, as {either(_METRES)}"])
    lost = list(_lost(trace, file_format, origin_deg))
    place = trace.place
    if trace.geo and file_format in _METRES:
        place = projected(place, origin_deg)
    if file_format == "gpx" and not trace.geo:
        raise TraceError(name, [f"{name}: GPX holds degrees, and the places of this trace are metres"])
    if file_format == "parquet":
        content = _parquet(trace)
    else:
        text = _TEXTS[file_format](trace, place)
        content = "".join(text).encode()
    packed = PurePath(name.lower()).suffix == ".gz"
    return gzip.compress(content, mtime=0) if packed else content, lost


def _lost(trace: Trace, file_format: TraceFormat, origin_deg: tuple[float, float] | None) -> Iterator[str]:
    has_breaks = bool(np.delete(trace.breaks, trace.first[:-1]).any())
    if has_breaks and file_format != "gpx":
        yield "breaks between segments are not held"
    elif trace.waypoints and file_format not in ("bonnmotion", "ns2"):
        yield "users go straight between samples: replay it with gaps = 'straight'"
    if file_format in _METRES:
        yield "times count from the first sample, users are numbered in their order"
        if trace.geo and origin_deg is None:
            lon, lat = trace.place.min(axis=0).tolist()
            yield f"degrees became metres about latitude {lat:.7g}, longitude {lon:.7g}"
    if file_format in ("bonnmotion", "ns2"):
        yield "users stand before their first and after their last sample, and are there all the time"
    if file_format == "gpx":
        yield "times have microseconds at most"


def users_of(trace: Trace) -> Iterator[tuple[int, slice]]:
    """Yield each user with the places of its samples."""
    for n in range(trace.user_count):
        yield n, slice(int(trace.first[n]), int(trace.first[n + 1]))


def _rows(trace: Trace, place: Floats, part: slice) -> Iterator[tuple[float, float, float]]:
    return zip(trace.time_s[part].tolist(), *place[part].T.tolist(), strict=True)


def _csv_text(trace: Trace, place: Floats) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("t_s", "user_id", *(("lon", "lat") if trace.geo else ("x_m", "y_m"))))
    for n, part in users_of(trace):
        name = csv_cell(trace.ids[n])
        writer.writerows((repr(t), name, repr(x), repr(y)) for t, x, y in _rows(trace, place, part))
    yield out.getvalue()


def _bonnmotion_text(trace: Trace, place: Floats) -> Iterator[str]:
    begun_s = float(trace.time_s.min())
    for _, part in users_of(trace):
        yield " ".join(f"{t - begun_s!r} {x!r} {y!r}" for t, x, y in _rows(trace, place, part)) + "\n"


def _ns2_text(trace: Trace, place: Floats) -> Iterator[str]:
    begun_s = float(trace.time_s.min())
    yield f"# {trace.user_count} nodes, made by mecsim\n"
    for n, part in users_of(trace):
        x, y = place[part][0].tolist()
        yield "".join(f"$node_({n}) set {axis}_ {v!r}\n" for axis, v in (("X", x), ("Y", y), ("Z", 0.0)))
    for n, part in users_of(trace):
        rows = list(_rows(trace, place, part))
        length_m = np.hypot(*np.diff(place[part], axis=0).T).tolist()
        for (t, *_), (until, x, y), far_m in zip(rows[:-1], rows[1:], length_m, strict=True):
            if far_m > 0.0:
                speed = far_m / (until - t)
                yield f'$ns_ at {t - begun_s!r} "$node_({n}) setdest {x!r} {y!r} {speed!r}"\n'


def _one_text(trace: Trace, place: Floats) -> Iterator[str]:
    begun_s = float(trace.time_s.min())
    (low_x, low_y), (high_x, high_y) = place.min(axis=0).tolist(), place.max(axis=0).tolist()
    last_s = float(trace.time_s.max()) - begun_s
    yield f"0.0 {last_s!r} {low_x!r} {high_x!r} {low_y!r} {high_y!r}\n"
    users = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
    for i in np.argsort(trace.time_s, kind="stable").tolist():
        t, (x, y) = float(trace.time_s[i]) - begun_s, place[i].tolist()
        yield f"{t!r} {users[i]} {x!r} {y!r}\n"


def _parquet(trace: Trace) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    users = np.repeat(np.arange(trace.user_count, dtype=np.int32), np.diff(trace.first))
    columns = {
        "t_s": pa.array(trace.time_s),
        "user_id": pa.DictionaryArray.from_arrays(users, list(trace.ids)),
        "lon" if trace.geo else "x_m": pa.array(np.ascontiguousarray(trace.place[:, 0])),
        "lat" if trace.geo else "y_m": pa.array(np.ascontiguousarray(trace.place[:, 1])),
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return bytes(sink.getvalue())


_TEXTS: dict[TraceFormat, Callable[[Trace, Floats], Iterator[str]]] = {
    "csv": _csv_text,
    "sumo_fcd": sumo_text,
    "gpx": gpx_text,
    "bonnmotion": _bonnmotion_text,
    "ns2": _ns2_text,
    "one": _one_text,
}
