"""Places listed in a file, as operators and cities publish them: read, chosen, put on the map."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from mecsim.config.input_file import InputFile
from mecsim.config.table_file.fields import Fields, Table
from mecsim.config.table_file.problems import MOST_PROBLEMS, Problems
from mecsim.config.table_file.read import read_table
from mecsim.config.table_file.style import TableStyle
from mecsim.errors import TraceError
from mecsim.scenario.area import Area
from mecsim.scenario.projection import projected
from mecsim.system.arrays import Floats, Ints

Point: TypeAlias = tuple[float, float]
Pair: TypeAlias = tuple[float, float]

MOST_SITES = 100_000
CELLS = {"bandwidth": "bandwidth_mhz", "power": "max_power_w", "card": "gpu", "gpus": "gpu_count"}
"""Columns with values for each server, and the keys whose values they take the place of."""

_ROUNDING_M = 1e-3
_PLACE: dict[str, tuple[str, ...]] = {
    "x": ("x_m", "x", "pos_x", "x_pos", "easting_m"),
    "y": ("y_m", "y", "pos_y", "y_pos", "northing_m"),
    "lat": ("lat", "latitude", "lat_deg"),
    "lon": ("lon", "lng", "long", "longitude", "lon_deg"),
}


@dataclass(frozen=True)
class SiteList:
    """Which sites of a file are used, and where they stand on the map.

    Parameters
    ----------
    file : InputFile
    style : TableStyle
        How the table is written.
    box : pair of pairs, optional
        Two opposite corners, in the coordinates of the file: (x, y), or (latitude, longitude).
    count : int, optional
        Use the first so many, after the box.
    origin_deg : pair of float, optional
        Latitude and longitude of (0, 0) before the offset.
    offset_m : pair of float
    most : int
        Most places that may be used.
    """

    file: InputFile
    style: TableStyle
    box: tuple[Pair, Pair] | None
    count: int | None
    origin_deg: Pair | None
    offset_m: Pair
    most: int


@dataclass(frozen=True, eq=False)
class Sites:
    """The places that are used.

    Parameters
    ----------
    points_m : tuple of pairs
    geo : bool
        Whether the file has degrees.
    notes : tuple of str
        How the file was read, and what was passed over.
    cells : dict of tuples
        The values of each further column, one for each place.
    lines : tuple of int
        Line of the file of each place.
    problems : tuple of str
        One line for each record that cannot be used, the first `MOST_PROBLEMS` of them.
    """

    points_m: tuple[Point, ...] = ()
    geo: bool = False
    notes: tuple[str, ...] = ()
    cells: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    lines: tuple[int, ...] = ()
    problems: tuple[str, ...] = ()


@lru_cache(maxsize=8)
def read_sites(sites: SiteList, area: Area | None) -> Sites:
    """Return the places of a file that are used; those outside the area, if there is one, are problems."""
    problems = Problems(sites.file.path.name)
    asked = {role for role, _ in sites.style.columns}
    fields = Fields(
        names=_PLACE | {role: (role,) for role in CELLS},
        choices=(("x", "y"), ("lat", "lon")),
        optional=tuple(role for role in CELLS if role in asked),
        texts=frozenset({"card"}),
    )
    try:
        table = read_table(sites.file.content(), fields, sites.style, problems)
        return _placed(table, sites, area, problems)
    except TraceError:
        return Sites(problems=problems.by_line[:MOST_PROBLEMS])


def _placed(table: Table, sites: SiteList, area: Area | None, problems: Problems) -> Sites:
    """Return the chosen places on the map; raises a TraceError with all that cannot be used."""
    geo = "lat" in table.roles
    place = np.stack([table.numbers[role] for role in (("lon", "lat") if geo else ("x", "y"))], axis=1)
    chosen = _chosen(place, sites, geo=geo)
    if not problems.found:
        _check_count(len(place), len(chosen), sites, problems, geo=geo)
    place, lines, records = place[chosen], table.line[chosen], table.record[chosen]
    if geo:
        wrong = (np.abs(place) > (180.0, 89.0)).any(axis=1)
        for i in np.flatnonzero(wrong).tolist():
            what = f"lat = {place[i, 1]:g}, lon = {place[i, 0]:g}: must lie from -89 to 89 and -180 to 180"
            problems.add(int(lines[i]), what, int(records[i]))
        problems.raise_any()
    points = projected(place, sites.origin_deg) if geo and len(place) else place
    points = points + np.array(sites.offset_m)
    if area is not None:
        _check_area(points, lines, records, area, problems, geo=geo)
    problems.raise_any()
    cells = {role: tuple(column[chosen].tolist()) for role, column in table.numbers.items() if role in CELLS}
    for role, (names, codes) in table.texts.items():
        cells[role] = tuple(names[code] for code in codes[chosen].tolist())
    return Sites(tuple(map(tuple, points.tolist())), geo, tuple(table.notes), cells, tuple(lines.tolist()))


def _chosen(place: Floats, sites: SiteList, *, geo: bool) -> Ints:
    """Return which places lie in the box, the first ``count`` of them."""
    inside = np.full(len(place), True)
    if sites.box is not None:
        corners = np.array(sites.box)[:, ::-1] if geo else np.array(sites.box)
        inside = ((place >= corners.min(axis=0)) & (place <= corners.max(axis=0))).all(axis=1)
    return np.flatnonzero(inside)[: sites.count]


def _check_count(there: int, chosen: int, sites: SiteList, problems: Problems, *, geo: bool) -> None:
    if there > MOST_SITES:
        problems.add(0, f"has {there} positions, must have at most {MOST_SITES}")
    elif sites.count is not None and chosen < sites.count:
        where = " in the box" if sites.box is not None else ""
        problems.add(0, f"has {chosen} positions{where}, fewer than the {sites.count} asked for")
    elif not 1 <= chosen <= sites.most:
        where = " in the box" if sites.box is not None else ""
        advice = "; choose by box, or by count" if chosen else ""
        if not chosen and geo and where:
            advice = "; its corners are [latitude, longitude]"
        problems.add(0, f"has {chosen} positions{where}, must have 1 to {sites.most}{advice}")


def _check_area(
    points_m: Floats, lines: Ints, records: Ints, area: Area, problems: Problems, *, geo: bool
) -> None:
    """Note the places outside the area; a millimetre beyond a border of projected ones is rounding."""
    room_m = np.array(area.size_m)
    out = ((points_m < -_ROUNDING_M * geo) | (points_m > room_m + _ROUNDING_M * geo)).any(axis=1)
    for i in np.flatnonzero(out).tolist():
        x, y = points_m[i].tolist()
        problems.add(int(lines[i]), f"x_m = {x:.6g}, y_m = {y:.6g}: {area.must_hold}", int(records[i]))
