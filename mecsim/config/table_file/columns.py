"""Which column of a table plays which role."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mecsim.config.table_file.fields import Fields, Role
from mecsim.config.table_file.problems import Problems
from mecsim.config.table_file.style import TimeUnit
from mecsim.messages import nearest, shortened

Asked = Sequence[tuple[Role, str | int]]
Places = dict[Role, int]

_UNITS: dict[str, TimeUnit] = {
    "ms": "ms", "milliseconds": "ms", "us": "us", "microseconds": "us", "min": "min", "minutes": "min",
    "h": "h", "hours": "h",
}  # fmt: skip


def plain(name: str) -> str:
    """Return a name of a column without case, and with one sign between its words."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def unit_in(name: str) -> TimeUnit | None:
    """Return the unit that the name of a column of times ends in."""
    return _UNITS.get(plain(name).rpartition("_")[2])


def numbered(asked: Asked) -> bool:
    """Return whether columns are asked for by number, as in a file without a header."""
    return any(isinstance(column, int) for _, column in asked)


def find(fields: Fields, header: Sequence[str], asked: Asked, problems: Problems, line: int) -> Places:
    """Return the place of each role's column, from 0.

    Parameters
    ----------
    fields : Fields
    header : sequence of str
    asked : sequence of pairs
        Roles with the names of their columns; those left out are found by their usual names.
    problems : Problems
        Told what is missing, and what is ambiguous; the caller raises it.
    line : int
        Line of the header.
    """
    places: Places = {}
    for role, name in asked:
        at = _named(header, str(name))
        if len(at) == 1:
            places[role] = at[0]
        else:
            hint = nearest(str(name), header) or f"; there are {_listed(header)}"
            what = f"there is no such column{hint}" if not at else "duplicate column"
            problems.add(line, f"columns.{role} = {shortened(str(name))}: {what}")
    given = {role for role, _ in asked}
    looked_for = [choice for choice in fields.choices if given & set(fields.own(choice))] or fields.choices
    roles = {role for choice in looked_for for role in choice} | set(fields.optional)
    for role in fields.names:
        if role in roles and role not in given:
            _add_usual(fields, header, role, places, problems, line)
    return places


def check(
    fields: Fields, header: Sequence[str], asked: Asked, places: Places, problems: Problems, line: int
) -> tuple[Role, ...]:
    """Return the roles of one choice and the optional ones found; what is missing, or too many, is told."""
    given = {role for role, _ in asked}
    _check_once(header, places, problems, line)
    begun = [choice for choice in fields.choices if (given | set(places)) & set(fields.own(choice))]
    wanted = begun[-1] if begun else fields.choices[0]
    own = ", ".join(fields.names[role][0] for role in wanted)
    for role in wanted:
        if role not in places and role not in given:
            unused = [name for at, name in enumerate(header) if at not in places.values()]
            alike = (name for name in unused if _alike(fields, name, role))
            hint = next((f"; did you mean '{shortened(name)}'?" for name in alike), "")
            advice = f'; or name it by columns = {{ {role} = "..." }}'
            problems.add(
                line, f"{fields.names[role][0]}: this column is missing; must be {own}{hint}{advice}"
            )
    for choice in begun[:-1]:
        for role in fields.own(choice):
            if role in places and role not in wanted:
                problems.add(line, f"{shortened(header[places[role]])}: {_one_of(fields)}")
    return (*wanted, *(role for role in fields.optional if role in places))


def by_number(width: int, asked: Asked, problems: Problems, line: int) -> Places:
    """Return the place of each role's column of a file without a header, from 0."""
    places: Places = {}
    for role, column in asked:
        if isinstance(column, int) and column <= width:
            places[role] = column - 1
        else:
            what = f"must be a number from 1 to {width}, as for the other columns"
            problems.add(line, f"columns.{role} = {shortened(str(column))}: {what}")
    return places


def notes(fields: Fields, header: Sequence[str], places: Places) -> list[str]:
    """Return which columns were taken for what, where their names differ, and which were passed over."""
    said = []
    for role, at in places.items():
        if header[at] != fields.names[role][0]:
            said.append(f"{role} = {shortened(header[at])}")
    rest = [shortened(name) or "unnamed" for at, name in enumerate(header) if at not in places.values()]
    if rest:
        more = f" and {len(rest) - 10} more" if len(rest) > 10 else ""
        said.append(f"columns passed over: {', '.join(rest[:10])}{more}")
    return said


def _one_of(fields: Fields) -> str:
    """Return that only the columns of one choice may be given."""
    own = [fields.own(choice) for choice in fields.choices]
    names = " or ".join(", ".join(fields.names[role][0] for role in roles) for roles in own)
    tables = " or ".join(
        "{ " + ", ".join(f'{role} = "..."' for role in roles) + " }" for roles in reversed(own)
    )
    word = "either " if len(own) == 2 else "one of "
    last = ", not both" if len(own) == 2 else ""
    return f"give {word}{names}{last}; choose by columns = {tables}"


def _add_usual(
    fields: Fields, header: Sequence[str], role: Role, places: Places, problems: Problems, line: int
) -> None:
    known = fields.names[role]
    first = [at for at, name in enumerate(header) if name.strip() == known[0]]
    at = first or [at for at, name in enumerate(header) if plain(name) in known]
    at = [place for place in at if place not in places.values()]
    if len(at) == 1:
        places[role] = at[0]
    elif len({header[place] for place in at}) == 1:
        problems.add(line, f"{shortened(header[at[0]])}: duplicate column")
        places[role] = at[0]
    elif at:
        found = " and ".join(shortened(header[place]) for place in at)
        problems.add(line, f'{found} may each be the {role}: choose by columns = {{ {role} = "..." }}')
        places[role] = at[0]


def _check_once(header: Sequence[str], places: Places, problems: Problems, line: int) -> None:
    """Note the columns that are asked for in two roles."""
    role_at: dict[int, Role] = {}
    for role, at in places.items():
        other = role_at.setdefault(at, role)
        if other != role:
            problems.add(line, f"columns.{role} = {shortened(header[at])}: is columns.{other} already")


def _named(header: Sequence[str], name: str) -> list[int]:
    exact = [at for at, other in enumerate(header) if other == name]
    return exact or [at for at, other in enumerate(header) if other.casefold() == name.casefold()]


def _alike(fields: Fields, name: str, role: Role) -> bool:
    words = plain(name).split("_")
    begins = len(role) > 1 or any(word.startswith(role) for word in words)  # z_m is not meant for x_m
    return begins and bool(nearest(plain(name), fields.names[role]))


def _listed(header: Sequence[str]) -> str:
    return ", ".join(shortened(name) for name in header[:20]) or "none"
