"""From a file to a trace, by its format."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from mecsim.config.bounded_file import read_bounded
from mecsim.config.input_file import LARGEST_BYTES, InputFile
from mecsim.config.table_file.packed import unpacked
from mecsim.errors import TraceError, UnreadableFile
from mecsim.world.traces.bonnmotion import read_bonnmotion
from mecsim.world.traces.formats import Coordinates, HowToRead, TraceFormat, format_of, format_of_content
from mecsim.world.traces.gpx import read_gpx
from mecsim.world.traces.ns2 import read_ns2
from mecsim.world.traces.one import read_one
from mecsim.world.traces.sumo import read_sumo_fcd
from mecsim.world.traces.table_trace import read_csv, read_parquet
from mecsim.world.traces.trace import Trace

_OF_TABLES = ("columns", "separator", "decimal", "time_unit", "time_format")


def load_trace(
    path: str | Path,
    file_format: TraceFormat | None = None,
    coordinates: Coordinates | None = None,
    how: HowToRead | None = None,
) -> Trace:
    """Return the trace in a file.

    Parameters
    ----------
    path : str or Path
        A file of any of the formats, which may be packed by gzip.
    file_format : str, optional
        One of `TraceFormat`; by suffix or content if left out.
    coordinates : str, optional
        ``"geo"`` if the x and y of a SUMO file are degrees.
    how : HowToRead, optional
        What else is known; the two arguments before it take precedence.

    Raises
    ------
    TraceError
        If it cannot be read; lists the first problems, each with line and record.
    """
    source, how = str(path), how or HowToRead()
    how = replace(how, format=file_format or how.format, coordinates=coordinates or how.coordinates)
    try:
        content = read_bounded(path, LARGEST_BYTES)
    except UnreadableFile as error:
        raise TraceError(source, [f"{source}: {error}"]) from error
    return read_content(content, source, how)


@lru_cache(maxsize=4)
def read_trace(file: InputFile, how: HowToRead) -> Trace:
    """Return the trace that a scenario names; read once for all its runs in a process."""
    return read_content(file.content(), str(file), how)


def parse_trace(
    content: bytes, source: str, file_format: TraceFormat, coordinates: Coordinates | None = None
) -> Trace:
    """Return the trace in the content of a file of a known format; raises what `load_trace` does."""
    return read_content(content, source, HowToRead(format=file_format, coordinates=coordinates))


def _check_keys(how: HowToRead, file_format: TraceFormat, source: str) -> None:
    """Raise which keys are given that say nothing about a file of this format."""
    problems = []
    if file_format not in ("csv", "parquet"):
        given = [name for name in _OF_TABLES if getattr(how, name)]
        problems += [
            f"{source}: {name}: only for tables, CSV or Parquet; this is {file_format}" for name in given
        ]
    if file_format != "sumo_fcd":
        of_sumo = {"coordinates": how.coordinates is not None, "riders": how.riders == "merge"}
        given = [name for name, is_given in of_sumo.items() if is_given]
        problems += [
            f"{source}: {name}: only for format = 'sumo_fcd'; this is {file_format}" for name in given
        ]
    if problems:
        raise TraceError(source, problems)


def read_content(content: bytes, source: str, how: HowToRead) -> Trace:
    """Return the trace in the content of a file; raises what `load_trace` does."""
    try:
        content = unpacked(content)
    except UnreadableFile as error:
        raise TraceError(source, [f"{source}: {error}"]) from None
    by_suffix = how.format or format_of(source)
    file_format = by_suffix or format_of_content(content)
    _check_keys(how, file_format, source)
    if file_format == "csv":
        trace = read_csv(content, source, how)
    elif file_format == "parquet":
        trace = read_parquet(content, source, how)
    elif file_format == "gpx":
        trace = read_gpx(content, source)
    elif file_format == "bonnmotion":
        trace = read_bonnmotion(content, source)
    elif file_format == "ns2":
        trace = read_ns2(content, source)
    elif file_format == "one":
        trace = read_one(content, source)
    else:
        geo = None if how.coordinates is None else how.coordinates == "geo"
        trace = read_sumo_fcd(content, source, geo=geo, riders=how.riders)
    if by_suffix is None:
        trace = replace(trace, notes=(f"format = '{file_format}', by its content", *trace.notes))
    return trace
