"""Users of a trace who are away between segments and in gaps, and come back as the same users."""

from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario, simulate
from mecsim.analysis.maps import draw_map
from mecsim.analysis.plausibility import doubts
from mecsim.errors import TraceError
from mecsim.world.mobility.replay import replay
from mecsim.world.snapshot import instance_at
from mecsim.world.traces.info import TraceInfo, degrees_hint
from mecsim.world.traces.read import load_trace, parse_trace
from mecsim.world.world import World

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
GAP = "t_s,user_id,x_m,y_m\n0,a,10,10\n10,a,20,10\n200,a,100,10\n205,a,105,10\n"


@pytest.fixture
def traced(tmp_path):
    def make(text, name="t.csv", duration_s=210.0, **keys):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        mobility = {"model": "trace", "file": str(path)} | keys
        changes = {"users.count": 1, "users.mobility": mobility, "duration_s": duration_s, "warmup_s": 0.0}
        return SCENARIO.with_changes(changes)

    return make


def replayed(scenario):
    return replay(scenario.users.mobility, scenario.area, 1, scenario.duration_s)


def test_gaps_are_refused_crossed_or_spent_away(traced):
    with pytest.raises(TraceError, match=r"t\.csv:4: user a has no sample for 190 s .* gaps = 'away'"):
        replayed(traced(GAP))
    assert replayed(traced(GAP, gaps="straight")).absences_s == [[]]
    away = replayed(traced(GAP, gaps="away"))
    assert away.absences_s == [[(10.0, 200.0)]]
    assert (away.enters_s.tolist(), away.leaves_s.tolist()) == ([0], [205])


def test_who_is_away_is_in_no_table_and_comes_back_as_the_same_user(traced):
    """Mutants: the user is present in the gap; its rounds are counted from 0 again."""
    result = simulate(traced(GAP, gaps="away"), "nearest", 1)
    times_s = result.positions["time_s"].to_numpy()
    assert ((times_s <= 10) | (times_s >= 200)).all()
    assert (times_s >= 200).any()
    rounds = result.rounds
    starts_s = rounds["start_s"].to_numpy()
    assert ((starts_s < 10) | (starts_s >= 200)).all()
    assert (starts_s >= 200).any()
    assert set(rounds["user"]) == {0}
    assert sorted(rounds["round"]) == list(range(len(rounds)))
    assert result.manifest["counts"]["user_seconds"] == 15


def test_only_the_time_of_the_run_is_checked(traced):
    assert replayed(traced(GAP, duration_s=10.0)).absences_s == [[]]
    outside = "t_s,user_id,x_m,y_m\n0,a,10,10\n10,a,20,10\n50,a,5000,10\n"
    assert len(replayed(traced(outside, duration_s=10.0)).legs) == 1
    with pytest.raises(TraceError, match="must lie in the area"):
        replayed(traced(outside, duration_s=30.0))


def test_a_file_sampled_every_80_s_has_no_gaps(traced):
    text = "t_s,user_id,x_m,y_m\n" + "".join(f"{80 * k},a,{k},10\n" for k in range(4))
    assert replayed(traced(text, duration_s=240.0)).absences_s == [[]]


def gpx(*segments):
    points = "".join(
        "<trkseg>"
        + "".join(
            f'<trkpt lat="45.{k:05d}" lon="13"><time>2024-05-01T08:{k:02d}:00Z</time></trkpt>' for k in part
        )
        + "</trkseg>"
        for part in segments
    )
    return f"<gpx><trk>{points}</trk></gpx>"


def test_segments_are_stays(traced):
    """Single points are no stay: nobody is present for no time. Mutant: the user walks through the break."""
    text = gpx([0, 1], [5], [9, 10], [20])
    scenario = traced(text, "t.gpx", 1200.0)
    found = replayed(scenario)
    assert found.absences_s == [[(60.0, 540.0)]]
    assert found.leaves_s.tolist() == [600.0]
    assert replayed(traced(text, "t.gpx", 1200.0, gaps="straight", start_s=30)).absences_s == [[]]
    late = replayed(traced(text, "t.gpx", 1200.0, start_s=100))
    assert (late.enters_s.tolist(), late.absences_s) == ([440.0], [[]])


