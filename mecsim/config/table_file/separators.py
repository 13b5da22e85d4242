"""The sign between the values of a line."""

from __future__ import annotations

import csv
from collections.abc import Callable

from mecsim.config.table_file.style import Separator
from mecsim.messages import either

SIGNS: dict[Separator, str] = {",": ",", ";": ";", "tab": "\t", "space": " "}
_TRIED: tuple[Separator, ...] = (",", ";", "tab")


def split(line: str, separator: Separator) -> list[str]:
    """Return the values of one line; one that is no valid CSV is a single value."""
    try:
        rows = list(csv.reader([line], delimiter=SIGNS[separator], skipinitialspace=separator == "space"))
    except csv.Error:
        return [line]
    return [value.strip() for value in rows[0]] if rows else []


def separator_of(line: str, fits: Callable[[list[str]], bool]) -> tuple[Separator, str]:
    """Return the separator of a file by its first line, and what is ambiguous about it, or empty.

    Parameters
    ----------
    line : str
        The header, or the first line of values.
    fits : callable
        Whether the values of that line, split, are those of such a table.
    """
    there = [each for each in _TRIED if len(split(line, each)) > 1]
    if len(there) < 2:
        return (there or [","])[0], ""
    good = [each for each in there if fits(split(line, each))]
    if len(good) == 1:
        return good[0], ""
    what = f"the separator is ambiguous: give separator = {either(tuple(good))}" if good else ""
    return there[0], what
