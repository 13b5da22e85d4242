"""A new metric is one entry of one file: a copy of the package with one more shows it everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import mecsim

ENTRY = """
    Metric(
        "local_time_s", "s", "local time", "time of the local phase of a round, mean",
        "less", _mean("local_s"), "verdict",
    ),
"""
SCRIPT = """
import contextlib, io, json, sys
import mecsim, mecsim.cli
from mecsim.analysis.figure_kinds import FigureRequest, draw
from mecsim.analysis.frames import study_frames
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.verdict import heads, sentences
from mecsim.analysis.sequential import parse_claim
from mecsim.cli.summaries import comparison_table
from mecsim.results.metrics import check_metric, run_metrics

short = mecsim.load_scenario("smoke").with_changes({"duration_s": 20.0})
found = mecsim.compare(short, ["nearest", "gucaa"], 2, out=sys.argv[1])
frames = study_frames(sys.argv[1])
pair = FigureRequest(("local_time_s", "scr"), "", "", None, 3.5)
axes = draw("forest", frames, FigureRequest((), "", "", None, 7.0)).axes
def told(*command):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        mecsim.cli.main([*command])
    return out.getvalue()

print(json.dumps({
    "package": mecsim.__file__,
    "run_metrics": list(run_metrics(mecsim.simulate(short, "nearest"))),
    "comparison": sorted(set(found.table["metric"])),
    "summary": list(found.summary().columns),
    "terminal": [str(column.header) for column in comparison_table(found).columns],
    "paired": sorted(set(found.paired["metric"])),
    "pareto": draw("pareto", frames, pair).axes[0].get_xlabel(),
    "report heads": heads(collect(sys.argv[1]).setting),
    "report sentences": [one.text for one in sentences(collect(sys.argv[1]).setting)],
    "claim": parse_claim("local_time_s:gucaa-nearest ±5%", ["gucaa", "nearest"]).metric,
    "checked": check_metric("local_time_s"),
    "table": told("table", sys.argv[1], "-m", "local_time_s"),
    "wrong": told("table", sys.argv[1], "-m", "local_time"),
    "tune": told("tune", "smoke", "-p", "nearest", "--metric", "local_time"),
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Return what a copy of the package with the new entry shows."""
    root = tmp_path_factory.mktemp("copy")
    package = Path(mecsim.__file__).parent
    shutil.copytree(package, root / "mecsim", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(package.parent / "scenarios", root / "scenarios")
    table = root / "mecsim" / "results" / "metrics.py"
    text = table.read_text(encoding="utf-8")
    assert text.count("\nALL_METRICS = (") == 1
    table.write_text(text.replace("\nALL_METRICS = (", "\nALL_METRICS = (" + ENTRY, 1), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root / "runs")],
        env=os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"}, cwd=root,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert Path(found["package"]).is_relative_to(root)
    return found


@pytest.mark.parametrize(
    "place", ["run_metrics", "comparison", "paired"], ids=["run_metrics", "comparison", "paired tests"]
)
def test_its_name_is_in_every_table(seen: dict, place: str) -> None:
    assert "local_time_s" in seen[place]


@pytest.mark.parametrize("place", ["summary", "report heads"])
def test_its_label_and_unit_are_in_every_head(seen: dict, place: str) -> None:
    assert "local time (s)" in seen[place]


def test_it_is_shown_where_its_prominence_says(seen: dict) -> None:
    assert any(head.startswith("local time") for head in seen["terminal"])
    assert any(" in local time" in sentence for sentence in seen["report sentences"])


def test_figures_label_their_axes_with_it(seen: dict) -> None:
    assert seen["pareto"] == "local time (s)"


def test_commands_and_claims_know_its_name(seen: dict) -> None:
    assert (seen["claim"], seen["checked"]) == ("local_time_s", "local_time_s")
    assert "local time (s)" in seen["table"]
    assert "did you mean 'local_time_s'?" in seen["wrong"]
    assert "'local_time_s'" in seen["tune"]
