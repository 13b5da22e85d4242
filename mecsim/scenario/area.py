"""The map, and points on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from mecsim.config.base import Real, Section, key, refusal

_Side: TypeAlias = Annotated[Real, Field(ge=1e-3, le=1e6)]
_Latitude: TypeAlias = Annotated[Real, Field(ge=-89, le=89)]
_Longitude: TypeAlias = Annotated[Real, Field(ge=-180, le=180)]
_Point: TypeAlias = Annotated[
    tuple[Real, Real], Field(json_schema_extra={"allowed": "two finite numbers [x, y] in metres"})
]


class Area(Section):
    """The map: a rectangle with its lower left corner at (0, 0)."""

    size_m: tuple[_Side, _Side] = key(
        "Width and height of the area",
        unit="m",
        allowed="two numbers [width, height], each >= 0.001 and <= 1000000",
        example=[1000, 1000],
    )
    origin_deg: tuple[_Latitude, _Longitude] | None = key(
        "Latitude and longitude of the point (0, 0), for files in degrees that have no origin of their own",
        unit="degrees",
        allowed="two numbers [latitude, longitude] from -89 to 89 and from -180 to 180",
        default=None,
        example=[-37.82, 144.95],
    )

    def holds(self, point: tuple[float, float]) -> bool:
        """Return whether a point lies in the area, its border included."""
        return 0 <= point[0] <= self.size_m[0] and 0 <= point[1] <= self.size_m[1]

    @property
    def must_hold(self) -> str:
        """What a message says of a point outside."""
        width, height = self.size_m
        return f"must lie in the area, x from 0 to {width:g} and y from 0 to {height:g}"


_area: ContextVar[Area | None] = ContextVar("area", default=None)


@contextmanager
def validation_context(area: Area | None) -> Iterator[None]:
    """Check all points that are validated inside the block against an area.

    A point is checked where it is read, so that one outside is listed together with every other
    problem of its table; pydantic does not check a finished table that has another problem.
    """
    token = _area.set(area)
    try:
        yield
    finally:
        _area.reset(token)


def current_area() -> Area | None:
    """Return the area of the validation context; None outside one, or if the area is not valid."""
    return _area.get()


def _inside(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    area = current_area()
    if area is None:
        return points
    outside = [((index,), area.must_hold) for index, point in enumerate(points) if not area.holds(point)]
    if outside:
        raise refusal(*outside)
    return points


Points: TypeAlias = Annotated[tuple[_Point, ...], AfterValidator(_inside)]
"""Places on the map, in metres from its lower left corner."""
