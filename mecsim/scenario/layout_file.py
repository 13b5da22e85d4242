"""Places of servers or users listed in a file, beside rules for servers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from mecsim.config.base import Section, Whole, key, refusal
from mecsim.config.input_file import ScenarioFile
from mecsim.config.table_file.problems import MOST_PROBLEMS
from mecsim.config.table_file.style import Decimal, Separator, TableStyle
from mecsim.messages import shortened
from mecsim.scenario.area import Area, current_area
from mecsim.scenario.layout import MODEL, MOST_SERVERS, Hexagonal, Point
from mecsim.scenario.population import MOST_USERS
from mecsim.scenario.sites import CELLS, SiteList, Sites, read_sites
from mecsim.scenario.table_keys import DEGREES, Column, Degrees, Metres, column

_Corner: TypeAlias = tuple[Metres, Metres]
ONE_ORIGIN = "give area.origin_deg, the latitude and longitude of (0, 0), for both"
_OF_KEY = "servers.{} for each server"


class PlaceColumns(Section):
    """Which columns of a file of places are used."""

    x: Column | None = column("the x coordinate in m")
    y: Column | None = column("the y coordinate in m")
    lat: Column | None = column("the latitude in degrees")
    lon: Column | None = column("the longitude in degrees")


class SiteColumns(PlaceColumns):
    """Which columns of a file of servers are used."""

    bandwidth: Column | None = column("the bandwidth in MHz", left_out=_OF_KEY.format("bandwidth_mhz"))
    power: Column | None = column("the transmit power in W", left_out=_OF_KEY.format("max_power_w"))
    card: Column | None = column("names of GPU cards in the catalogue", left_out=_OF_KEY.format("gpu"))
    gpus: Column | None = column("the number of GPUs", left_out=_OF_KEY.format("gpu_count"))


class PlacesFile(Section):
    """Places in a file."""

    model: Literal["file"] = key(MODEL, default="file")
    file: ScenarioFile = key(
        "CSV or Parquet file with the columns x_m, y_m or lat, lon, one line for each place, relative to the "
        "scenario file; further columns are passed over",
        allowed="the name of a CSV file or Parquet file with the columns x_m, y_m or lat, lon",
        example="traces/park-sites.csv",
    )
    separator: Separator | None = key(
        "Sign between the values of a CSV file; left out: that of ',', ';' and tab that fits its first line",
        default=None,
    )
    decimal: Decimal | None = key(
        "Decimal sign of a CSV file; left out: found from its numbers if they are not ambiguous", default=None
    )
    box: tuple[_Corner, _Corner] | None = key(
        "Use only places in a box, given by two opposite corners in the coordinates of the file",
        allowed="two corners [[x, y], [x, y]] in m, or [[latitude, longitude], [latitude, longitude]]",
        default=None,
        example=[[0, 0], [1000, 1000]],
    )
    origin_deg: Degrees | None = key(
        "Latitude and longitude of the point that becomes (0, 0) before the offset, for a file in degrees; "
        "left out: area.origin_deg, or else the south-west corner of the places used",
        unit="degrees",
        allowed=DEGREES,
        default=None,
    )
    offset_m: tuple[Metres, Metres] | None = key(
        "What is added to all places to put them into the area; left out: nothing",
        unit="m",
        allowed="two numbers [x, y] from -1e8 to 1e8",
        default=None,
    )

    def sites(self, area: Area | None, columns: Section | None, count: int | None, most: int) -> Sites:
        """Return the places that are used, or the problems of the file."""
        given = () if columns is None else tuple((role, name) for role, name in columns if name is not None)
        origin_deg = self.origin_deg or (None if area is None else area.origin_deg)
        style = TableStyle(given, self.separator, self.decimal)
        offset_m = self.offset_m or (0.0, 0.0)
        return read_sites(SiteList(self.file, style, self.box, count, origin_deg, offset_m, most), area)

    def has_own_corner(self, area: Area, sites: Sites) -> bool:
        """Return whether the south-west corner of the places is the point (0, 0)."""
        return sites.geo and self.origin_deg is None and area.origin_deg is None


class LayoutFile(PlacesFile):
    """The positions of servers in a file."""

    columns: SiteColumns | None = key(
        "Columns of the file that have other names, or no names; and columns with values for each server",
        allowed="a table with some of the keys x, y, lat, lon, bandwidth, power, card, gpus",
        default=None,
        example={"x": "x_m", "y": "y_m"},
    )
    count: Annotated[Whole, Field(ge=1, le=MOST_SERVERS)] | None = key(
        "Use only the first so many places of the file, or of the box; left out: all", default=None
    )

    @model_validator(mode="after")
    def _readable(self) -> Self:
        found = self.read(current_area())
        if found.problems:
            raise refusal((("file",), "; ".join(found.problems)))
        return self

    def read(self, area: Area | None) -> Sites:
        """Return the servers that are used, or the problems of the file."""
        return self.sites(area, self.columns, self.count, MOST_SERVERS)

    def points_m(self, area: Area) -> tuple[Point, ...]:
        """Return where the servers stand, in the order of the file."""
        return self.read(area).points_m

    def cells(self, kinds: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
        """Return the values that columns give for each server, as the keys of their names have them.

        Parameters
        ----------
        kinds : dict
            For each of those keys its type and what it allows in words.

        Raises
        ------
        PydanticCustomError
            With every value that is not allowed, by line.
        """
        sites, problems, values = self.read(current_area()), list[str](), dict[str, tuple[Any, ...]]()
        for role, name in CELLS.items():
            adapter, allowed = TypeAdapter(kinds[name][0]), kinds[name][1]
            found = []
            for line, cell in zip(sites.lines, sites.cells.get(role, ()), strict=False):
                try:
                    found.append(adapter.validate_python(_plain(cell)))
                except ValidationError:
                    place = f"{self.file.path.name}:{line}: {role} = {shortened(str(_plain(cell)))}"
                    problems.append(f"{place}: must be {allowed}")
            if role in sites.cells:
                values[name] = tuple(found)
        if problems:
            raise refusal((("layout", "file"), "; ".join(problems[:MOST_PROBLEMS])))
        return values


class UserPlaces(PlacesFile):
    """The places of static users in a file."""

    columns: PlaceColumns | None = key(
        "Columns of the file that have other names, or no names",
        allowed="a table with some of the keys x, y, lat, lon",
        default=None,
        example={"x": "x_m", "y": "y_m"},
    )

    def read(self, area: Area | None, count: int) -> Sites:
        """Return the places of so many users, or the problems of the file."""
        return self.sites(area, self.columns, count, MOST_USERS)


def _plain(cell: Any) -> Any:
    """Return a cell as a scenario file writes it: 8 and not 8.0."""
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


Layout: TypeAlias = Hexagonal | LayoutFile


def files_in_degrees(
    servers: Layout | None, users: UserPlaces | None, area: Area, count: int
) -> dict[str, bool]:
    """Return which of the two layouts are in degrees, and whether (0, 0) is the south-west corner of each."""
    found = {}
    if isinstance(servers, LayoutFile) and (sites := servers.read(area)).geo:
        found["servers.layout"] = servers.has_own_corner(area, sites)
    if users is not None and (sites := users.read(area, count)).geo:
        found["users.layout"] = users.has_own_corner(area, sites)
    return found
