"""Groups: a point that all members follow, and each member's own way about it.

The point goes as by random waypoint in the area less a margin of the radius, the member by random
waypoint in a disc of the radius about it; both start in their stationary laws and are independent.

References
----------
Hong, Gerla, Pei and Chiang (1999), "A group mobility model for ad hoc wireless networks" (RPGM).
"""

from __future__ import annotations

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.mobility import Group, RandomWaypoint
from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs, sum_of
from mecsim.world.mobility.waypoint import Region, waypoints


def group_member(model: Group, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
    """Return the legs of a member of a group, for user ``n`` of group ``n`` modulo the number of groups."""
    about = RandomWaypoint(speed_mps=model.member_speed_mps, pause_s=model.member_pause_s)
    start = stream(seed, Purpose.MOBILITY_START, user)
    legs = stream(seed, Purpose.MOBILITY_LEGS, user)
    own = waypoints(about, Region.disc(model.radius_m), start, legs, until_s)
    return sum_of(followed_point(model, size_m, seed, user % model.groups, until_s), own)


def followed_point(model: Group, size_m: Floats, seed: int, group: int, until_s: float) -> Legs:
    """Return the way of the point that a group follows."""
    way = RandomWaypoint(speed_mps=model.speed_mps, pause_s=model.pause_s)
    start = stream(seed, Purpose.MOBILITY_GROUP_START, group)
    legs = stream(seed, Purpose.MOBILITY_GROUP_LEGS, group)
    inner = Region.rectangle(size_m - 2.0 * model.radius_m, np.float64(model.radius_m))
    return waypoints(way, inner, start, legs, until_s)
