"""BonnMotion, ns-2 and the ONE by hand, as they are described; and from every format to every other."""

import json

import numpy as np
import pytest

from mecsim.cli import main
from mecsim.errors import MecsimError, TraceError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.projection import projected
from mecsim.world.mobility.followed import replay_of
from mecsim.world.traces.export import trace_of
from mecsim.world.traces.formats import HowToRead
from mecsim.world.traces.read import load_trace, parse_trace, read_content
from mecsim.world.traces.writers import trace_bytes
from mecsim.world.world import World

METRES = ("csv", "parquet", "sumo_fcd", "bonnmotion", "ns2", "one")
SUFFIX = {"csv": ".csv", "parquet": ".parquet", "sumo_fcd": ".xml.gz", "gpx": ".gpx"} | {
    "bonnmotion": ".movements.gz",
    "ns2": ".ns_movements",
    "one": ".one",
}
NS2 = """
# a comment
$node_(1) set X_ 0.0
$node_(1) set Y_ 0.0
$node_(1) set Z_ 0.0
$god_ set-dist 0 1 1
$ns_ at 10.0 "$node_(1) setdest 30.0 40.0 5.0"
$ns_ at 15.0 "$node_(1) setdest 15.0 120.0 10.0"
$node_(0) set X_ 7.0
$node_(0) set Y_ 8.0
$ns_ at 1.0 "$node_(0) setdest 7.0 8.0 3.0"
"""


def way(trace, user):
    part = slice(trace.first[user], trace.first[user + 1])
    return np.column_stack([trace.time_s[part], trace.place[part]]).tolist()


def problems(text, file_format):
    with pytest.raises(TraceError) as caught:
        parse_trace(text.encode(), "t", file_format)
    return list(caught.value.problems)


def test_ns2_by_hand():
    """After 5 s at 5 m/s towards (30, 40) the node is at (15, 20), and turns there: 100 m at 10 m/s.

    Mutants: a later setdest from where the former one led; a node that is gone once it has arrived.
    """
    trace = parse_trace(NS2.encode(), "t", "ns2")
    assert trace.ids == ("node 0", "node 1")
    assert way(trace, 1) == [[0, 0, 0], [10, 0, 0], [15, 15, 20], [25, 15, 120]]
    assert way(trace, 0) == [[0, 7, 8], [1, 7, 8], [25, 7, 8]]
    assert trace.notes == ("1 line about other things passed over",)
    assert trace.waypoints


def test_ns2_is_known_by_its_statements(tmp_path):
    path = tmp_path / "movements"
    path.write_text(NS2, "utf-8")
    assert load_trace(path).notes[0] == "format = 'ns2', by its content"


def test_a_speed_of_zero_stops_a_node():
    text = '$node_(0) set X_ 0\n$node_(0) set Y_ 0\n$ns_ at 0.0 "$node_(0) setdest 9 0 1"\n'
    text += '$ns_ at 3.0 "$node_(0) setdest 9 0 0"\n'
    assert way(parse_trace(text.encode(), "t", "ns2"), 0) == [[0, 0, 0], [3, 3, 0]]


def test_bonnmotion_by_hand():
    trace = parse_trace(b"0.0 1 2 200.0 1 2 300.0 5 6\n\n5 7 8 300 7 8\n", "t", "bonnmotion")
    assert trace.ids == ("node 0", "node 1")
    assert way(trace, 0) == [[0, 1, 2], [200, 1, 2], [300, 5, 6]]
    assert way(trace, 1) == [[5, 7, 8], [300, 7, 8]]
    with_heights = parse_trace(b"#3D\n0.0 1 2 9 200.0 1 2 9\n", "t", "bonnmotion")
    assert way(with_heights, 0) == [[0, 1, 2], [200, 1, 2]]
    assert with_heights.notes == ("heights passed over",)


def test_one_by_hand():
    text = b"0 100 0 50 0 50 0 0\n# comment\n0 a 1 2\n0 b 3 4 0\n10 a 5 6\n"
    trace = parse_trace(text, "t", "one")
    assert trace.ids == ("a", "b")
    assert way(trace, 0) == [[0, 1, 2], [10, 5, 6]]
    assert way(trace, 1) == [[0, 3, 4]]


