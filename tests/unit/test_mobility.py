"""Ways made of legs: which leg, where, how far, and where users start."""

from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.errors import ScenarioError
from mecsim.world.mobility.borders import mirrored
from mecsim.world.mobility.legs import Legs, sum_of
from mecsim.world.mobility.manhattan import StreetGrid, turn_law
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint, mean_leg_m

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
SIZE_M = np.array([400.0, 200.0])


def way(*legs):
    """Legs from rows (start_s, x, y, vx, vy); the distance travelled is worked out by hand."""
    rows = np.array(legs, dtype=float)
    speed = np.hypot(rows[:, 3], rows[:, 4])
    travelled = np.append(0.0, np.cumsum(speed[:-1] * np.diff(rows[:, 0])))
    return Legs(rows[:, 0], rows[:, 1:3], rows[:, 3:5], travelled, speed)


@pytest.fixture
def two_users():
    """The first walks 10 s east, waits 5 s, walks north; the second stands."""
    walker = way((0.0, 0.0, 0.0, 2.0, 0.0), (10.0, 20.0, 0.0, 0.0, 0.0), (15.0, 20.0, 0.0, 0.0, 3.0))
    return Trajectories.join([walker, way((0.0, 7.0, 8.0, 0.0, 0.0))])


def test_positions_and_distances_by_hand(two_users):
    times_s = np.array([0.0, 4.0, 10.0, 12.5, 15.0, 16.0])
    walker = two_users.position_m(np.array(0), times_s)
    np.testing.assert_allclose(walker, [[0, 0], [8, 0], [20, 0], [20, 0], [20, 0], [20, 3]])
    np.testing.assert_allclose(two_users.travelled_m(np.array(0), times_s), [0, 8, 20, 20, 20, 23])
    assert (two_users.position_m(np.array(1), times_s) == [7.0, 8.0]).all()
    assert (two_users.travelled_m(np.array(1), times_s) == 0.0).all()
    assert two_users.moving


def test_a_leg_starts_at_its_start(two_users):
    """The instant of a turn belongs to the leg that begins: mutant, `<` for `<=` in the search."""
    edge = np.array([10.0, np.nextafter(10.0, 0.0), np.nextafter(10.0, 11.0), 15.0])
    assert two_users.leg(np.zeros(4, dtype=int), edge).tolist() == [1, 0, 1, 2]
    assert [two_users.leg_now([0], t)[0] for t in edge.tolist()] == [1, 0, 1, 2]
    assert two_users.leg_now([1, 0, 1], 15.0) == [3, 2, 3]


def test_users_and_times_broadcast(two_users):
    users, times_s = np.array([[0], [1]]), np.array([1.0, 11.0, 20.0])
    assert two_users.position_m(users, times_s).shape == (2, 3, 2)
    assert two_users.travelled_m(users, times_s).shape == (2, 3)
    assert two_users.position_m(np.array(0), np.array(1.0)).tolist() == [2.0, 0.0]


def test_leg_and_leg_now_agree_everywhere():
    """``leg`` bisects at one time, and searches all pairs together at a time each."""
    model = RandomWaypoint(speed_mps=(1.0, 30.0), pause_s=(0.0, 4.0))
    ways = Trajectories.join([model.legs(SIZE_M, 2, n, 300.0) for n in range(20)])
    users = np.arange(20)
    starts = ways.legs.start_s[ways.legs.start_s <= 300.0]
    for time_s in np.concatenate([starts, np.nextafter(starts, 0.0), np.linspace(0.0, 300.0, 50)]):
        each = ways.leg(users, np.full(len(users), time_s)).tolist()
        assert each == ways.leg_now(users.tolist(), float(time_s)) == ways.leg(users, time_s).tolist()


def test_the_ways_last_at_least_as_long_as_asked():
    for until_s in (0.0, 10.0, 5000.0):
        legs = RandomWaypoint(speed_mps=(20.0, 30.0)).legs(SIZE_M, 1, 0, until_s)
        assert legs.start_s[-1] > until_s
        assert (np.diff(legs.start_s) > 0.0).all()


