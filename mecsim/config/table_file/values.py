"""Numbers and times as people write them: decimal commas, units, clock times, date times.

Date times without a zone are taken for UTC, which only matters beside date times that have one: a run
counts from the first sample.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from mecsim.config.table_file.style import Decimal, TimeUnit

SECONDS: dict[TimeUnit, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0}
LATEST_S = 1e11
"""Beyond this (the year 5138) a number of seconds is one of milliseconds or less."""

_CLOCK = re.compile(r"(?:(\d{1,9}):)?(\d{1,9}):([0-5]?\d):([0-5]?\d(?:\.\d*)?)")
_YEAR_FIRST = re.compile(r"\d{4}[-/]\d\d?[-/]\d\d?(?:[T ].*)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")

AsSeconds = Callable[[str], float]


def number(text: str, decimal: Decimal = ".") -> float:
    """Return the number in a text, NaN if there is none or it is not finite."""
    if "_" in text or (decimal == "," and "." in text):
        return math.nan
    try:
        value = float(text.replace(",", ".") if decimal == "," else text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def clock_s(text: str) -> float:
    """Return the seconds in ``hours:minutes:seconds``, with days before them or not; else NaN."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return math.nan
    days, hours, minutes, seconds = found.groups()
    return int(days or 0) * 86400.0 + int(hours) * 3600.0 + int(minutes) * 60.0 + float(seconds)


def date_s(text: str, time_format: str | None = None) -> float:
    """Return the seconds since 1970 of a date time: ISO 8601, or as a format of `strptime` says; else NaN."""
    text = text.strip()
    try:
        if time_format is not None:
            moment = datetime.strptime(text, time_format)
        else:
            day, _, rest = text.replace("T", " ", 1).partition(" ")
            parts = day.replace("/", "-").split("-")
            day = "-".join([parts[0], *(part.zfill(2) for part in parts[1:])])
            moment = datetime.fromisoformat(f"{day} {rest}" if rest else day)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return math.nan


def time_reader(
    first: str, unit: TimeUnit | None, decimal: Decimal, time_format: str | None
) -> tuple[AsSeconds, str]:
    """Return how to read times of which one is given, and that in words.

    The words are empty for plain seconds. What cannot be told is read as a number, and so refused.
    """
    if time_format is not None:
        return lambda text: date_s(text, time_format), f"times by time_format = '{time_format}'"
    if not math.isnan(clock_s(first)):
        return clock_s, "times as hours:minutes:seconds"
    if _YEAR_FIRST.fullmatch(first.strip()) is not None:
        return date_s, "times as date times, in UTC where they have no zone"
    scale = SECONDS[unit or "s"]
    said = "" if unit in (None, "s") else f"times in {unit}"
    return (lambda text: number(text, decimal) * scale), said


def decimal_of(values: Iterable[str]) -> Decimal | None:
    """Return the decimal sign of some numbers, None if they leave it open."""
    texts = [text.strip() for text in values]
    commas = [text for text in texts if _COMMA.fullmatch(text)]
    if not any("," in text for text in texts):
        return "."
    if any("." in text for text in texts) or all(_THOUSANDS.fullmatch(text) for text in commas):
        return None
    return ","
