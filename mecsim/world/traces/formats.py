"""Formats of trace files, by the suffix of their names or by their content, and how to read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from mecsim.config.table_file.parquet_bounds import MAGIC
from mecsim.config.table_file.style import Decimal, Separator, TableStyle, TimeUnit

TraceFormat: TypeAlias = Literal["csv", "parquet", "sumo_fcd", "gpx", "bonnmotion", "ns2", "one"]
Coordinates: TypeAlias = Literal["map", "geo"]
Riders: TypeAlias = Literal["merge", "keep"]
Role: TypeAlias = Literal["time", "user", "x", "y", "lat", "lon"]

FORMAT_OF_SUFFIX: dict[str, TraceFormat] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".xml": "sumo_fcd",
    ".gpx": "gpx",
    ".movements": "bonnmotion",
    ".ns_movements": "ns2",
    ".tcl": "ns2",
    ".one": "one",
}
_MOST_LOOKED_AT = 1 << 16
_ROOT = re.compile(r"<(?:[\w.-]+:)?([A-Za-z_][\w.-]*)")
_NS2 = re.compile(r"^\s*\$(?:node_?\(|ns_? +at +)", re.MULTILINE)
_ASIDE = re.compile(r"<!--.*?-->|<\?.*?\?>", re.DOTALL)


@dataclass(frozen=True)
class HowToRead:
    """What a scenario or a command says about a trace file; None where the file says it itself.

    Parameters
    ----------
    format : str, optional
    coordinates : str, optional
        ``"geo"`` if the x and y of a SUMO file are degrees.
    columns : tuple of pairs
        Which column holds each role of a table: its name, or its number from 1 if there is no header.
    separator, decimal, time_unit, time_format : str, optional
        How the values of a CSV file are written.
    riders : str
        ``"merge"`` leaves out the persons of a SUMO file while they ride in a vehicle.
    """

    format: TraceFormat | None = None
    coordinates: Coordinates | None = None
    columns: tuple[tuple[Role, str | int], ...] = ()
    separator: Separator | None = None
    decimal: Decimal | None = None
    time_unit: TimeUnit | None = None
    time_format: str | None = None
    riders: Riders = "keep"

    @property
    def style(self) -> TableStyle:
        """What of it is about tables."""
        return TableStyle(self.columns, self.separator, self.decimal, self.time_unit, self.time_format)


def format_of(name: str) -> TraceFormat | None:
    """Return the format that the suffix of a file name stands for, or None."""
    return FORMAT_OF_SUFFIX.get(PurePath(name.lower().removesuffix(".gz")).suffix)


def format_of_content(content: bytes) -> TraceFormat:
    """Return the format of an unpacked file: by its first bytes, the root of an XML text, or statements."""
    if content.startswith(MAGIC):
        return "parquet"
    head = content[:_MOST_LOOKED_AT]
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    text = head.decode(encoding, "replace").lstrip()
    if not text.startswith("<"):
        return "ns2" if _NS2.search(text) else "csv"
    root = _ROOT.search(_ASIDE.sub("", text))
    return "gpx" if root is not None and root[1] == "gpx" else "sumo_fcd"
