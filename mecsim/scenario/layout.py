"""Server positions by a rule or from a file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, Section, Whole, key, refusal
from mecsim.config.input_file import InputFile, ScenarioFile
from mecsim.messages import nearest, shortened
from mecsim.scenario.area import Area, current_area

_MODEL = "How the servers are laid out"
_COLUMNS = ("x_m", "y_m")
MOST_SERVERS = 1000
MOST_PROBLEMS = 20

Point: TypeAlias = tuple[float, float]


class Hexagonal(Section):
    """One server in the middle of the area and rings of servers around it, as in a cellular network."""

    model: Literal["hexagonal"] = key(_MODEL, default="hexagonal")
    inter_site_m: Annotated[Real, Field(ge=1e-3, le=1e6)] = key(
        "Distance from a server to each of its six neighbours", unit="m", example=200
    )
    rings: Annotated[Whole, Field(ge=0, le=17)] = key(
        "Number of rings around the server in the middle: 0, 1, 2 make 1, 7, 19 servers", example=1
    )

    @field_validator("rings")
    @classmethod
    def _in_the_area(cls, value: int, info: ValidationInfo) -> int:
        area, distance_m = current_area(), info.data.get("inter_site_m")
        if area is None or distance_m is None:
            return value
        need = (2 * value * distance_m, math.sqrt(3.0) * value * distance_m)
        if any(side < asked for side, asked in zip(area.size_m, need, strict=True)):
            raise refusal(((), f"needs an area of at least {need[0]:g} m x {need[1]:g} m"))
        return value

    def points_m(self, size_m: Point) -> tuple[Point, ...]:
        """Return where the servers stand: the middle first, then ring by ring, each from its east on."""
        middle = (size_m[0] / 2.0, size_m[1] / 2.0)
        return tuple(
            (middle[0] + x * self.inter_site_m, middle[1] + y * self.inter_site_m)
            for x, y in _hexagons(self.rings)
        )


class LayoutFile(Section):
    """The positions in a CSV file."""

    model: Literal["file"] = key(_MODEL, default="file")
    file: ScenarioFile = key(
        "CSV file with the columns x_m and y_m, one line a server, relative to the scenario file",
        allowed="the name of a CSV file with the columns x_m, y_m",
        example="traces/park-sites.csv",
    )

    @field_validator("file")
    @classmethod
    def _readable(cls, value: InputFile) -> InputFile:
        found = read_points(value, current_area())
        if found.problems:
            raise refusal(((), "; ".join(found.problems)))
        return value

    def points_m(self, size_m: Point) -> tuple[Point, ...]:
        """Return where the servers stand, in the order of the file."""
        return read_points(self.file, None).points_m


Layout: TypeAlias = Hexagonal | LayoutFile


def _hexagons(rings: int) -> Iterator[Point]:
    """Yield the centres of hexagons at unit distance, with axial coordinates (q, r)."""
    height = math.sqrt(3.0) / 2.0
    yield 0.0, 0.0
    for ring in range(1, rings + 1):
        q, r = ring, 0
        for step_q, step_r in ((-1, 1), (-1, 0), (0, -1), (1, -1), (1, 0), (0, 1)):
            for _ in range(ring):
                yield q + r / 2.0, r * height
                q, r = q + step_q, r + step_r


@dataclass(frozen=True)
class Points:
    """What a file of positions holds.

    Parameters
    ----------
    points_m : tuple of pairs
        The positions that could be read.
    problems : tuple of str
        One line for each record that could not, the first `MOST_PROBLEMS` of them.
    """

    points_m: tuple[Point, ...]
    problems: tuple[str, ...]


@lru_cache(maxsize=16)
def read_points(file: InputFile, area: Area | None) -> Points:
    """Return the positions in a CSV file; those outside the area, if there is one, are problems."""
    name = file.path.name
    try:
        text = file.content().decode("utf-8-sig")
    except UnicodeDecodeError:
        return Points((), (f"{name}: not UTF-8 text",))
    lines = csv.reader(text.splitlines(), strict=True)
    points: list[Point] = []
    problems: list[str] = []
    header: list[str] | None = None
    try:
        for row in lines:
            if not row:
                continue
            if header is None:
                header = [column.strip() for column in row]
                problems += [f"{name}:{lines.line_num}: {problem}" for problem in _wrong_columns(header)]
                if problems:
                    break
                continue
            point = _point(header, row)
            if not isinstance(point, str) and area is not None and not area.holds(point):
                point = f"x_m = {point[0]:g}, y_m = {point[1]:g}: {area.must_hold}"
            if isinstance(point, str):
                problems.append(f"{name}:{lines.line_num}: record {len(points) + len(problems) + 1}: {point}")
            else:
                points.append(point)
    except csv.Error as error:
        problems.append(f"{name}:{lines.line_num}: not valid CSV: {error}")
    if not problems and not 1 <= len(points) <= MOST_SERVERS:
        problems.append(f"{name}: has {len(points)} positions, must have 1 to {MOST_SERVERS}")
    return Points(tuple(points), tuple(problems[:MOST_PROBLEMS]))


def _wrong_columns(header: list[str]) -> Iterator[str]:
    for column in header:
        if column not in _COLUMNS:
            hint = nearest(column, _COLUMNS) or "; must be x_m, y_m"
            yield f"{shortened(column)}: unknown column{hint}"
        elif header.count(column) > 1:
            yield f"{column}: duplicate column"
    for column in _COLUMNS:
        if column not in header:
            yield f"{column}: missing, must be a column of numbers"


def _point(header: list[str], row: list[str]) -> Point | str:
    """Return the position in a row, or what is wrong with it."""
    if len(row) != len(header):
        return f"has {len(row)} values, must have {len(header)}"
    values = {}
    for column, text in zip(header, row, strict=True):
        try:
            values[column] = float(text)
        except ValueError:
            values[column] = math.nan
        if not math.isfinite(values[column]):
            return f"{column} = {shortened(text)}: must be a finite number"
    return values["x_m"], values["y_m"]
