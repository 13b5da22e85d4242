"""The commands: what they print, where they write, how fast they start."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import mecsim
from mecsim import load_instance, load_results, make_policy, simulate
from mecsim.cli import main
from mecsim.cli.console import duration
from mecsim.cli.options import parse_changes
from mecsim.errors import MecsimError
from mecsim.policy import Observation

INSTANCES = Path(__file__).parents[1] / "data" / "instances"
COMMANDS = (
    "run",
    "compare",
    "demo",
    "sweep",
    "export",
    "plot",
    "table",
    "tune",
    "train",
    "report",
    "paper",
    "promise",
    "recovery",
    "solve",
    "bound",
    "snapshot",
    "policies",
    "models",
    "validate",
    "explain",
    "scenarios",
    "map",
    "new",
    "schema",
    "verify",
    "doctor",
    "trace",
)
SOLUTION = [
    "policy", "scr", "score", "delay_s", "energy_j", "server", "local_fraction", "bandwidth_hz",
    "user_power_w", "server_power_w", "user_gpu_flops", "server_gpu_flops", "violations", "decision_cpu_s",
]  # fmt: skip
HEAVY = (
    "numpy",
    "pandas",
    "pydantic",
    "scipy",
    "cvxpy",
    "matplotlib",
    "seaborn",
    "simpy",
    "cloudpickle",
    "filelock",
    "threadpoolctl",
    "pyarrow",
)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    if not request.node.name.endswith("writes_everything"):
        request.getfixturevalue("without_pictures")


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_help_imports_nothing_heavy() -> None:
    done = python(f"""
import sys
from mecsim.cli import main
assert main(["--help"]) == 0
loaded = set({HEAVY!r}) & set(sys.modules)
assert not loaded, loaded
""")
    assert done.returncode == 0, done.stderr


def test_importing_mecsim_is_cheap_and_its_names_are_all_there() -> None:
    done = python(f"""
import sys
import mecsim
assert not set({HEAVY!r}) & set(sys.modules)
for name in mecsim.__all__:
    assert getattr(mecsim, name) is not None
    assert name in dir(mecsim)
try:
    mecsim.simulat
except AttributeError as error:
    assert "simulat" in str(error)
else:
    raise SystemExit("no error")
