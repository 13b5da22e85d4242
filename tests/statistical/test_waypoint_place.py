"""Random waypoint in its stationary law: the place (R2).

The density is f(x) = (1/(mean leg A^2)) * integral over directions of a1 a2 (a1 + a2), a1 and a2 the
distances from x to the border ahead and behind. It is worked out here on a grid, from the geometry
alone, and agrees with the listed numbers. 4e4 users at t = 0, and an eighth of them at eight later times,
ten legs apart.
"""

from dataclasses import replace

import numpy as np
import pytest

from mecsim.rng import Purpose, stream
from mecsim.testing.verification.mobility import JUMPS, NAIVE
from mecsim.testing.verification.mutant import replaced
from mecsim.world.mobility import waypoint
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint, Region

USERS, LATER_S, TIMES = 40_000, 3.0, 8
SQUARE = np.array([1.0, 1.0])
MEAN_LEG = 0.521405433
CENTRE_SHARE, DEVIATION = 0.454475, 0.230971


def to_border(points, direction, size):
    """Distance from points (..., 2) to the border of the rectangle in each direction (K, 2)."""
    to_wall = np.where(direction > 0, size - points[..., None, :], -points[..., None, :])
    return (to_wall / direction).min(axis=-1)


def density(points, size, mean_leg, directions=400):
    """The integral of R2 by the midpoint rule over [0, pi)."""
    angle = (np.arange(directions) + 0.5) * np.pi / directions
    ahead = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    a1, a2 = to_border(points, ahead, size), to_border(points, -ahead, size)
    return (a1 * a2 * (a1 + a2)).sum(axis=-1) * np.pi / directions / (mean_leg * np.prod(size) ** 2)


