"""The order of policies, their reference and colours, and the plan that a folder's runs belong to."""

from __future__ import annotations

import json

import pytest

from mecsim import compare, load_results, load_scenario
from mecsim.analysis.frames import study_frames
from mecsim.analysis.report import page
from mecsim.cli import main
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results.folder_plan import PLAN_FILE

ORDER = ["nearest", "gucaa", "edge_only"]


@pytest.fixture
def folder(tmp_path):
    compare(
        load_scenario("smoke").with_changes({"duration_s": 3, "warmup_s": 0}), ORDER, 1, out=tmp_path / "a"
    )
    return tmp_path / "a"


def test_the_order_given_is_that_of_every_later_command(folder, capsys):
    """Mutant: by name, where edge_only is the reference."""
    assert study_frames(folder).policies == ORDER
    assert main(["table", str(folder), "--format", "csv", "-q"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert {line.split(",")[2] for line in lines} == {"nearest"}
    # One policy more: those that were there keep their places.
    scenario = load_scenario("smoke").with_changes({"duration_s": 3, "warmup_s": 0})
    compare(scenario, [*ORDER, "rucaa"], 1, out=folder)
    assert study_frames(folder).order == (*ORDER, "rucaa")
    assert study_frames(folder, ["rucaa", "gucaa"]).order == (*ORDER, "rucaa")
    # A run by itself has the order of its folder.
    assert study_frames(next(folder.glob("*gucaa*/"))).order == ("gucaa",)


def test_runs_of_two_plans_do_not_mix_unless_asked(folder, capsys):
    """Mutant: the runs of another duration as one more swept key."""
    other = load_scenario("smoke").with_changes({"duration_s": 4, "warmup_s": 0})
    compare(other, ORDER, 1, out=folder)
    frames = study_frames(folder)
    assert (len(frames.per_run), frames.swept) == (3, ())
    assert frames.note.startswith("3 runs of another plan are left out; --mix (in Python: mix=True) shows")
    mixed = study_frames(folder, mix=True)
    assert (len(mixed.per_run), mixed.swept) == (6, ("duration_s",))
    compare(other, ORDER[:2], 1, out=folder.parent / "b")
    with pytest.raises(
        MecsimError, match=r"holds 2 studies or comparisons: .*a, .*b; name one of them, or add"
    ):
        study_frames(folder.parent)
    assert main(["plot", str(folder), "--kind", "ranking", "--out", str(folder.parent / "f")]) == 0
    assert "3 runs of another plan are left out" in capsys.readouterr().err


def test_python_mixes_plans_only_when_asked(folder, monkeypatch):
    """Mutants: ``mix`` is not handed on; what is left out is left out silently."""
    compare(load_scenario("smoke").with_changes({"duration_s": 4, "warmup_s": 0}), ORDER, 1, out=folder)
    results = load_results(folder)
    with pytest.warns(UserWarning, match="3 runs of another plan are left out"):
        left = results.plot("pareto")
    assert len(results.plot("pareto", mix=True)) == 2 * len(left)
    asked = []
    monkeypatch.setattr(page, "write_report", lambda *_, mix: asked.append(mix) or "r.html")
    for mix in (False, True):
        results.report(mix=mix)
    assert asked == [False, True]


def test_a_damaged_plan_is_named(folder):
    for text in ("{", json.dumps({"policies": [1], "scenarios": []}), "[]"):
        (folder / PLAN_FILE).write_text(text)
        with pytest.raises(
            ResultStoreError, match=r"plan\.json.*delete it, and policies are in the order of"
        ):
            study_frames(folder)
    (folder / PLAN_FILE).unlink()
    assert study_frames(folder).policies == sorted(ORDER)