""")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [*COMMANDS[:-1], "trace info"])
def test_every_command_has_help_with_an_example_and_quiet(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: mecsim {command}" in text
    assert "--quiet" in text


def test_only_commands_that_work_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    listed = re.findall(r"^│ (\w+) {2,}\S", capsys.readouterr().out, flags=re.MULTILINE)
    assert listed == list(COMMANDS)


def test_the_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"mecsim {mecsim.__version__}\n"
    assert mecsim.__version__ == version("mecsim")


def test_run_prints_what_happened_and_writes_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "smoke", "--policy", "gucaa", "--seed", "3", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    for words in ("rounds", "SCR", "95th percentile", "energy of a round", "stalls", "time for a decision"):
        assert words in printed.out
    assert "user-seconds per CPU second" in printed.out
    assert "noise_figure_db = 0" in printed.out
    (folder,) = Path("results").iterdir()
    assert str(folder) in printed.out
    assert load_results(folder).digest() == simulate("smoke", "gucaa", 3).digest()


def test_run_json_is_one_object_that_agrees_with_the_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "smoke", "--json", "--out", "here", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == "here"
    assert found["digest"] == load_results("here").digest()
    assert found["metrics"]["rounds_per_hour"] > 0


def test_the_same_run_is_shown_and_not_run_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "smoke"])
    first = capsys.readouterr()
    (manifest,) = Path("results").glob("*/manifest.json")
    before = manifest.read_bytes()
    assert main(["run", "smoke"]) == 0
    second = capsys.readouterr()
    assert second.out == first.out
    assert "nothing was run again" in second.err
    assert manifest.read_bytes() == before


def test_set_changes_the_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["run", "smoke", "--set", "duration_s=20", "--set", "channel.path_loss=free_space", "-q"]) == 0
    )
    assert "20 s, 4 users" in capsys.readouterr().out
    (folder,) = Path("results").iterdir()
    assert 'path_loss = "free_space"' in load_results(folder).manifest["scenario_toml"]


def test_changes_are_toml_or_plain_words() -> None:
    assert parse_changes(["a.b=20", "c = [1, 2.5]", "d=free_space", 'e="x=y"', "f=true", "g=1e-3", "h="]) == {
        "a.b": 20, "c": [1, 2.5], "d": "free_space", "e": "x=y", "f": True, "g": 1e-3, "h": "",
    }  # fmt: skip
    assert parse_changes(["a=1\nb = 2"]) == {"a": "1\nb = 2"}
    with pytest.raises(MecsimError, match="--set 20: must read KEY=VALUE"):
        parse_changes(["20"])


def test_compare_prints_intervals_and_writes_everything(capsys: pytest.CaptureFixture[str]) -> None:
    policies = "nearest,gucaa:local_fraction=0.3,edge_only"
    assert main(["compare", "smoke", "--policies", policies, "-r", "3", "-j", "1", "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.count("±") > 20
    assert "gucaa:local_fraction=0.3" in printed.out
    (study,) = Path("results").iterdir()
    assert study.name.startswith("smoke-")
    for name in ("comparison.csv", "per_run.csv", "comparison.png", "comparison.pdf"):
        assert str(study / name) in printed.out
        assert (study / name).stat().st_size > 100
    runs = load_results(study)
    assert len(runs.manifest["runs"]) == 9


def test_compare_again_with_one_more_policy_runs_only_that(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", "smoke", "-p", "nearest", "-r", "2", "-j", "1", "-q"])
    capsys.readouterr()
    assert main(["compare", "smoke", "-p", "nearest,gucaa", "-r", "2", "-j", "1", "-q"]) == 0
    assert "2 finished runs were there already and used again" in capsys.readouterr().out


def test_compare_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "smoke", "-p", "nearest,gucaa", "-r", "1", "-j", "1", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["policies"] == ["nearest", "gucaa"]
    row = next(r for r in found["table"] if (r["policy"], r["metric"]) == ("gucaa", "delay_s"))
    assert row["mean"] > 0
    assert row["low"] is None  # one replication has no interval, and JSON has no NaN
    assert [Path(file).name for file in found["files"]][:1] == ["comparison.csv"]
    assert "gucaa" in Path(found["files"][0]).read_text("utf-8")


def test_progress_is_on_standard_error_only(capsys: pytest.CaptureFixture[str]) -> None:
    main(["compare", "smoke", "-p", "nearest", "-r", "1", "-j", "1", "--json"])
    json.loads(capsys.readouterr().out)


def test_demo_compares_the_policies_of_the_paper(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    from mecsim.cli import compare_commands
    from mecsim.scenario.load import load_scenario

    asked, short = [], load_scenario("smoke").with_changes({"duration_s": 20})
    monkeypatch.setattr(compare_commands, "read_scenario", lambda name, changes: asked.append(name) or short)
    assert main(["demo", "-r", "2", "-j", "1"]) == 0
    printed = capsys.readouterr().out
    assert asked == ["campus"]
    for policy in ("rucaa", "gucaa", "aauco", "gucro", "dashf ", "dashf_plus"):
        assert policy in printed
    assert "figure:" in printed


def test_solve_json_is_the_object_of_design_4(capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((INSTANCES / "expected.json").read_text())
    for name in ("n6m2", "n10m2", "n20m3", "n8m3-mixed"):
        assert main(["solve", str(INSTANCES / f"{name}.json"), "--policy", "gucaa", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert list(found) == SOLUTION
        wanted = expected[name]["gucaa"]
        assert found["server"] == wanted["server"]
        for key in ("score", "delay_s", "energy_j", "scr"):
            assert found[key] == pytest.approx(wanted[key], rel=1e-9)
        assert found["violations"] == []
        assert found["policy"] == "gucaa"


def test_solve_agrees_with_the_python_face(capsys: pytest.CaptureFixture[str]) -> None:
    file = INSTANCES / "n8m3-mixed.json"
    assert main(["solve", str(file), "-p", "nearest:local_fraction=0.25", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    instance = load_instance(file)
    allocation = make_policy("nearest", local_fraction=0.25).allocate(Observation.of(instance))
    assert allocation is not None
    assert found["scr"] == instance.scr(allocation)
    assert found["bandwidth_hz"] == allocation.bandwidth_hz.tolist()


def test_policies_lists_what_is_registered(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["policies", "--json"]) == 0
    names = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert {"rucaa", "gucaa", "nearest", "local_only", "edge_only"} <= names
    assert main(["policies"]) == 0
    assert "file.py:Class" in capsys.readouterr().err


def test_scenario_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--json"]) == 0
    names = {entry["name"] for entry in json.loads(capsys.readouterr().out)}
    assert {"paper", "campus", "avenue", "smoke"} <= names
    assert main(["scenarios"]) == 0
    assert "campus" in capsys.readouterr().out
    assert main(["explain", "channel.carrier_ghz"]) == 0
    assert "GHz" in capsys.readouterr().out
    assert main(["validate", "smoke", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scenario"]["users"]["count"] == 4
    assert main(["validate", "smoke", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["schema"]) == 0
    assert "properties" in json.loads(capsys.readouterr().out)


def test_new_writes_a_scenario_that_runs_and_never_overwrites(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "mine"]) == 0
    assert main(["validate", "mine.toml"]) == 0
    assert main(["run", "mine.toml", "--set", "duration_s=30", "-q"]) == 0
    Path("mine.toml").write_text("precious")
    capsys.readouterr()
    assert main(["new", "mine.toml"]) == 2
    assert "mine.toml: cannot be written: File exists" in capsys.readouterr().err
    assert Path("mine.toml").read_text() == "precious"


def test_times_to_read() -> None:
    assert [duration(s) for s in (5, 80, 600, 7200)] == ["5 s", "80 s", "10 min", "2.0 h"]
