"""Server positions by a rule."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, Section, Whole, key, refusal
from mecsim.scenario.area import Area, current_area

MODEL = "How the servers are laid out"
MOST_SERVERS = 1000

Point: TypeAlias = tuple[float, float]


class Hexagonal(Section):
    """One server in the middle of the area and rings of servers around it, as in a cellular network."""

    model: Literal["hexagonal"] = key(MODEL, default="hexagonal")
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

    def points_m(self, area: Area) -> tuple[Point, ...]:
        """Return where the servers stand: the middle first, then ring by ring, each from its east on."""
        middle = (area.size_m[0] / 2.0, area.size_m[1] / 2.0)
        return tuple(
            (middle[0] + x * self.inter_site_m, middle[1] + y * self.inter_site_m)
            for x, y in _hexagons(self.rings)
        )


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