@pytest.mark.parametrize(
    ("text", "file_format", "told"),
    [
        ("0 1 2 3 4\n0 x 2\n", "bonnmotion", ["t:1: has 5 values, must have t x y for each waypoint",
                                             "t:2: record 2: x = x: must be a finite number"]),
        ("a b\n", "one", ["t:1: must begin with a line minTime maxTime minX maxX minY maxY [minZ maxZ]"]),
        ("0 1 0 1 0 1\n0 a\nx a 1 2\n0 b 1 2\n", "one", ["t:2: record 1: has 2 values, must have time id x y",
                                                   "t:3: record 2: time = x: must be a finite number"]),
        ('$ns_ at 1 "$node_(0) setdest 1 2 -3"\n$node_(0) set X_ nan\n$node_(0) sat X_ 1\n', "ns2",
         ["t:1: record 1: speed = -3: must be a finite number >= 0",
          "t:2: record 2: X_ = nan: must be a finite number",
          't:3: $node_(0) sat X_ 1: must be $node_(0) set X_ 1 or $ns_ at 1 "$node_(0) setdest 1 2 3"']),
        ('$ns_ at 1 "$node_(0) setdest 1 2 3"\n', "ns2", ["t:1: node 0 has no X_ and Y_ where it begins"]),
        ('$node_(0) set X_ 1\n$ns_ at 5 "$node_(0) set X_ 2"\n', "ns2",
         ["t:2: record 2: X_ at 5 s: only where a node begins; it moves by setdest"]),
    ],
)  # fmt: skip
def test_every_problem_with_its_line(text, file_format, told):
    assert problems(text, file_format) == told


def test_a_long_pause_between_waypoints_is_no_gap(tmp_path):
    """Mutant: the gaps of samples, which a receiver lost, for waypoints that are all there is."""
    scenario = load_scenario("campus")
    for name, content in (
        ("t.movements", "0 1 2 5000 1 2 7200 9 9\n"),
        ("t.csv", "t,id,x,y\n0,a,1,2\n1,a,1,2\n5000,a,1,2\n"),
    ):
        (tmp_path / name).write_text(content, "utf-8")
        changes = {"users.count": 1, "users.mobility": {"model": "trace", "file": str(tmp_path / name)}}
        changed = scenario.with_changes(changes)
        if name == "t.csv":
            with pytest.raises(TraceError, match="has no sample for 4999 s"):
                replay_of(changed)
        else:
            assert replay_of(changed).absences_s == [[]]


ROWS = "t_s,user_id,x_m,y_m\n0,b,1,2\n2.5,b,4.25,6\n3,b,4.25,7.125\n0,a,1e3,0.1\n3,a,1e3,0.1\n"


@pytest.mark.parametrize("middle", METRES)
@pytest.mark.parametrize("last", METRES)
def test_from_any_format_to_any_other(middle, last, tmp_path):
    """Times and places to 1e-9 through two files. Mutants: x and y exchanged; times that begin elsewhere."""
    first, second = tmp_path / "t.csv", tmp_path / f"t{SUFFIX[middle]}"
    third = tmp_path / f"u{SUFFIX[last]}"
    first.write_text(ROWS, "utf-8")
    for one, other in ((first, second), (second, third)):
        assert main(["trace", "convert", str(one), str(other), "-q"]) == 0
    trace, back = load_trace(first), load_trace(third)
    assert back.user_count == 2
    ids = [name.rpartition(" ")[2] for name in back.ids]
    for n in range(2):
        mine = ids.index(trace.ids[n]) if trace.ids[n] in ids else n
        got = np.array(way(back, mine))
        if "one" in (middle, last):  # writes users in the order of time
            mine = ids.index(str(n)) if str(n) in ids else mine
            got = np.array(way(back, mine))
        expected = np.array(way(trace, n))
        for k in (1, 2):
            np.testing.assert_allclose(
                np.interp(expected[:, 0], got[:, 0], got[:, k]), expected[:, k], atol=1e-9
            )
        assert got[[0, -1], 0] == pytest.approx(expected[[0, -1], 0], abs=1e-9)


def test_degrees_stay_or_become_metres(tmp_path, capsys):
    path = tmp_path / "t.gpx"
    point = '<trkpt lat="{}" lon="{}"><time>2024-05-01T08:00:{:02d}Z</time></trkpt>'
    points = [(45.0, 13.0, 0), (45.001, 13.002, 5), (45.002, 13.0, 9)]
    inside = (
        "".join(point.format(*each) for each in points[:2]) + "</trkseg><trkseg>" + point.format(*points[2])
    )
    path.write_text(f"<gpx><trk><name>walk</name><trkseg>{inside}</trkseg></trk></gpx>", "utf-8")
    trace = load_trace(path)
    for suffix in (".gpx", ".csv", ".xml", ".parquet"):
        other = tmp_path / f"o{suffix}"
        assert main(["trace", "convert", str(path), str(other)]) == 0
        again = load_trace(other)
        assert again.geo
        assert np.array_equal(again.place, trace.place)
        assert again.time_s == pytest.approx(trace.time_s, abs=1e-6)
        assert ("breaks between segments are not held" in capsys.readouterr().err) == (suffix != ".gpx")
        if suffix == ".gpx":
            assert again.ids == trace.ids == ("track 1 walk",)
            assert again.breaks.tolist() == trace.breaks.tolist() == [True, False, True]
    other = tmp_path / "o.ns_movements"
    assert main(["trace", "convert", str(path), str(other), "--origin", "44.99,12.99"]) == 0
    np.testing.assert_allclose(load_trace(other).place[0], projected(trace.place, (44.99, 12.99))[0])
    assert main(["trace", "convert", str(other), str(tmp_path / "x.gpx")]) == 2
    assert "GPX holds degrees" in capsys.readouterr().err
    assert main(["trace", "convert", str(path), str(tmp_path / "x.txt")]) == 2
    assert "x.txt: its suffix must be '.csv'" in capsys.readouterr().err
    assert main(["trace", "convert", str(path), str(other), "--origin", "north"]) == 2


