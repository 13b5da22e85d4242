"""Groups: a point that all members follow, and each member's movement about it.

The point goes as by random waypoint in the area less a margin of the radius, the member by random
waypoint in a disc of the radius about it; both start in their stationary laws and are independent.

References
----------
Hong, Gerla, Pei and Chiang (1999), "A group mobility model for ad hoc wireless networks" (RPGM).
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from mecsim.config.base import Real, Whole, key, refusal
from mecsim.rng import Purpose, stream
from mecsim.scenario.area import current_area
from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs, sum_of
from mecsim.world.mobility.model import MODEL, MobilityModel, Pauses, Speeds, pause_key, speed_key
from mecsim.world.mobility.waypoint import RandomWaypoint, Region, waypoints


class Group(MobilityModel):
    """Users move in groups: a point that goes as by random waypoint, and each user about it."""

    model: Literal["group"] = key(MODEL, default="group")
    groups: Annotated[Whole, Field(ge=1, le=100_000)] = key(
        "Number of groups; user n belongs to group n modulo this number", example=3
    )
    radius_m: Annotated[Real, Field(ge=0.1, le=1e5)] = key(
        "Largest distance of a user from the point its group follows", unit="m", example=20
    )
    speed_mps: Speeds = speed_key()
    pause_s: Pauses = pause_key()
    member_speed_mps: Speeds = key(
        "Lowest and highest speed of a user about its group's point",
        unit="m/s",
        allowed="two numbers [low, high] with 0 < low <= high <= 400",
        example=[1, 2],
    )
    member_pause_s: Pauses = key(
        "Shortest and longest pause of a user about its group's point",
        unit="s",
        allowed="two numbers [low, high] with 0 <= low <= high <= 1e7",
        default=(0.0, 0.0),
    )

    @field_validator("radius_m")
    @classmethod
    def _a_group_fits(cls, value: float) -> float:
        area = current_area()
        if area is not None and value > 0.45 * min(area.size_m):
            most = 0.45 * min(area.size_m)
            raise refusal(((), f"must be at most {most:g}, 0.45 of the shorter side of the area"))
        return value

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the legs of user ``n``, who belongs to group ``n`` modulo the number of groups."""
        about = RandomWaypoint(speed_mps=self.member_speed_mps, pause_s=self.member_pause_s)
        start = stream(seed, Purpose.MOBILITY_START, user)
        legs = stream(seed, Purpose.MOBILITY_LEGS, user)
        own = waypoints(about, Region.disc(self.radius_m), start, legs, until_s)
        return sum_of(followed_point(self, size_m, seed, user % self.groups, until_s), own)

    def fastest_mps(self) -> float:
        """Return the sum of the highest speeds of the group's point and of a member about it."""
        return self.speed_mps[1] + self.member_speed_mps[1]


def followed_point(model: Group, size_m: Floats, seed: int, group: int, until_s: float) -> Legs:
    """Return the legs of the point that a group follows."""
    centre = RandomWaypoint(speed_mps=model.speed_mps, pause_s=model.pause_s)
    start = stream(seed, Purpose.MOBILITY_GROUP_START, group)
    legs = stream(seed, Purpose.MOBILITY_GROUP_LEGS, group)
    inner = Region.rectangle(size_m - 2.0 * model.radius_m, np.float64(model.radius_m))
    return waypoints(centre, inner, start, legs, until_s)
