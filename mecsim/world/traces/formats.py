"""Formats of trace files."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal, TypeAlias

TraceFormat: TypeAlias = Literal["csv", "sumo_fcd", "gpx"]
Coordinates: TypeAlias = Literal["map", "geo"]
FORMAT_OF_SUFFIX: dict[str, TraceFormat] = {".csv": "csv", ".xml": "sumo_fcd", ".gpx": "gpx"}


def format_of(name: str) -> TraceFormat | None:
    """Return the format that the suffix of a file name stands for, or None."""
    return FORMAT_OF_SUFFIX.get(PurePath(name.lower().removesuffix(".gz")).suffix)
