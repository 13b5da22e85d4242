"""``mecsim trace info``, the traces and scenarios that ship, and the script that makes the traces."""

import gzip
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario, simulate
from mecsim.cli import main
from mecsim.scenario.shipped import shipped_files
from mecsim.world.traces import load_trace
from mecsim.world.traces.info import TraceInfo
from mecsim.world.world import World

TRACES = Path(__file__).resolve().parents[2] / "scenarios" / "traces"
CSV = "t_s,user_id,x_m,y_m\n0,a,0,0\n10,a,30,40\n12,a,30,40\n12,b,1,1\n20,c,0,5\n50,c,0,5\n"


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(CSV, "utf-8")
    return path


def test_info_by_hand(small):
    told = TraceInfo.of(load_trace(small))
    assert (told.users, told.samples, told.most_present) == (3, 6, 2)
    assert (told.first_s, told.last_s, told.stay_s) == (0, 50, (0, 12, 30))
    assert (told.step_s, told.longest_gap_user) == ((10, 30), "c")
    assert told.speed_mps == (pytest.approx(50 / 42), 5)
    assert (told.fastest_user, told.way_m) == ("a", 50)
    assert (told.corner_m, told.size_m, told.corner_deg) == ((0, 0), (30, 40), None)


def test_info_prints_and_speaks_json(small, capsys):
    assert main(["trace", "info", str(small)]) == 0
    printed = capsys.readouterr().out
    for words in ("3, at most 2 at once", "30 s (c)", "at most 5.000 (a)", "30 m x 40 m from (0, 0) m"):
        assert words in printed
    assert main(["trace", "info", str(small), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stay_s"] == [0, 12, 30]


def test_info_of_a_trace_in_degrees(capsys):
    assert main(["trace", "info", str(TRACES / "park.gpx")]) == 0
    assert "latitude 48.15" in capsys.readouterr().out


def test_info_hints_at_degrees_taken_for_metres(tmp_path, capsys):
    """Mutant: a trace in degrees passes for one that spans millimetres."""
    cars = '<vehicle id="a" x="11.5{0}" y="48.1"/><vehicle id="b" x="11.5" y="48.2"/>'
    steps = "".join(f'<timestep time="{t}">{cars.format(t)}</timestep>' for t in range(3))
    path = tmp_path / "t.xml"
    path.write_text(f"<fcd-export>{steps}</fcd-export>", "utf-8")
    assert main(["trace", "info", str(path)]) == 0
    assert "its places may be degrees" in capsys.readouterr().err
    assert main(["trace", "info", str(path), "--coordinates", "geo"]) == 0
    printed = capsys.readouterr()
    assert "latitude 48.1" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nothing.csv"], "nothing.csv: cannot be read: No such file or directory"),
        (["nothing.kml"], "nothing.kml: cannot be read: No such file or directory"),
        (
            ["nothing.csv", "--format", "kml"],
            "--format kml: must be 'csv', 'parquet', 'sumo_fcd', 'gpx', 'bonnmotion', 'n",
        ),
        (["nothing.csv", "--coordinates", "deg"], "--coordinates deg: must be 'map' or 'geo'"),
    ],
)
def test_wrong_input_is_exit_code_2(arguments, told, capsys):
    assert main(["trace", "info", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_broken_trace_lists_its_problems(small, capsys):
    small.write_text(CSV + "60,c,x,5\n", "utf-8")
    assert main(["trace", "info", str(small)]) == 2
    assert capsys.readouterr().err == f"{small}:8: record 7: x_m = x: must be a finite number\n"


def test_the_script_makes_the_traces_that_ship(tmp_path):
    """Mutant: a trace changed by hand, which nobody could make again."""
    runpy.run_path(str(TRACES / "make_traces.py"))["main"](tmp_path)
    assert (tmp_path / "park.gpx").read_bytes() == (TRACES / "park.gpx").read_bytes()
    made, kept = (gzip.decompress((at / "town.fcd.xml.gz").read_bytes()) for at in (tmp_path, TRACES))
    assert made == kept
    for path in TRACES.iterdir():
        assert path.name == "__pycache__" or path.stat().st_size < 200_000


def test_the_town_holds_what_it_says():
    trace = load_trace(TRACES / "town.fcd.xml.gz")
    kinds = [name.split()[0] for name in trace.ids]
    assert (kinds.count("vehicle"), kinds.count("person")) == (40, 9)
    told = TraceInfo.of(trace)
    assert told.step_s == (1, 1)
    assert told.speed_mps[1] < 15.5
    assert told.most_present < 30
    user = np.repeat(np.arange(trace.user_count), np.diff(trace.first))
    stands = (np.hypot(*np.diff(trace.place, axis=0).T) < 0.01) & (np.diff(user) == 0)
    assert stands.sum() > 200  # at red lights


def test_validate_reads_the_trace_too(tmp_path, capsys):
    """Mutant: a scenario is called valid whose trace cannot be replayed."""
    (tmp_path / "t.csv").write_text(CSV, "utf-8")
    text = load_scenario("gpx-walk").to_toml().replace("traces/park.gpx", "t.csv")
    text = text.replace("traces/park-sites.csv", "sites.csv")
    (tmp_path / "sites.csv").write_text((TRACES / "park-sites.csv").read_text("utf-8"), "utf-8")
    (tmp_path / "s.toml").write_text(text, "utf-8")
    assert main(["validate", str(tmp_path / "s.toml"), "--quiet"]) == 0
    (tmp_path / "t.csv").write_text(CSV + "60,c,900,5\n900,c,900,5\n", "utf-8")
    assert main(["validate", str(tmp_path / "s.toml"), "--quiet"]) == 2
    assert "t.csv:9: user c has no sample for 840 s since its sample of line 8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["sumo-trace", "gpx-walk", "highway", "blocks"])
def test_the_new_scenarios_run(name):
    scenario = load_scenario(name).with_changes({"duration_s": 40.0, "warmup_s": 0.0})
    result = simulate(scenario, "nearest", 1)
    assert len(result.rounds) > 0
    assert np.isfinite(result.positions[["x_m", "y_m"]].to_numpy()).all()
    place = result.positions[["x_m", "y_m"]].to_numpy()
    assert (place >= -1e-9).all()
    assert (place <= np.array(scenario.area.size_m) + 1e-9).all()


@pytest.mark.parametrize("name", ["sumo-trace", "gpx-walk"])
def test_every_user_of_a_shipped_trace_is_in_its_scenario(name):
    scenario = load_scenario(shipped_files()[name])
    trace = load_trace(scenario.users.mobility.file.path)
    assert scenario.users.count == trace.user_count
    world = World(scenario, 1)
    assert world.population.leaves_s.max() <= scenario.duration_s
