"""Which column of a table holds the time, the user and the place."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mecsim.messages import nearest, shortened
from mecsim.world.traces.formats import Role, TimeUnit
from mecsim.world.traces.problems import Problems

# The first name of each role is the one that mecsim writes; it precedes all others.
NAMES: dict[Role, tuple[str, ...]] = {
    "time": ("t_s", "time_s", "time", "timestamp", "t", "datetime", "date_time", "t_ms", "time_ms",
             "timestamp_s", "timestamp_ms", "timestep_time"),
    "user": ("user_id", "user", "userid", "id", "vehicle_id", "vehicleid", "person_id", "node_id", "node",
             "device_id", "track_id", "taxi_id"),
    "x": ("x_m", "x", "vehicle_x", "person_x", "pos_x", "x_pos"),
    "y": ("y_m", "y", "vehicle_y", "person_y", "pos_y", "y_pos"),
    "lat": ("lat", "latitude", "lat_deg"),
    "lon": ("lon", "lng", "long", "longitude", "lon_deg"),
}  # fmt: skip
MAP: tuple[Role, ...] = ("time", "user", "x", "y")
GEO: tuple[Role, ...] = ("time", "user", "lat", "lon")
Asked = Sequence[tuple[Role, str | int]]
Places = dict[Role, int]


def plain(name: str) -> str:
    """Return a name of a column without case, and with one sign between its words."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")


def unit_in(name: str) -> TimeUnit | None:
    """Return the unit that the name of a column of times ends in."""
    return "ms" if plain(name).endswith("_ms") else None


def numbered(asked: Asked) -> bool:
    """Return whether columns are asked for by number, as in a file without a header."""
    return any(isinstance(column, int) for _, column in asked)


def find(header: Sequence[str], asked: Asked, problems: Problems, line: int) -> Places:
    """Return the place of each role's column, from 0.

    Parameters
    ----------
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
    missing = [role for role in NAMES if role not in dict(asked)]
    given = {role for role, _ in asked}
    if given & {"lat", "lon"}:
        missing = [role for role in missing if role not in ("x", "y")]
    elif given & {"x", "y"}:
        missing = [role for role in missing if role not in ("lat", "lon")]
    for role in missing:
        _add_usual(header, role, places, problems, line)
    return places


def check(header: Sequence[str], places: Places, problems: Problems, line: int) -> tuple[Role, ...]:
    """Return the roles of a trace in metres or in degrees; what is missing, or too many, is a problem."""
    wanted = GEO if {"lat", "lon"} & set(places) else MAP
    own = ", ".join(NAMES[role][0] for role in wanted)
    for role in wanted:
        if role not in places:
            unused = [name for at, name in enumerate(header) if at not in places.values()]
            hint = next((f"; did you mean '{shortened(name)}'?" for name in unused if _alike(name, role)), "")
            advice = f'; or name it by columns = {{ {role} = "..." }}'
            problems.add(line, f"{NAMES[role][0]}: this column is missing; must be {own}{hint}{advice}")
    for role in ("x", "y"):
        if role in places and wanted is GEO:
            problems.add(
                line,
                f"{shortened(header[places[role]])}: give either x_m, y_m or lat, lon, not both; "
                'choose by columns = { lat = "...", lon = "..." } or { x = "...", y = "..." }',
            )
    return wanted


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


def notes(header: Sequence[str], places: Places) -> list[str]:
    """Return which columns were taken for what, where their names differ, and which were passed over."""
    said = []
    for role, at in places.items():
        if header[at] != NAMES[role][0]:
            said.append(f"{role} = {shortened(header[at])}")
    rest = [shortened(name) or "unnamed" for at, name in enumerate(header) if at not in places.values()]
    if rest:
        more = f" and {len(rest) - 10} more" if len(rest) > 10 else ""
        said.append(f"columns passed over: {', '.join(rest[:10])}{more}")
    return said


def _add_usual(header: Sequence[str], role: Role, places: Places, problems: Problems, line: int) -> None:
    first = [at for at, name in enumerate(header) if name.strip() == NAMES[role][0]]
    at = first or [at for at, name in enumerate(header) if plain(name) in NAMES[role]]
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


def _named(header: Sequence[str], name: str) -> list[int]:
    exact = [at for at, other in enumerate(header) if other == name]
    return exact or [at for at, other in enumerate(header) if other.casefold() == name.casefold()]


def _alike(name: str, role: Role) -> bool:
    words = set(plain(name).split("_"))
    return bool(nearest(plain(name), NAMES[role])) and (role not in ("x", "y") or role in words)


def _listed(header: Sequence[str]) -> str:
    return ", ".join(shortened(name) for name in header[:20]) or "none"