def grid(size, mean_leg, counts):
    """Cell middles along x and y, and the stationary probability of each cell, by the midpoint rule.

    The four quarters of the rectangle are mirror images.
    """
    x, y = ((np.arange(n) + 0.5) * side / n for n, side in zip(counts, size, strict=True))
    low_x, low_y = x[: len(x) // 2], y[: len(y) // 2]
    rows = [density(np.stack([np.full(len(low_y), a), low_y], axis=1), size, mean_leg) for a in low_x]
    half = np.concatenate([rows, np.flip(rows, axis=1)], axis=1)
    return x, y, np.concatenate([half, half[::-1]]) * np.prod(size) / np.prod(counts)


@pytest.fixture(scope="module")
def reference():
    middle, _, cells = grid(SQUARE, MEAN_LEG, (200, 200))
    return middle, cells


def places(size=SQUARE, speed_mps=(1.0, 3.0), later_s=LATER_S, users=USERS):
    """Positions of all users at t = 0, and of some at multiples of a later time, (users, 2) each."""
    model, region = RandomWaypoint(speed_mps=speed_mps, pause_s=(0.0, 0.0)), Region.rectangle(size)
    streams = (stream(31, Purpose.MOBILITY_START, n) for n in range(users))
    start = np.array([waypoint._stationary_start(model, region, each)[0] for each in streams])
    some, times_s = np.arange(users // TIMES), later_s * np.arange(TIMES + 1)
    ways = Trajectories.join([model.legs(size, 31, n, times_s[-1]) for n in some])
    now, *later = ways.position_m(some, times_s[:, None])
    assert np.array_equal(now, start[: len(some)])
    return start, np.concatenate(later)


@pytest.fixture(scope="module")
def square_places():
    return places()


def check_place(verdicts, place, reference, when):
    middle, cells = reference
    fourth = (cells.sum(axis=1) * (middle - 0.5) ** 4).sum()
    central = (np.abs(place - 0.5) <= 0.25).all(axis=-1)
    verdicts.share(f"in the central square at {when}", central, CENTRE_SHARE)
    edges, cumulative = np.arange(201) / 200, np.append(0.0, np.cumsum(cells.sum(axis=1)))
    for axis, name in enumerate("xy"):
        coordinate = place[:, axis]
        sigma = np.sqrt(fourth - DEVIATION**4)
        verdicts.mean(f"mean {name} at {when}", coordinate, 0.5, DEVIATION)
        verdicts.mean(f"var {name} at {when}", (coordinate - 0.5) ** 2, DEVIATION**2, sigma)
        verdicts.law(f"{name} at {when}", coordinate, lambda v: np.interp(v, edges, cumulative))


def test_r2_reference_values(reference):
    middle, cells = reference
    for point, listed in (((0.5, 0.5), 2.201346), ((0.25, 0.25), 1.285324), ((0.1, 0.1), 0.476227)):
        assert density(np.array(point), SQUARE, MEAN_LEG, 20_000) == pytest.approx(listed, abs=2e-6)
    assert cells.sum() == pytest.approx(1.0, abs=1e-4)
    assert cells[50:150, 50:150].sum() == pytest.approx(CENTRE_SHARE, abs=2e-5)
    assert np.sqrt((cells.sum(axis=1) * (middle - 0.5) ** 2).sum()) == pytest.approx(DEVIATION, abs=2e-5)


def test_r2_place_in_the_unit_square(verdicts, square_places, reference):
    check_place(verdicts, square_places[0], reference, "t = 0")
    check_place(verdicts, square_places[1], reference, f"t = {LATER_S:g} s and more")


def test_r2_deviations_in_a_rectangle(verdicts):
    """1000 x 600 m, 2e4 users; the fourth moment of the integral gives the sigma of the estimate."""
    size = np.array([1000.0, 600.0])
    *middles, cells = grid(size, 423.908167, (300, 180))
    assert cells.sum() == pytest.approx(1.0, abs=1e-4)
    now, later = places(size, (1.0, 20.0), 1200.0, users=20_000)
    for axis, listed in ((0, 228.729), (1, 139.759)):
        off, marginal = middles[axis] - size[axis] / 2.0, cells.sum(axis=1 - axis)
        assert np.sqrt((marginal * off**2).sum()) == pytest.approx(listed, rel=1e-4)
        sigma = np.sqrt((marginal * off**4).sum() - listed**4)
        for when, place in (("0", now), ("1200 s and more", later)):
            squared = (place[:, axis] - size[axis] / 2.0) ** 2
            verdicts.mean(f"var {'xy'[axis]} in 1000 x 600 m at t = {when}", squared, listed**2, sigma)


def test_r2_rejects_a_uniform_start(verdicts, reference):
    """P(centre) 0.25 for 0.4545, deviation 0.2887 for 0.2310."""
    with NAIVE.in_force():
        start, _ = places(users=3000)
    with verdicts.rejects("R2 uniform start"):
        check_place(verdicts, start, reference, "t = 0")


def test_r2_rejects_jumps_from_waypoint_to_waypoint(verdicts, reference):
    """Users who stand at their waypoints are uniform, also later."""
    with JUMPS.in_force():
        _, later = places(users=3000)
    with verdicts.rejects("R2 jumps"):
        check_place(verdicts, later, reference, f"t = {LATER_S:g} s and more")


def test_r2_rejects_the_product_approximation(verdicts, reference):
    """36 x (1 - x) y (1 - y), no product but a law in use: P(centre) 0.4727 for 0.4545."""
    product = np.random.default_rng(6).beta(2.0, 2.0, (USERS, 2))
    with verdicts.rejects("R2 product approximation, centre"):
        verdicts.share("in the central square", (np.abs(product - 0.5) <= 0.25).all(axis=1), CENTRE_SHARE)
    fourth = (reference[1].sum(axis=1) * (reference[0] - 0.5) ** 4).sum()
    with verdicts.rejects("R2 product approximation, variance"):
        squared = (product[:, 0] - 0.5) ** 2
        verdicts.mean("var x", squared, DEVIATION**2, np.sqrt(fourth - DEVIATION**4))
    with verdicts.rejects("R2 product approximation"):
        check_place(verdicts, product, reference, "t = 0")


def any_leg(rectangle):
    """Return a maker of rectangles whose legs are accepted whatever their length."""
    return lambda *args: replace(rectangle(*args), longest_leg_m=0.0)


def test_r2_rejects_a_leg_drawn_without_regard_to_its_length(verdicts, reference):
    """The leg met at random is long; drawing it like any other puts users too near to the border."""
    with replaced("leg not weighed by its length", Region, "rectangle", any_leg).in_force():
        start, _ = places(users=20_000)
    with verdicts.rejects("R2 leg not weighed by its length"):
        check_place(verdicts, start, reference, "t = 0")