def test_legs_without_pauses_have_no_standing_legs():
    legs = RandomWaypoint(speed_mps=(1.0, 2.0)).legs(SIZE_M, 1, 0, 1000.0)
    assert (legs.speed_mps > 0.0).all()
    pausing = RandomWaypoint(speed_mps=(1.0, 2.0), pause_s=(1.0, 2.0)).legs(SIZE_M, 1, 0, 1000.0)
    standing = pausing.speed_mps == 0.0
    assert (standing[1:] != standing[:-1]).all()
    pauses_s = np.diff(pausing.start_s)[standing[:-1]]
    assert ((pauses_s[1:] >= 1.0 - 1e-9) & (pauses_s[1:] <= 2.0 + 1e-9)).all()


def test_velocity_has_the_size_of_the_speed():
    legs = RandomWaypoint(speed_mps=(1e-3, 40.0), pause_s=(0.0, 9.0)).legs(SIZE_M, 4, 3, 1000.0)
    np.testing.assert_allclose(np.hypot(*legs.velocity_mps.T), legs.speed_mps, rtol=1e-9)
    moving = legs.speed_mps[1:][legs.speed_mps[1:] > 0.0]
    assert ((moving >= 1e-3) & (moving <= 40.0)).all()


def test_a_long_way_is_the_same_as_a_short_one_as_far_as_it_goes():
    """Mutant: legs drawn in one go for the whole duration, so that a longer run moves every user."""
    model = RandomWaypoint(speed_mps=(20.0, 30.0), pause_s=(0.0, 1.0))
    short, long = (model.legs(SIZE_M, 6, 1, until_s) for until_s in (50.0, 20_000.0))
    common = len(short.start_s) - 1
    assert len(long.start_s) > 10 * common
    for name in ("start_s", "start_m", "velocity_mps", "travelled_m", "speed_mps"):
        assert np.array_equal(getattr(short, name)[:common], getattr(long, name)[:common])


def test_static_users_stand_where_the_scenario_says():
    points = [[1.0, 2.0], [399.0, 0.0], [1.0, 2.0]]
    changes = {"users.count": 3, "users.mobility": {"model": "static"}, "users.positions_m": points}
    ways = Trajectories.draw(SCENARIO.with_changes(changes), 5, 600.0)
    assert np.array_equal(ways.position_m(np.arange(3), np.array(123.4)), points)
    assert not ways.moving


def test_static_users_are_spread_over_the_area():
    """A uniform point has mean size/2 and variance size^2/12: |z| <= 5 for 2000 users."""
    static = SCENARIO.with_changes({"users.count": 2000, "users.mobility": {"model": "static"}})
    place = Trajectories.draw(static, 5, 600.0).position_m(np.arange(2000), np.array(0.0)) / SIZE_M
    error = (place.mean(axis=0) - 0.5) * np.sqrt(12.0 * 2000.0)
    assert (np.abs(error) <= 5.0).all()
    assert ((place >= 0.0) & (place < 1.0)).all()
    squeezed = np.abs(((place / 2.0).mean(axis=0) - 0.5) * np.sqrt(12.0 * 2000.0))
    assert (squeezed > 5.0).all()


