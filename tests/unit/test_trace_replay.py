"""Trace replay (R4): exact at the samples, straight between, standing outside; and what is refused."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.errors import ScenarioError, TraceError
from mecsim.scenario.projection import metres_per_degree, projected
from mecsim.world.mobility.replay import replay
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.traces import load_trace
from mecsim.world.world import World

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
CSV = """t_s,user_id,x_m,y_m
100,a,10,20
103,a,16,28
103.5,b,50,60
105,a,16,28
110.25,b,53.3,64.7
111,a,0,0
112,c,399,199
"""


@pytest.fixture
def traced(tmp_path):
    """Return a function from trace text, count and keys of the mobility table to a scenario."""

    def make(text=CSV, count=3, name="t.csv", **keys):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        mobility = {"model": "trace", "file": str(path)} | keys
        return SCENARIO.with_changes({"users.count": count, "users.mobility": mobility})

    return make


def replayed(scenario):
    return replay(scenario.users.mobility, scenario.area, scenario.users.count)


def ways_of(scenario):
    return Trajectories.join(replayed(scenario).legs)


def check_replay(ways, trace, start_s=0.0):
    """Each sample is met to 1e-12, and so are the points a third of the way between two."""
    for n in range(trace.user_count):
        part = slice(trace.first[n], trace.first[n + 1])
        time_s, place = trace.time_s[part] - trace.time_s.min() - start_s, trace.place[part]
        later = time_s >= 0.0
        met = ways.position_m(np.array(n), time_s[later])
        np.testing.assert_allclose(met, place[later], rtol=1e-12, atol=1e-12)
        between = time_s[:-1] + (time_s[1:] - time_s[:-1]) / 3.0
        expected = place[:-1] + (place[1:] - place[:-1]) / 3.0
        later = between >= 0.0
        np.testing.assert_allclose(
            ways.position_m(np.array(n), between[later]), expected[later], rtol=1e-12, atol=1e-10
        )


def test_the_replay_is_the_trace(traced, tmp_path):
    scenario = traced()
    check_replay(ways_of(scenario), load_trace(tmp_path / "t.csv"))
    assert replayed(scenario).enters_s.tolist() == [0, 3.5, 12]
    assert replayed(scenario).leaves_s.tolist() == [11, 10.25, 12]


def test_the_comparison_rejects_the_last_sample_held(traced, tmp_path):
    """Mutant: users jump from sample to sample."""
    ways = ways_of(traced())

    class Jumping:
        def position_m(self, user, times_s):
            return ways.legs.start_m[ways.leg(user, times_s)]

    with pytest.raises(AssertionError):
        check_replay(Jumping(), load_trace(tmp_path / "t.csv"))


def test_before_and_after_its_trace_a_user_stands(traced):
    ways = ways_of(traced())
    assert ways.position_m(np.array(1), np.array([0.0, 1.0, 3.5])).tolist() == [[50, 60]] * 3
    assert ways.position_m(np.array(0), np.array([11.0, 500.0])).tolist() == [[0, 0]] * 2
    assert ways.travelled_m(np.array(1), np.array([0.0, 3.5])).tolist() == [0, 0]
    assert ways.travelled_m(np.array(0), np.array([3.0, 5.0])).tolist() == [10, 10]
    assert ways.travelled_m(np.array(0), np.array(900.0)) == pytest.approx(10.0 + np.hypot(16, 28))


@pytest.mark.parametrize("start_s", [1.0, 3.0, 4.0, 10.5])
def test_a_later_start_cuts_the_way(traced, tmp_path, start_s):
    scenario = traced(start_s=start_s, count=1)
    cut, whole = ways_of(scenario), ways_of(traced(count=1))
    times_s = np.linspace(0.0, 12.0, 100)
    np.testing.assert_allclose(
        cut.position_m(np.array(0), times_s), whole.position_m(np.array(0), times_s + start_s), atol=1e-12
    )
    assert cut.travelled_m(np.array(0), np.array(0.0)) == 0.0
    assert cut.legs.start_s[0] == 0.0
    assert replayed(scenario).enters_s.tolist() == [0]
    assert replayed(scenario).leaves_s.tolist() == [11 - start_s]


def test_who_left_before_the_start_is_no_user(traced):
    ways = ways_of(traced(start_s=10.5, count=2))
    assert ways.position_m(np.array(1), np.array(0.0)).tolist() == [399, 199]
    with pytest.raises(
        ScenarioError, match=r"has 2 users after start_s = 10.5, fewer than users.count = 3; "
    ):
        ways_of(traced(start_s=10.5))


def test_fewer_users_than_the_trace_has_are_its_first(traced):
    assert len(replayed(traced(count=2)).legs) == 2
    with pytest.raises(ScenarioError, match=r"has 3 users, fewer than users.count = 4; set users.count = 3"):
        ways_of(traced(count=4))


def test_an_offset_moves_everybody(traced):
    moved, still = ways_of(traced(offset_m=[0.5, 1.0])), ways_of(traced())
    times_s = np.linspace(0.0, 15.0, 50)
    difference = moved.position_m(np.arange(3)[:, None], times_s) - still.position_m(
        np.arange(3)[:, None], times_s
    )
    np.testing.assert_allclose(difference, np.broadcast_to([0.5, 1.0], difference.shape), atol=1e-12)


def told(scenario):
    with pytest.raises(TraceError) as caught:
        replayed(scenario)
    return caught.value.problems


def test_gaps_and_jumps_are_refused_with_their_lines(traced):
    text = CSV + "200,a,0,0\n200.1,a,300,0\n500,c,399,199\n"
    problems = told(traced(text))
    assert len(problems) == 3
    assert (
        ".csv:9: user a has no sample for 89 s since its sample of line 7, more than largest_gap_s"
        in (problems[0])
    )
    assert ".csv:10: user a moves at 3000 m/s since its sample of line 9, must be at most 400" in problems[1]
    assert ".csv:11: user c has no sample for 388 s" in problems[2]
    assert len(told(traced(text, largest_gap_s=100.0))) == 2


def test_the_time_between_two_users_is_no_gap(traced):
    """Mutant: the samples of all users taken for those of one."""
    assert replayed(traced(CSV + "900,d,0,0\n", count=4)).enters_s.tolist() == [0, 3.5, 12, 800]


@pytest.mark.parametrize("offset_m", [[-0.1, 0], [0, -0.1], [1.1, 0], [0, 1.1]])
def test_every_border_is_watched(traced, offset_m):
    assert "must lie in the area" in told(traced(offset_m=offset_m))[0]


def test_a_trace_outside_the_area_is_refused(traced):
    (problem,) = told(traced(offset_m=[2.0, 0.0]))
    assert (
        ".csv:8: x = 401 m, y = 199 m: must lie in the area, x from 0 to 400 and y from 0 to 200" in problem
    )
    assert "from (2, 0) to (401, 199): change offset_m or area.size_m" in problem
    assert (
        len(replayed(traced(offset_m=[2.0, 0.0], count=2)).legs) == 2
    )  # who is not asked for may be outside


# --- degrees


@pytest.mark.parametrize(
    ("latitude", "longitude_m", "latitude_m"),
    [(0.0, 111_319.49, 110_574.28), (45.0, 78_846.81, 111_131.78), (60.0, 55_800.0, 111_412.24)],
)
def test_lengths_of_a_degree_on_wgs84(latitude, longitude_m, latitude_m):
    """Published lengths of a degree; mutants: a sphere (111 195 m everywhere), radians for degrees."""
    assert metres_per_degree(latitude) == pytest.approx([longitude_m, latitude_m], rel=1e-6)


def test_the_south_west_corner_becomes_the_origin():
    place_deg = np.array([[11.5, 48.2], [11.6, 48.1]])
    place_m = projected(place_deg)
    assert place_m[0, 0] == 0.0
    assert place_m[1, 1] == 0.0
    assert place_m[0, 1] == pytest.approx(0.1 * metres_per_degree(48.1)[1])
    assert projected(place_deg, (48.0, 11.5))[1] == pytest.approx(0.1 * metres_per_degree(48.0), rel=1e-9)


def test_a_trace_in_degrees_is_replayed_in_metres(traced):
    scale = metres_per_degree(48.0)
    rows = [(0, 10.0, 20.0), (10, 110.0, 70.0)]
    text = "t_s,user_id,lat,lon\n" + "".join(
        f"{t},a,{48.0 + y / scale[1]:.12f},{11.0 + x / scale[0]:.12f}\n" for t, x, y in rows
    )
    ways = ways_of(traced(text, count=1, origin_deg=[48.0, 11.0]))
    np.testing.assert_allclose(
        ways.position_m(np.array(0), np.array([0.0, 5.0])), [[10, 20], [60, 45]], atol=1e-6
    )
    corner = ways_of(traced(text, count=1, offset_m=[7.0, 8.0]))
    np.testing.assert_allclose(corner.position_m(np.array(0), np.array(0.0)), [7, 8], atol=1e-6)


def test_a_sumo_trace_in_degrees_is_replayed_in_metres(traced):
    """The same way as a car and as a person; x is the longitude."""
    scale = metres_per_degree(48.0)
    text = "<fcd-export>" + "".join(
        f'<timestep time="{t}">'
        + "".join(f'<{kind} id="7" x="{11.0 + x / scale[0]:.12f}" y="{48.0:.12f}"/>' for kind in kinds)
        + "</timestep>"
        for t, x, kinds in ((5, 0.0, ["vehicle"]), (6, 20.0, ["vehicle", "person"]), (9, 80.0, ["person"]))
    )
    scenario = traced(text + "</fcd-export>", count=2, name="t.xml", coordinates="geo", offset_m=[0, 9])
    place = ways_of(scenario).position_m(np.array([[0], [1]]), np.array([0.0, 0.5, 2.5]))
    expected = [[[0, 9], [10, 9], [20, 9]], [[20, 9], [20, 9], [50, 9]]]
    np.testing.assert_allclose(place, expected, atol=1e-6)
    assert replayed(scenario).leaves_s.tolist() == [1, 4]
    metres = traced(text.replace('y="48', 'y="4') + "</fcd-export>", count=2, name="t.xml")
    assert ways_of(metres).position_m(np.array(0), np.array(0.0))[0] == pytest.approx(11.0)


# --- in a world


def test_a_world_replays_and_lets_users_come_and_go(traced):
    world = World(traced(), 3)
    assert world.user_count == 3
    assert world.population.enters_s.tolist() == [0, 3.5, 12]
    assert world.population.leaves_s.tolist() == [11, 10.25, 12]
    users, servers = np.arange(3), np.zeros(3, dtype=int)
    times_s = (512 + np.arange(512)) * world.block_s
    np.testing.assert_allclose(
        world.gain_window(users, servers, 1),
        world.gain(users[:, None], servers[:, None], times_s),
        rtol=1e-7,
    )


def test_the_hash_of_a_scenario_covers_the_trace(traced):
    """Mutant: another content under the same name passes for the same scenario."""
    one, same = traced(), traced()
    assert one == same
    assert one.sha256 == same.sha256
    other = traced(CSV.replace("16,28", "16,29"))
    assert one != other
    assert one.sha256 != other.sha256


def test_a_trace_that_changes_under_a_loaded_scenario_is_noticed(traced):
    scenario = traced(CSV.replace("16,28", "17,28"))
    Path(scenario.users.mobility.file.path).write_text(CSV.replace("16,28", "18,28"), "utf-8")
    with pytest.raises(ScenarioError, match="has changed since the scenario was loaded"):
        replayed(scenario)


def test_packed_traces_and_other_suffixes(traced):
    packed = traced(gzip.compress(CSV.encode()), name="t.csv.gz")
    assert len(replayed(packed).legs) == 3
    assert len(replayed(traced(name="t.dat", format="csv")).legs) == 3
    assert len(replayed(traced(name="t.dat")).legs) == 3  # by its content
    with pytest.raises(
        ScenarioError, match=r"coordinates = \"geo\": only for format = 'sumo_fcd'; a csv file"
    ):
        traced(coordinates="geo")