@pytest.mark.parametrize("name", ["random_waypoint", "gauss_markov", "manhattan", "group", "static"])
def test_the_way_of_every_model_is_replayed(name, tmp_path):
    """What others replay is where the users of the world are, at any time. Mutant: legs without pauses."""
    speed = {"speed_mps": [1.0, 3.0], "pause_s": [0.0, 20.0]}
    mobility = {
        "random_waypoint": speed,
        "gauss_markov": {"memory": 0.8, "mean_speed_mps": 2, "sigma_mps": 1},
        "manhattan": speed | {"street_spacing_m": 100},
        "group": speed | {"groups": 2, "radius_m": 40, "member_speed_mps": [1.0, 2.0]},
        "static": {},
    }[name]
    changes = {
        "users.mobility": {"model": name} | mobility,
        "users.count": 3,
        "duration_s": 300,
        "warmup_s": 0,
    }
    scenario = load_scenario("campus").with_changes(changes)
    world, times_s = World(scenario, 5), np.linspace(0.0, 300.0, 301)
    for suffix, step_s in ((".ns_movements", None), (".csv", None), (".xml", 1.0)):
        path = tmp_path / f"t{suffix}"
        path.write_bytes(
            trace_bytes(
                trace_of(world, step_s), str(path), {".xml": "sumo_fcd", ".csv": "csv"}.get(suffix, "ns2")
            )[0]
        )
        trace = load_trace(path)
        for n in range(3):
            got = np.array(way(trace, n))
            here = world.position_m(np.array([n]), times_s)
            there = np.stack([np.interp(times_s, got[:, 0], got[:, k]) for k in (1, 2)], axis=1)
            np.testing.assert_allclose(there, here, atol=1e-6)


def test_export_by_command(tmp_path, capsys):
    path = tmp_path / "c.ns_movements"
    assert (
        main(
            [
                "trace",
                "export",
                "campus",
                str(path),
                "--seed",
                "3",
                "--set",
                "duration_s=600",
                "--set",
                "warmup_s=0",
            ]
        )
        == 0
    )
    assert "10 users" in capsys.readouterr().err
    assert main(["trace", "info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["users"] == 10
    assert main(["trace", "export", "campus", str(path), "--step", "0"]) == 2
    assert "--step 0: must be from" in capsys.readouterr().err
    with pytest.raises(MecsimError, match="choose a longer --step"):
        trace_of(World(load_scenario("campus"), 1), 1e-6)


@pytest.mark.parametrize(
    ("file_format", "how", "told"),
    [
        ("gpx", {"separator": ";"}, "t: separator: only for tables, CSV or Parquet; this is gpx"),
        ("ns2", {"columns": (("x", "a"),)}, "t: columns: only for tables, CSV or Parquet; this is ns2"),
        ("csv", {"coordinates": "geo"}, "t: coordinates: only for format = 'sumo_fcd'; this is csv"),
        ("gpx", {"riders": "merge"}, "t: riders: only for format = 'sumo_fcd'; this is gpx"),
    ],
)
def test_a_key_for_another_format_is_refused(file_format, how, told):
    """Mutant: the key is passed over, as if it had been used."""
    with pytest.raises(TraceError) as caught:
        read_content(b"", "t", HowToRead(format=file_format, **how))
    assert list(caught.value.problems) == [told]


def test_two_users_stay_two_as_floating_car_data():
    """Mutant: ``3`` and ``vehicle 3`` become one vehicle that jumps between the two."""
    trace = parse_trace(b"t,id,x,y\n0,3,1,1\n1,vehicle 3,5,5\n", "t.csv", "csv")
    with pytest.raises(TraceError, match=r"users 3 and vehicle 3 would both be <vehicle id=.3.>; rename"):
        trace_bytes(trace, "o.xml", "sumo_fcd")


def test_a_node_without_a_place_is_told():
    """Mutant: a node whose second coordinate is missing is left out in silence."""
    text = "$node_(0) set X_ 5\n$node_(1) set X_ 1\n$node_(1) set Y_ 1\n"
    assert problems(text, "ns2") == ["t:1: node 0 has no Y_ where it begins"]


def test_what_convert_says_of_waypoints_and_origins():
    trace = parse_trace(b"0 1 1 500 501 1\n", "t.movements", "bonnmotion")
    straight = "users go straight between samples: replay it with gaps = 'straight'"
    assert straight in trace_bytes(trace, "o.csv", "csv")[1]
    assert straight not in trace_bytes(trace, "o.tcl", "ns2")[1]
    with pytest.raises(TraceError, match=r"o\.tcl: an origin is only for a trace in degrees"):
        trace_bytes(trace, "o.tcl", "ns2", (1.0, 2.0))