FCD = '<fcd-export{}><timestep time="0"><vehicle id="a" x="120.99" y="14.56"/></timestep><timestep time="30">'
FCD += '<vehicle id="a" x="120.991" y="14.56"/></timestep></fcd-export>'


@pytest.mark.parametrize(
    "text",
    [
        FCD.format(' geo="true"'),
        '<!-- <output><fcd-output.geo value="true"/></output> -->' + FCD.format(""),
    ],
)
def test_a_sumo_file_says_that_it_is_in_degrees(text):
    trace = parse_trace(text.encode(), "t.xml", "sumo_fcd")
    assert trace.geo
    assert any("coordinates = 'geo'" in note for note in trace.notes)
    assert not parse_trace(text.encode(), "t.xml", "sumo_fcd", "map").geo
    assert not parse_trace(text.replace("true", "false").encode(), "t.xml", "sumo_fcd").geo


def test_one_user_in_degrees_is_doubted():
    """Mutant: a hint only for more than one user."""
    assert "may be degrees" in degrees_hint(parse_trace(FCD.format("").encode(), "t.xml", "sumo_fcd"))
    swapped = parse_trace(b"t,id,x,y\n0,a,14.5649,120.992\n9,a,14.5650,120.993\n", "t.csv", "csv")
    assert "may be degrees" in degrees_hint(swapped)


def test_riders():
    text = '<fcd-export><timestep time="00:00:01"><person id="p" x="0" y="0"/></timestep>'
    for t in (2, 3):
        text += (
            f'<timestep time="{t}"><vehicle id="a" x="{t}" y="0"/><person id="p" x="{t}" y="0"/></timestep>'
        )
    text += '<timestep time="4"><person id="p" x="3" y="1"/></timestep></fcd-export>'
    from mecsim.world.traces.sumo import read_sumo_fcd

    keep, merge = (read_sumo_fcd(text.encode(), "t", geo=False, riders=how) for how in ("keep", "merge"))
    assert np.diff(keep.first).tolist() == [4, 2]
    assert np.diff(merge.first).tolist() == [2, 2]
    assert merge.breaks.tolist() == [False, True, False, False]
    assert any("riders = 'keep'" in note for note in keep.notes)


def test_info_says_what_a_run_refuses(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("t_s,user_id,x_m,y_m\n0,a,10,10\n1,a,900,10\n500,a,910,10\n", "utf-8")
    gap, jump = TraceInfo.of(load_trace(path)).refused
    assert "499 s before line 4" in gap
    assert "gaps = 'away'" in gap
    assert "890 m/s before line 3" in jump


def test_the_map_and_a_snapshot_leave_out_who_is_away(traced):
    """Mutants: a line across the gap; an instance with a user who is not there."""
    scenario = traced(
        GAP.replace("205,a,105,10", "209,a,105,10") + "0,b,1,1\n100,b,1,1\n200,b,1,1\n", gaps="away"
    )
    changes = {"users.count": 2, "users.mobility.largest_gap_s": 100.0}
    world = World(scenario.with_changes(changes), 1)
    assert world.is_away(np.array([0, 0, 0, 1]), np.array([9.0, 10.0, 200.0, 50.0])).tolist() == [
        False,
        True,
        False,
        False,
    ]
    assert len(instance_at(world, 1, 5.0).gain) == 2
    assert len(instance_at(world, 1, 100.0).gain) == 1
    lines = draw_map(world.scenario, 1).axes[0].lines
    times_s = np.linspace(0.0, 209.0, len(lines[0].get_xdata()))
    assert (np.isnan(lines[0].get_xdata()) == ((times_s >= 10.0) & (times_s < 200.0))).all()


def test_who_comes_after_the_run_is_doubted(traced):
    """By hand: at 100 s of the trace the user is away until 200 s. Mutant: a run of nobody is valid."""
    told = [
        line
        for line in doubts(traced(GAP, gaps="away", start_s=100, duration_s=50.0))
        if "enter only" in line
    ]
    assert told == ["1 of 1 user enter only after the run of 50 s: change start_s or duration_s"]
    assert not any("enter only" in line for line in doubts(traced(GAP, gaps="away")))
