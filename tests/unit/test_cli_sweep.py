"""``mecsim sweep``: plan, run, state; exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mecsim.cli import main

STUDY = """
schema = 1
name = "tiny"
scenarios = ["smoke"]
policies = ["gucaa", "nearest"]
replications = 2
[grid]
"servers.bandwidth_mhz" = [10, 20]
"""


pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("tiny.toml").write_text(STUDY)


def asked(capsys: pytest.CaptureFixture[str], *more: str, code: int = 0) -> dict:
    assert main(["sweep", "tiny.toml", "--set", "duration_s=20", "--json", "-q", *more]) == code
    return json.loads(capsys.readouterr().out)


def test_plan_run_and_state(capsys: pytest.CaptureFixture[str]) -> None:
    plan = asked(capsys, "--dry-run")
    assert (plan["runs"], plan["finished"], plan["swept"]) == (8, 0, ["servers.bandwidth_mhz"])
    assert [row["runs"] for row in plan["plan"]] == [2, 2, 2, 2]
    assert 0 < plan["wall_s"] <= plan["work_s"]
    assert not Path("results").exists()

    half = asked(capsys, "--shard", "1/2", "-j", "1")
    assert half["origins"] == {"new": 4}
    status = asked(capsys, "--status")
    assert (status["finished"], status["missing"], status["at_work"]) == (4, 4, [])
    assert 0 < status["left_wall_s"] < 60

    whole = asked(capsys, "-j", "2")
    assert whole["origins"] == {"reused": 4, "new": 4}
    assert len(whole["table"]) == 4
    frame = pd.read_csv("results/tiny/runs.csv")
    assert list(frame.columns[:5]) == ["scenario", "policy", "seed", "servers.bandwidth_mhz", "state"]
    assert set(frame["state"]) == {"finished"}
    row = whole["table"][-1]
    mine = frame.query("policy == @row['policy'] and `servers.bandwidth_mhz` == 20")
    assert row["scr_window"] == pytest.approx(mine["scr_window"].mean())


@pytest.mark.usefixtures("in_one_process")
def test_a_shard_says_that_its_table_is_of_a_part(capsys: pytest.CaptureFixture[str]) -> None:
    """Mutants: said of the last shard too, or of none."""
    Path("two.toml").write_text(
        STUDY.replace("replications = 2", "replications = 1").replace("[10, 20]", "[10]")
    )
    for part, is_last in (("1/2", False), ("2/2", True)):
        command = ["sweep", "two.toml", "--set", "duration_s=11", "--shard", part, "-j", "1", "-q"]
        assert main(command) == 0
        said = "runs are finished: table and report are of these" in capsys.readouterr().out
        assert said != is_last


@pytest.mark.usefixtures("in_one_process")
def test_what_a_person_reads(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["sweep", "tiny.toml", "--set", "duration_s=20", "-q"]
    assert main([*arguments, "--dry-run"]) == 0
    assert "8 runs, 0 finished" in capsys.readouterr().out
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "8 new runs" in printed.out
    assert printed.out.count("±") >= 20
    assert printed.err == ""
    assert main([*arguments, "--status"]) == 0
    assert "8 runs in results/tiny: 8 finished" in capsys.readouterr().out


@pytest.mark.usefixtures("in_one_process")
def test_what_was_set_is_written_down_and_another_setting_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Mutants rejected: study.toml as it was given; a resume without --set that says nothing."""
    arguments = ["sweep", "tiny.toml", "-j", "1"]
    assert main([*arguments, "--set", "duration_s=20", "--set", "warmup_s=1"]) == 0
    written = Path("results/tiny/study.toml").read_text()
    assert written == STUDY + "# --set duration_s=20\n# --set warmup_s=1\n"
    assert main([*arguments, "--set", "warmup_s=1", "--set", "duration_s=20", "--status"]) == 0
    capsys.readouterr()
    for options in ([], ["--status"], ["--dry-run"]):
        assert main([*arguments, *options]) == 2
        told = " ".join(capsys.readouterr().err.split())
        assert "was swept with --set duration_s=20, --set warmup_s=1, this is with no --set" in told
        assert "mecsim sweep tiny.toml --set duration_s=20 --set warmup_s=1" in told
    assert len(list(Path("results/tiny").glob("*/manifest.json"))) == 8
    assert main([*arguments, "--out", "results/other", "--dry-run"]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.toml"], "no such file"),
        (["tiny.toml", "--shard", "3/2"], "must read i/n"),
        (["tiny.toml", "--executor", "ray"], "must be local or dask"),
        (["tiny.toml", "--executor", "dask"], "go together"),
        (["tiny.toml", "--scheduler", "tcp://x:1"], "go together"),
        (["tiny.toml", "-j", "0"], "jobs = 0"),
        (["tiny.toml", "--set", "servers.bandwidth_mhz=5"], "is swept"),
        (["tiny.toml", "--set", "users.cuont=5"], "did you mean 'count'?"),
    ],
)
def test_wrong_input(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", *arguments, "-q"]) == 2
    printed = capsys.readouterr()
    assert words in " ".join(printed.err.split())
    assert printed.out == ""


def test_a_study_of_which_every_run_fails(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.py").write_text("class Bad:\n    def allocate(self, observation):\n        raise ValueError\n")
    Path("tiny.toml").write_text(STUDY.replace('"gucaa", "nearest"', '"bad.py:Bad"'))
    told = asked(capsys, "--allow-local-policies", code=1)
    assert (told["table"], len(told["failures"])) == ([], 4)
