"""The lines of a CSV text, its separator, and where its columns stand."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from mecsim.config.table_file import columns
from mecsim.config.table_file.fields import Fields
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.separators import SIGNS, separator_of
from mecsim.config.table_file.style import Separator, TableStyle

Row = tuple[int, list[str]]


class CsvLines:
    """The lines of a text in UTF-8; comments are empty ones. ``number`` is that of the last line given.

    Parameters
    ----------
    content : bytes
    problems : Problems
        Where to note that it is no UTF-8.
    """

    def __init__(self, content: bytes, problems: Problems) -> None:
        self.content, self._problems = content, problems
        self.number = self.comments = 0

    def __iter__(self) -> Iterator[str]:
        self.number = self.comments = 0
        try:
            for line in io.TextIOWrapper(io.BytesIO(self.content), "utf-8-sig", newline=""):
                self.number += 1
                if line.startswith("#"):
                    self.comments += 1
                    yield "\n"
                else:
                    yield line
        except UnicodeDecodeError:
            note_no_utf8(self.content, self._problems)

    def rows(self, separator: Separator) -> Iterator[Row]:
        """Yield the values of each line that is not empty, with its number; no CSV is a problem."""
        space = separator == "space"
        table = csv.reader(self, delimiter=SIGNS[separator], strict=True, skipinitialspace=space)
        try:
            for row in table:
                if row:
                    yield self.number, row
        except csv.Error as error:
            self._problems.add(self.number, f"not valid CSV: {error}")
            self._problems.raise_any()


def note_no_utf8(content: bytes, problems: Problems) -> None:
    """Raise that a text is no UTF-8, if so, with the line."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        problems.add(content.count(b"\n", 0, error.start) + 1, f"not UTF-8 text (byte {error.start})")
        problems.raise_any()


def separator_in(lines: CsvLines, fields: Fields, style: TableStyle, problems: Problems) -> Separator:
    """Return the separator of a text by its first line; raises if it is ambiguous."""
    if style.separator is not None:
        return style.separator
    first = next((line for line in lines if line.strip()), "").strip("\r\n")
    found, problem = separator_of(first, lambda values: _fits(values, fields, style))
    if problem:
        problems.add(lines.number, problem)
        problems.raise_any()
    return found


def _fits(values: list[str], fields: Fields, style: TableStyle) -> bool:
    if columns.numbered(style.columns):
        return all(isinstance(column, int) and column <= len(values) for _, column in style.columns)
    problems = Problems("")
    places = columns.find(fields, values, style.columns, problems, 0)
    columns.check(fields, values, style.columns, places, problems, 0)
    return not problems.found
