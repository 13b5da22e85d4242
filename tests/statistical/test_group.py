"""Groups: the point that is followed, the place about it, and what members have in common.

The followed point has the stationary law of random waypoint (R2) in the area less a margin; a member's
distance r from it has the density that goes with f(r) = (1 - r^2) times the integral over [0, pi) of
sqrt(1 - r^2 cos^2 phi), in units of the radius. 3000 groups of two, at t = 0 and later.
"""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest

from mecsim.testing.verification.mobility import JUMPS
from mecsim.testing.verification.mutant import replaced
from mecsim.world.mobility import group as product
from mecsim.world.mobility.group import Group, followed_point
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import Region

GROUPS, LATER_S, RADIUS_M = 3000, 60.0, 20.0
FEW = 1500  # enough to tell a mutant
SIZE_M = np.array([140.0, 140.0])
DEVIATION_M = 0.230971 * 100.0
MEAN_SQUARE = 0.314286
MODEL = Group(groups=GROUPS, radius_m=RADIUS_M, speed_mps=(2.0, 6.0), member_speed_mps=(0.5, 1.5))
SMALLER = MODEL.model_copy(update={"groups": FEW})


def of_each(model, until_s=LATER_S):
    """Return the ways of two members of each group, the first ones before the second ones."""
    return Trajectories.join([model.legs(SIZE_M, 61, n, until_s) for n in range(2 * model.groups)])


@pytest.fixture(scope="module")
def members():
    return of_each(MODEL)


@pytest.fixture(scope="module")
def points():
    return Trajectories.join([followed_point(MODEL, SIZE_M, 61, g, LATER_S) for g in range(GROUPS)])


def about(members, points, time_s):
    """Places of the first and the second members, and of the points they follow, (groups, 2) each."""
    groups = (len(members.first) - 1) // 2
    place = members.position_m(np.arange(2 * groups), np.array(time_s))
    return place[:groups], place[groups:], points.position_m(np.arange(groups), np.array(time_s))


@pytest.fixture(scope="module")
def radial():
    """Distances in radii, and the probability of each cell, by the midpoint rule."""
    r = (np.arange(4000) + 0.5) / 4000
    cosine = np.cos((np.arange(720) + 0.5) * np.pi / 720)
    density = r * (1.0 - r**2) * np.sqrt(1.0 - (r[:, None] * cosine) ** 2).mean(axis=1)
    return r, density / density.sum()


def check_distance(verdicts, away_m, radial, when):
    r, cell = radial
    distance = np.hypot(*away_m.T) / RADIUS_M
    square, fourth = (cell * r**2).sum(), (cell * r**4).sum()
    assert square == pytest.approx(MEAN_SQUARE, abs=1e-6)
    verdicts.mean(f"square of the distance at {when}", distance**2, square, np.sqrt(fourth - square**2))
    edges, cumulative = np.arange(len(r) + 1) / len(r), np.append(0.0, np.cumsum(cell))
    verdicts.law(f"distance at {when}", distance, lambda v: np.interp(v, edges, cumulative))


def check_common(verdicts, one, other, expected_m2, when):
    """E[x x'] of two members' places from the middle.

    With V and o the variances of the point and of the place about it, Var(x x') is
    1.102 V^2 + 2 V o + o^2 for members of a group and (V + o)^2 for others.
    """
    point, own = DEVIATION_M**2, MEAN_SQUARE * RADIUS_M**2 / 2.0
    sigma = np.sqrt((1.102 if expected_m2 else 1.0) * point**2 + 2.0 * point * own + own**2)
    product = (one - SIZE_M / 2.0) * (other - SIZE_M / 2.0)
    verdicts.mean(f"covariance of members at {when}", product[:, 0], expected_m2, sigma)


def test_nobody_is_further_from_the_point_than_the_radius(members, points):
    for time_s in np.linspace(0.0, LATER_S, 13):
        first, second, point = about(members, points, time_s)
        for place in (first, second):
            assert (np.hypot(*(place - point).T) <= RADIUS_M * (1.0 + 1e-9)).all()
            assert (place >= 0.0).all()
            assert (place <= SIZE_M).all()


def test_the_distance_is_stationary_from_the_start(verdicts, members, points, radial):
    for time_s in (0.0, LATER_S):
        first, _, point = about(members, points, time_s)
        check_distance(verdicts, first - point, radial, f"t = {time_s:g} s")


def test_the_point_keeps_to_its_own_law(verdicts, points):
    """R2 in the inner square of 100 m: deviation 0.230971 of its side; E x^4 = 2.102 (E x^2)^2."""
    for time_s in (0.0, LATER_S):
        place = points.position_m(np.arange(GROUPS), np.array(time_s))
        verdicts.mean(f"mean x at {time_s:g} s", place[:, 0], 70.0, DEVIATION_M)
        squared = (place[:, 0] - 70.0) ** 2
        verdicts.mean(f"var x at {time_s:g} s", squared, DEVIATION_M**2, np.sqrt(1.102) * DEVIATION_M**2)


def test_members_of_a_group_go_together_and_groups_apart(verdicts, members, points):
    for time_s in (0.0, LATER_S):
        first, second, _ = about(members, points, time_s)
        check_common(verdicts, first, second, DEVIATION_M**2, f"t = {time_s:g} s")
        check_common(verdicts, first, np.roll(second, 1, axis=0), 0.0, f"t = {time_s:g} s, other group")


def own_points(followed):
    numbers = count()
    return lambda model, size_m, seed, group, until_s: followed(model, size_m, seed, next(numbers), until_s)


def test_rejects_a_point_for_each_member(verdicts, points):
    with replaced("every member its own point", product, "followed_point", own_points).in_force():
        ways = of_each(SMALLER, 0.0)
    first, second, _ = about(ways, points, 0.0)
    with verdicts.rejects("groups, every member its own point"):
        check_common(verdicts, first, second, DEVIATION_M**2, "t = 0")


def test_rejects_places_uniform_in_the_disc(verdicts, radial):
    """E r^2 = 1/2 for members who stand at their waypoints, less for the stationary law."""
    with JUMPS.in_force():
        points = Trajectories.join([followed_point(MODEL, SIZE_M, 61, g, LATER_S) for g in range(FEW)])
        ways = of_each(SMALLER)
    first, _, point = about(ways, points, LATER_S)
    with verdicts.rejects("groups, uniform in the disc"):
        check_distance(verdicts, first - point, radial, "later")


def uniform_distance(disc):
    """Return a disc whose waypoints have a uniform distance: r without the square root."""

    def broken(radius_m):
        region = disc(radius_m)
        return replace(region, points_m=lambda drawn: region.points_m(drawn ** np.array([2.0, 1.0])))

    return broken


def test_rejects_a_uniform_distance(verdicts, points, radial):
    """Waypoints with a uniform distance gather members at the point."""
    with replaced("distance uniform", Region, "disc", uniform_distance).in_force():
        ways = of_each(SMALLER)
    first, _, point = about(ways, points, LATER_S)
    with verdicts.rejects("groups, distance uniform"):
        check_distance(verdicts, first - point, radial, "later")