@pytest.mark.parametrize(
    ("size_m", "expected"),
    [((1.0, 1.0), 0.521405433), ((1000.0, 600.0), 423.908167), ((600.0, 1000.0), 423.908167)],
)
def test_mean_leg(size_m, expected):
    assert mean_leg_m(np.array(size_m)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("width_m", [10.0, 1.0, 1e-3])
def test_the_mean_leg_of_a_strip_is_a_third_of_its_length(width_m):
    """Mutant: a formula whose large terms cancel, and leave nothing right in a narrow area."""
    assert mean_leg_m(np.array([30_000.0, width_m])) == pytest.approx(10_000.0, rel=1e-6)
    assert mean_leg_m(np.array([width_m, 30_000.0])) == pytest.approx(10_000.0, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"model": "gauss_markov", "memory": 0.5, "mean_speed_mps": 5, "sigma_mps": 3},
            "sigma_mps = 3: mean_speed_mps + 5 sigma_mps must be at most 10, ten widths a second",
        ),
        (
            {"model": "manhattan", "street_spacing_m": 3, "speed_mps": [1, 2]},
            "street_spacing_m = 3: must be at most 2, the longer side of the area",
        ),
        (
            {
                "model": "manhattan",
                "street_spacing_m": 1,
                "speed_mps": [1, 2],
                "turn_probabilities": [0.5, 0.5, 0.5],
            },
            "turn_probabilities = [0.5, 0.5, 0.5]: must have the sum 1, has 1.5",
        ),
        (
            {"model": "group", "groups": 1, "radius_m": 0.5, "speed_mps": [1, 2], "member_speed_mps": [1, 2]},
            "radius_m = 0.5: must be at most 0.45, 0.45 of the shorter side of the area",
        ),
    ],
)
def test_ways_that_do_not_fit_the_area_are_refused(changes, told):
    small = {"area.size_m": [2, 1], "servers.positions_m": [[0, 0]], "users.mobility": changes}
    with pytest.raises(ScenarioError) as caught:
        SCENARIO.with_changes(small)
    assert [line.split("users.mobility.")[1] for line in caught.value.problems] == [told]


def test_a_street_grid_lies_in_the_middle_of_the_area():
    grid = StreetGrid.of(70.0, np.array([300.0, 140.0]))
    assert grid.blocks == (4, 2)
    assert grid.point_m(np.array([[0, 0], [4, 2]])).tolist() == [[10, 0], [290, 140]]
    blocks = [grid.directed_block(i) for i in range(grid.directed_blocks)]
    assert len(set(blocks)) == len(blocks) == 2 * (4 * 3 + 2 * 5)
    assert all(grid.exists(*block) for block in blocks)
    assert StreetGrid.of(0.1, np.array([0.3, 0.1])).blocks == (3, 1)  # 0.3 / 0.1 is less than 3


@pytest.mark.parametrize(
    ("ways", "law"),
    [
        ((True, True, True), [0.6, 0.9, 0.9, 1.0]),
        ((True, False, True), [0.5, 0.5, 0.5, 1.0]),
        ((False, True, True), [0.0, 0.5, 0.5, 1.0]),
        ((False, True, False), [0.0, 1.0, 1.0, 1.0]),
        ((False, False, False), [0.0, 0.0, 1.0, 1.0]),
    ],
)
def test_the_law_of_turns(ways, law):
    assert turn_law(ways, (0.6, 0.3, 0.1)) == pytest.approx(law)


def test_a_mirror_sends_back_by_hand():
    """From x = 8 at 4 m/s in an area of 10 m: the border after 0.5 s, back at the other side 2.5 s later."""
    start_s, start_m = np.array([0.0, 6.0]), np.array([[8.0, 5.0], [32.0, 5.0]])
    velocity = np.array([[4.0, 0.0], [0.0, 1.0]])
    ways = Trajectories.join([mirrored(start_s, start_m, velocity, np.array([10.0, 10.0]))])
    times_s = np.array([0.0, 0.5, 1.0, 3.0, 4.0, 6.0, 7.0])
    place = ways.position_m(np.array(0), times_s)
    np.testing.assert_allclose(place[:, 0], [8, 10, 8, 0, 4, 8, 8], atol=1e-12)
    np.testing.assert_allclose(place[:, 1], [5, 5, 5, 5, 5, 5, 6], atol=1e-12)
    np.testing.assert_allclose(ways.travelled_m(np.array(0), times_s), [0, 2, 4, 12, 16, 24, 25], atol=1e-12)


def test_the_sum_of_two_ways():
    one = way((0.0, 0.0, 0.0, 1.0, 0.0), (4.0, 4.0, 0.0, 0.0, 2.0))
    other = way((0.0, 10.0, 10.0, 0.0, 0.0), (1.0, 10.0, 10.0, -1.0, 0.0))
    total = Trajectories.join([sum_of(one, other)])
    place = total.position_m(np.array(0), np.array([0.0, 1.0, 3.0, 5.0]))
    assert place.tolist() == [[10, 10], [11, 10], [11, 10], [10, 12]]
    assert total.travelled_m(np.array(0), np.array(3.0)) == 1.0
