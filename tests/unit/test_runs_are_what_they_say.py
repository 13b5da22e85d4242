"""A run's manifest says which code ran and where; what others write into a folder breaks no reader."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

import mecsim
from mecsim.cli.console import name_failures
from mecsim.errors import MecsimError, PolicyFailed, ResultStoreError
from mecsim.plugin_files import version_of_content
from mecsim.results.manifest import manifest_sha256, read_manifest
from mecsim.results.store import load_run
from mecsim.scenario.load import load_scenario
from mecsim.study import runner
from mecsim.study.failure_note import note_failure, read_failure
from mecsim.study.plan import MOST_RUNS, plan
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.spec import load_study
from mecsim.study.tune import _chosen

SCENARIO = load_scenario("smoke").with_changes({"duration_s": 12, "warmup_s": 0})
POLICY = "from pathlib import Path\nfrom mecsim import make_policy\nclass Mine:\n    def allocate(self, o):\n"
HONEST = f"{POLICY}        return make_policy('nearest').allocate(o)\n"
REWRITES = HONEST.replace("return ", f"Path(__file__).write_text({HONEST!r})\n        return ")


def test_the_version_is_of_the_code_that_ran(tmp_path: Path) -> None:
    """Mutant rejected: the hash of the file at the end of the run, which its code has replaced meanwhile."""
    file = tmp_path / "mine.py"
    file.write_text(REWRITES)
    manifest = mecsim.simulate(SCENARIO, f"{file}:Mine").manifest
    assert file.read_text() == HONEST
    assert manifest["policy_version"] == version_of_content(REWRITES.encode())
    again = mecsim.simulate(SCENARIO, f"{file}:Mine").manifest
    assert again["policy_version"] == version_of_content(HONEST.encode())
    assert again["identity"] != manifest["identity"]
    assert again["policy_is_own"] is False


def test_a_policy_is_in_the_process_only_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant rejected: true for every object, in a process of its own too."""
    policy = mecsim.make_policy("nearest")
    assert mecsim.simulate(SCENARIO, policy).manifest["policy_in_process"] is True
    monkeypatch.setattr(runner, "is_inside", lambda: True)
    assert mecsim.simulate(SCENARIO, policy).manifest["policy_in_process"] is False


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_of_the_constructor_that_fails_is_the_policys_failure() -> None:
    """Mutant rejected: threads looked at from the first call on, so that the run counts as finished."""
    hostile = Path(__file__).parents[1] / "fault" / "hostile_hooks.py"
    long = load_scenario("smoke").with_changes({"duration_s": 60, "warmup_s": 0})
    with pytest.raises(PolicyFailed, match=r"started when it was made: ValueError: in a thread \(.*py:\d+\)"):
        mecsim.simulate(long, f"{hostile}:FailsInAThreadOfItsConstructor")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    mecsim.simulate(SCENARIO, "nearest", out=tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "changes",
    [
        {"remarks": 5},
        {"remarks": ["\x1b[2J"]},
        {"reproducible": False, "not_reproducible_because": 5},
        {"not_reproducible_because": [[1]]},
        {"policy_in_process": "yes"},
        {"solvers": {"ECOS": "many"}},
    ],
)
def test_what_a_manifest_adds_is_looked_at_too(folder: Path, changes: dict[str, object]) -> None:
    """Mutant rejected: keys that the schema does not know, which a report then takes for lists."""
    manifest = json.loads((folder / "manifest.json").read_text()) | changes
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sha256": manifest_sha256(manifest)}))
    with pytest.raises(ResultStoreError, match=list(changes)[-1]):
        read_manifest(folder)


@pytest.mark.parametrize(
    "stored", [b"\xff{", json.dumps({"index_columns": ["epoch"], "columns": []}).encode()]
)
def test_what_pandas_stores_in_a_file_is_not_part_of_a_table(folder: Path, stored: bytes) -> None:
    """Mutant rejected: a column that the file of others makes the index, so that it is missing later."""
    table = pq.read_table(folder / "epochs.parquet").replace_schema_metadata({b"pandas": stored})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    (folder / "epochs.parquet").write_bytes(sink.getvalue())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tables"]["epochs"]["sha256"] = hashlib.sha256(sink.getvalue()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest | {"sha256": manifest_sha256(manifest)}))
    assert load_run(folder).digest() == manifest["digest"]


def test_a_run_of_a_billion_seconds_and_one_decision_has_a_report(folder: Path) -> None:
    """Mutant rejected: no round number of seconds is as long as the one period."""
    from mecsim.analysis.report.timeline import step_of

    results = SimpleNamespace(manifest={"duration_s": 1e9}, epochs=[0])
    assert step_of(SimpleNamespace(replays={"a": results})) == 1e9  # type: ignore[arg-type]


def test_a_folder_in_place_of_a_note(tmp_path: Path) -> None:
    """Mutant rejected: IsADirectoryError for a folder that somebody has made there."""
    (tmp_path / "failed-run.txt").mkdir()
    note_failure(tmp_path, "run", "", "")
    assert "is a folder" in (read_failure(tmp_path, "run") or "")


def test_more_runs_than_can_be_planned_are_refused() -> None:
    """Mutant rejected: any number of runs, of which a billion take all memory."""
    with pytest.raises(MecsimError, match=r"1000002 runs, must be at most 1000000"):
        plan(SCENARIO, [PolicyChoice.of("nearest"), PolicyChoice.of("gucaa")], 500_001)
    assert MOST_RUNS == 10**6


def test_a_limit_of_the_command_holds_for_making_a_policy_too(tmp_path: Path) -> None:
    """Mutant rejected: a limit that counts for runs alone, so that a constructor may take for ever."""
    (tmp_path / "mine.py").write_text(
        "import time\nclass Mine:\n    def __init__(self):\n        time.sleep(20)\n"
    )
    (tmp_path / "study.toml").write_text(
        'schema = 1\nname = "s"\nscenarios = ["smoke"]\npolicies = ["mine.py:Mine"]\n'
    )
    with pytest.raises(MecsimError, match=r"took longer than the limit of 0\.5 s"):
        load_study(tmp_path / "study.toml", {}, 0.5, allow_local_policies=True)
    (tmp_path / "study.toml").write_text(
        'schema = 1\nname = "s"\nscenarios = ["smoke"]\npolicies = ["nearest"]\nlimit_s = 9\n'
    )
    assert load_study(tmp_path / "study.toml", {}, 0.5).limit_s == 0.5
    assert load_study(tmp_path / "study.toml").limit_s == 9


def test_who_fails_in_hard_worlds_is_not_chosen_for_the_easy_ones() -> None:
    """Mutants rejected: the best mean of whatever has finished; exit code 0 of a tuning with failures."""
    means = [9.0, 5.0, 4.0, np.nan]
    table = pd.DataFrame(
        {"metric": "scr", "mean": means, "n": [3, 4, 4, 0], "heavy_tail": False, "median": means}
    )
    ends = dict.fromkeys(("low", "high", "median", "median_low", "median_high"), 0.0)
    found = SimpleNamespace(table=table.assign(**ends), policies=tuple("abcd"))
    _, best = _chosen(found, "p", "scr")  # type: ignore[arg-type]
    assert best == 1
    with pytest.raises(typer.Exit) as caught:
        name_failures([SimpleNamespace(run_id="r", error="e")], "place")  # type: ignore[list-item]
    assert caught.value.exit_code == 1
    name_failures([], "place")
