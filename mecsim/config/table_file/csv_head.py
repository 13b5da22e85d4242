"""What the first lines of a CSV text say: its columns, and how numbers and times are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from mecsim.config.table_file import columns
from mecsim.config.table_file.columns import Places
from mecsim.config.table_file.fields import Fields, Role
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.style import Decimal, Separator, TableStyle
from mecsim.config.table_file.values import LATEST_S, SECONDS, AsSeconds, decimal_of, number, time_reader
from mecsim.messages import shortened


@dataclass
class CsvHead:
    """How the lines after the header are read.

    Parameters
    ----------
    separator : str
    width : int
        Number of values in each line.
    has_header : bool
    roles : tuple of str
    places : dict
        Place of each role's column, from 0.
    names : dict
        What messages call the column of each role.
    decimal : str
    seconds : callable
        From the text of a time to seconds.
    time_scale : float or None
        What a time that is a plain number is multiplied by; None for other times.
    notes : list of str
    """

    separator: Separator
    width: int
    has_header: bool
    roles: tuple[Role, ...]
    places: Places
    names: dict[Role, str]
    decimal: Decimal = "."
    seconds: AsSeconds = float
    time_scale: float | None = 1.0
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        first: list[str],
        line: int,
        separator: Separator,
        fields: Fields,
        style: TableStyle,
        problems: Problems,
    ) -> CsvHead:
        """Return where the columns are by the first line; raises what is missing or ambiguous."""
        notes = [f"separator = '{separator}'"] if separator != "," else []
        asked = style.columns
        has_header = not columns.numbered(asked)
        if has_header:
            header = [name.strip() for name in first]
            places = columns.find(fields, header, asked, problems, line)
        else:
            header = [f"column {n}" for n in range(1, len(first) + 1)]
            places = columns.by_number(len(first), asked, problems, line)
            notes.append("no header; columns by number")
        roles = columns.check(fields, header, asked, places, problems, line)
        if problems.found and has_header and any(map(math.isfinite, map(number, header))):
            example = ", ".join(f"{role} = {n}" for n, role in enumerate(fields.choices[0], start=1))
            what = "has numbers in its first line; if it has no header, give the columns by number"
            problems.add(line, f"{what}, such as columns = {{ {example} }}")
        if problems.found and len(first) == 1:
            advice = f", another than '{separator}'" if style.separator else ", such as separator = 'space'"
            problems.add(line, f"has one column only; give the separator{advice}")
        problems.raise_any()
        places = {role: places[role] for role in roles}
        names = {role: shortened(header[at]) for role, at in places.items()}
        notes += columns.notes(fields, header, places)
        return cls(separator, len(first), has_header, roles, places, names, notes=notes)

    def look_at(
        self, rows: Sequence[list[str]], fields: Fields, style: TableStyle, problems: Problems
    ) -> None:
        """Find out from some lines how numbers and times are written; raises what is ambiguous."""
        text = {role: [row[at].strip() for row in rows] for role, at in self.places.items()}
        times = text.get("time", [])
        first = next(filter(None, times), "")
        unit = style.time_unit or columns.unit_in(self.names.get("time", ""))
        self.seconds, said = time_reader(first, unit, ".", style.time_format)
        is_number = said == "" or said.startswith("times in")
        self.time_scale = SECONDS[unit or "s"] if is_number else None
        numbers = [role for role in self.roles if role not in fields.texts and role != "time"]
        if is_number and "time" in self.roles:
            numbers.append("time")
        decimal = style.decimal or decimal_of(value for role in numbers for value in text[role])
        if decimal is None:
            problems.add(
                0, "its numbers have commas that may be decimal signs or not: give decimal = ',' or '.'"
            )
            problems.raise_any()
        self.decimal = decimal or "."
        if self.decimal == ",":
            self.notes.append("decimal = ','")
            self.seconds, said = time_reader(first, unit, ",", style.time_format)
        self.notes += filter(None, [said])
        latest_s = max(filter(math.isfinite, map(self.seconds, times)), default=0.0)
        if unit is None and is_number:
            refuse_other_units(latest_s, self.names.get("time", ""), problems)


def refuse_other_units(latest_s: float, name: str, problems: Problems) -> None:
    """Raise that numbers are no seconds, if they are too late for that or in nanoseconds by their name."""
    if columns.plain(name).rpartition("_")[2] in ("ns", "nanoseconds"):
        problems.add(0, f"{name}: nanoseconds are not read: write them as 'us', or give their time_unit")
        problems.raise_any()
    if abs(latest_s) > LATEST_S:
        problems.add(
            0, f"{name} = {latest_s:.15g}: too late for seconds: give time_unit, such as 'ms', or time_format"
        )
        problems.raise_any()
