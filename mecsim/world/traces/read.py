"""From a file to a trace, by its format."""

from __future__ import annotations

import gzip
import io
import zlib
from functools import lru_cache
from pathlib import Path

from mecsim.config.bounded_file import read_bounded
from mecsim.config.input_file import LARGEST_BYTES, LARGEST_MB, InputFile
from mecsim.errors import TraceError, UnreadableFile
from mecsim.world.traces.csv_trace import read_csv
from mecsim.world.traces.formats import FORMAT_OF_SUFFIX, Coordinates, TraceFormat, format_of
from mecsim.world.traces.gpx import read_gpx
from mecsim.world.traces.sumo import read_sumo_fcd
from mecsim.world.traces.trace import Trace

# Traces pack 5 to 50 times, nothing but zeros a thousand times; a few MiB do no harm either way.
MOST_PACKED, _ANY_MB = 100, 4
_GZIP = b"\x1f\x8b"
_PIECE_BYTES = 1 << 20


def load_trace(
    path: str | Path, file_format: TraceFormat | None = None, coordinates: Coordinates | None = None
) -> Trace:
    """Return the trace in a file.

    Parameters
    ----------
    path : str or Path
        A CSV, SUMO FCD or GPX file, which may be packed by gzip.
    file_format : str, optional
        ``"csv"``, ``"sumo_fcd"`` or ``"gpx"``; by the suffix if left out.
    coordinates : str, optional
        ``"geo"`` if the x and y of a SUMO file are degrees.

    Raises
    ------
    TraceError
        If it cannot be read; lists the first problems, each with line and record.
    """
    source = str(path)
    file_format = file_format or format_of(source)
    if file_format is None:
        endings = ", ".join(FORMAT_OF_SUFFIX)
        raise TraceError(source, [f"{source}: must end in {endings} (and .gz), or the format be given"])
    try:
        content = read_bounded(path, LARGEST_BYTES)
    except UnreadableFile as error:
        raise TraceError(source, [f"{source}: {error}"]) from error
    return parse_trace(content, source, file_format, coordinates)


@lru_cache(maxsize=4)
def read_trace(file: InputFile, file_format: TraceFormat, coordinates: Coordinates | None) -> Trace:
    """Return the trace that a scenario names; read once for all its runs in a process."""
    return parse_trace(file.content(), str(file), file_format, coordinates)


def parse_trace(
    content: bytes, source: str, file_format: TraceFormat, coordinates: Coordinates | None = None
) -> Trace:
    """Return the trace in the content of a file; raises what `load_trace` does."""
    if content.startswith(_GZIP):
        content = _unpacked(content, source)
    if file_format == "csv":
        return read_csv(content, source)
    if file_format == "gpx":
        return read_gpx(content, source)
    return read_sumo_fcd(content, source, geo=coordinates == "geo")


def _unpacked(content: bytes, source: str) -> bytes:
    """Return what gzip has packed; looked through first, so that a bomb is refused before it takes memory."""
    most = min(LARGEST_MB << 20, max(_ANY_MB << 20, MOST_PACKED * len(content)))
    size = 0
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            while size <= most and (piece := packed.read(_PIECE_BYTES)):
                size += len(piece)
        if size <= most:
            return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise TraceError(source, [f"{source}: not a whole gzip file: {error}"]) from None
    packed_well = "" if most == LARGEST_MB << 20 else f" from {len(content)} bytes"
    raise TraceError(source, [f"{source}: unpacks to more than {most >> 20} MiB{packed_well}"])
