"""Measures of each class of users, in the table and in the report; each check names the bug it rejects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mecsim import compare, load_scenario
from mecsim.analysis.report.audit import user_class_rows
from mecsim.analysis.report.collect import collect
from mecsim.analysis.user_classes import class_metrics
from mecsim.cli import main
from mecsim.results.store import load_run
from mecsim.world.world import World

CHANGES = {
    "duration_s": 20.0,
    "warmup_s": 4.0,
    "users.classes": [{"name": "phones", "share": 1}, {"name": "carts", "share": 1, "gpu_count": 2}],
}
DEADLINE_S = 0.4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("classes")
    compare(load_scenario("smoke").with_changes(CHANGES), ["gucaa", "nearest"], 2, out=place)
    return place


def test_each_class_has_the_measures_of_its_own_users(folder: Path) -> None:
    """Mutants rejected: all users in each class; the classes the other way round; a mean over rounds."""
    runs = [load_run(path.parent) for path in folder.glob("*/manifest.json")]
    (run,) = (one for one in runs if (one.manifest["policy"], one.manifest["seed"]) == ("gucaa", 1))
    kind = World(load_scenario("smoke").with_changes(CHANGES), 1).population.kind
    found = class_metrics(run, DEADLINE_S)
    assert set(found) == {"phones", "carts"}
    for number, name in enumerate(("phones", "carts")):
        users = np.flatnonzero(kind == number)
        done = run.rounds[
            run.rounds["user"].isin(users)
            & (run.rounds["start_s"] >= 4.0)
            & run.rounds["outcome"].eq("finished")
        ]
        means = done.groupby("user")["delay_s"].mean()
        assert len(means) == len(users) > 0
        assert found[name]["delay_user_s"] == pytest.approx(means.mean(), rel=1e-12)
        assert found[name]["delay_worst_user_s"] == means.max()
        late = (done["wait_s"] + done["delay_s"] > DEADLINE_S).mean()
        assert found[name]["deadline_misses"] == pytest.approx(late, abs=0.1)
    assert found["phones"]["delay_user_s"] != pytest.approx(found["carts"]["delay_user_s"], rel=1e-3)


def test_the_table_and_the_report_have_a_row_for_each_class(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", str(folder), "--classes", "--quiet"]) == 0
    table = capsys.readouterr().out
    assert "*class = phones*" in table
    assert table.count("| gucaa |") == 2
    assert "SCR" not in table
    rows = user_class_rows(collect(folder))
    assert {(row.policy, row.name) for row in rows} == {
        (policy, name) for policy in ("gucaa", "nearest") for name in ("phones", "carts")
    }
    assert main(["table", str(folder), "--classes", "--metrics", "scr"]) == 2
    assert "--metrics scr: is of all users together; --classes takes" in capsys.readouterr().err


def test_a_study_without_classes_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = load_scenario("smoke").with_changes({"duration_s": 8.0, "warmup_s": 0.0})
    compare(short, ["nearest"], 1, out=tmp_path)
    assert main(["table", str(tmp_path), "--classes"]) == 2
    assert "--classes: no scenario here has users.classes" in capsys.readouterr().err
