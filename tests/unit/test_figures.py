"""Figures and tables from a folder of runs: what they show, and that it is right."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mecsim import compare
from mecsim.analysis.figure_kinds import KINDS, FigureRequest, draw
from mecsim.analysis.figures.panels import panels
from mecsim.analysis.figures.pareto import front
from mecsim.analysis.figures.ranking import kendall_w, mean_ranks, rank_shares
from mecsim.analysis.figures.timeline import delay_over_time
from mecsim.analysis.frames import study_frames
from mecsim.analysis.paired import paired_table
from mecsim.analysis.stats import t_interval
from mecsim.analysis.text_tables import text_table
from mecsim.cli import main
from mecsim.errors import MecsimError
from mecsim.escapes import latex
from mecsim.results.store import load_run, write_run
from mecsim.scenario.load import load_scenario

KEY = "servers.bandwidth_mhz"
OUTAGE = {"calendar.outages": [{"server": 1, "from_s": 4, "to_s": 6}]}
PAGE = FigureRequest((), "", "", None, 7.16)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("study")
    for width in (10, 30):
        changes = {"duration_s": 12, "warmup_s": 2, KEY: width} | OUTAGE
        scenario = load_scenario("smoke").with_changes(changes)
        compare(scenario, POLICIES, 3, out=root / f"b{width}")
    return root


POLICIES = ["gucaa", "nearest", "edge_only"]


@pytest.fixture(scope="module")
def study(folder: Path):
    return study_frames(folder, mix=True)


def test_frames_have_the_swept_key_and_every_metric(study) -> None:
    assert study.swept == (KEY,)
    assert len(study.per_run) == 18
    assert study.policies == POLICIES
    assert study.per_run[KEY].to_list() == 3 * [10.0, 10.0, 10.0, 30.0, 30.0, 30.0]
    assert study.per_run[["scr", "delay_p99_s", "fairness"]].notna().all().all()
    finished = sum(load_run(path).rounds["outcome"].eq("finished").sum() for path in study.folders.values())
    assert 0.7 * finished < study.delays["weight"].sum() <= finished


def test_metrics_of_other_code_are_worked_out_anew(study, folder: Path, tmp_path: Path) -> None:
    """Mutant: the manifest's word whoever wrote it. That of this code is taken, without reading any table."""
    run = load_run(next(iter(study.folders.values())))
    told = run.manifest["metrics"]["scr"]
    run.manifest["metrics"]["scr"] = 7.0
    write_run(run, tmp_path / "this")
    (tmp_path / "this" / "rounds.parquet").unlink()
    run.manifest["environment"] = run.manifest["environment"] | {"code_sha256": "0" * 64}
    write_run(run, tmp_path / "other")
    assert study_frames(tmp_path / "this").per_run["scr"].to_list() == [7.0]
    assert study_frames(tmp_path / "other").per_run["scr"].to_list() == [told]


def test_runs_are_chosen_by_policy_and_key(folder: Path) -> None:
    chosen = study_frames(folder, ["nearest", "gucaa"], where={KEY: 30, "seed": 1}, mix=True)
    assert chosen.policies == ["nearest", "gucaa"]
    assert set(chosen.per_run["seed"]) == {1}
    with pytest.raises(MecsimError, match=r"policy 'gucca' has no run here.*did you mean 'gucaa'\?"):
        study_frames(folder, ["gucca"], mix=True)
    with pytest.raises(MecsimError, match=r"--where servers.bandwith_mhz: must be .*did you mean"):
        study_frames(folder, where={"servers.bandwith_mhz": 30}, mix=True)
    with pytest.raises(MecsimError, match="no run is left with seed = 9"):
        study_frames(folder, where={"seed": 9}, mix=True)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "heatmap"])
def test_every_kind_is_drawn_at_its_width_with_text_as_text(
    kind: str, folder: Path, tmp_path: Path, capsys
) -> None:
    command = ["plot", str(folder), "-k", kind, "--width", "column", "--mix"]
    assert main([*command, "-q", "--out", str(tmp_path / "f")]) == 0
    png, pdf = (Path(line) for line in capsys.readouterr().out.split())
    width, _ = struct.unpack(">II", png.read_bytes()[16:24])
    assert width == 1050
    assert b"/Type3" not in pdf.read_bytes()
    first = png.read_bytes()
    assert main([*command, "--json", "--out", str(tmp_path / "g")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["files"][0]).read_bytes() == first


def test_the_forest_has_fieller_s_interval_and_the_margin(study) -> None:
    """Mutant: the intervals of single policies, which are wider than those of pairs."""
    axes = draw("forest", study, FigureRequest(("scr",), "", "", "gucaa", 7.16)).axes
    paired = paired_table(study.per_run, "gucaa", metrics=("scr",), by=study.by)
    drawn = [line.get_xdata() for line in axes[0].get_lines() if len(line.get_xdata()) == 2][:4]
    expected = 100 * (paired[["ratio_low", "ratio_high"]].to_numpy() - 1)
    assert np.array(drawn) == pytest.approx(expected)
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    setting = "server bandwidth = {} MHz"
    assert names == [setting.format(10), "nearest", "edge_only", setting.format(30), "nearest", "edge_only"]


def test_bands_are_t_intervals_and_the_axis_is_the_key(study) -> None:
    """Mutant: seaborn's default band, a bootstrap with other numbers every time."""
    axes = draw("swept", study, FigureRequest(("scr",), KEY, "", None, 7.16)).axes
    own = study.per_run.query("policy == 'gucaa'")
    ends = [t_interval(group["scr"]) for _, group in own.groupby(KEY)]
    corners = axes[0].collections[0].get_paths()[0].vertices[:, 1]
    for interval in ends:
        assert np.abs(corners - interval.low).min() < 1e-6 * interval.mean
        assert np.abs(corners - interval.high).min() < 1e-6 * interval.mean
    assert axes[0].get_xlabel() == "server bandwidth (MHz)"


def test_what_a_figure_needs_is_told(study, folder: Path) -> None:
    one = study_frames(folder, where={KEY: 10}, mix=True)
    with pytest.raises(MecsimError, match="no key was swept"):
        draw("swept", one, PAGE)
    with pytest.raises(MecsimError, match=r"--key servers.bandwith: must be .*did you mean"):
        draw("swept", study, FigureRequest((), "servers.bandwith", "", None, 7.16))
    with pytest.raises(MecsimError, match=r"--kind forrest: must be .*did you mean 'forest'"):
        draw("forrest", study, PAGE)
    with pytest.raises(MecsimError, match="needs two policies"):
        draw("forest", study_frames(folder, ["gucaa"], mix=True), PAGE)
    with pytest.raises(MecsimError, match="26 panels: at most 24 can be read; choose settings with --where"):
        panels(26, 7.16, 2.0)
    assert main(["plot", str(folder), "-k", "swept", "-m", "deadline_misses", "--mix"]) == 2
    assert main(["table", str(folder), "-m", "deadline_misses", "--deadline", "0.4", "-q", "--mix"]) == 0
    for wrong in (["--deadline", "nan"], ["--deadline", "inf"], ["--margin", "nan"]):
        assert main(["table", str(folder), "-q", "--mix", *wrong]) == 2, wrong
    with pytest.raises(MecsimError, match="takes two metrics, not 1"):
        draw("pareto", study, FigureRequest(("scr",), "", "", None, 7.16))


def test_outages_are_marked_over_time(study) -> None:
    above, below = draw("timeline", study, PAGE).axes[:2]
    for ax in (above, below):
        (span,) = ax.patches
        assert (span.get_x(), span.get_x() + span.get_width()) == pytest.approx((4.0, 6.0))
    run = load_run(next(iter(study.folders.values())))
    times_s, delay_s = delay_over_time(run)
    assert len(times_s) == 60
    ended_s = run.rounds["start_s"] + run.rounds["delay_s"]
    own = run.rounds[run.rounds["outcome"].eq("finished") & ended_s.between(0.2, 0.4)]
    assert delay_s[1] == pytest.approx(own["delay_s"].mean(), nan_ok=True)


def test_the_front_by_hand() -> None:
    """Mutant: below in both coordinates only, which keeps the point that is level in one."""
    points = np.array([[1.0, 5.0], [2.0, 3.0], [2.0, 4.0], [4.0, 1.0], [3.0, 3.5], [np.nan, 0.0]])
    assert front(points).tolist() == [True, True, False, True, False, False]
    both = ~(points[None] < points[:, None]).all(axis=2).any(axis=1)
    assert both.tolist() != front(points).tolist()


def test_ranks_and_their_certainty() -> None:
    """Mutant: the largest delay first."""
    frame = pd.DataFrame(
        {"policy": p, "seed": s, "scr": v + s, "delay_s": 10.0 - v}
        for p, v in (("a", 1.0), ("b", 3.0), ("c", 2.0))
        for s in range(4)
    )
    for metric in ("scr", "delay_s"):
        assert mean_ranks(frame, metric, ["a", "b", "c"]).tolist() == [3, 1, 2]
    assert rank_shares(frame, "scr", ["a", "b", "c"]).tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    coin = frame.assign(scr=[1.0, 0, 1, 0, 0, 1, 0, 1, -9, -9, -9, -9])
    assert rank_shares(coin, "scr", ["a", "b", "c"])[0, 0] == pytest.approx(0.5, abs=0.2)
    assert rank_shares(frame, "scr", ["a", "b", "x"])[2].sum() == 0


def test_kendall_s_w() -> None:
    """Rank sums 8 14 11 11 11 8 by hand; W is Friedman's statistic over m (n - 1). Mutant: without the 12."""
    ranks = np.array([[1, 6, 3, 2, 5, 4], [1, 5, 6, 4, 2, 3], [6, 3, 2, 5, 4, 1]], dtype=float)
    assert kendall_w(ranks) == pytest.approx(12 * 25.5 / (9 * (6**3 - 6)), rel=1e-12)
    assert kendall_w(ranks) == pytest.approx(stats.friedmanchisquare(*ranks.T).statistic / (3 * 5), rel=1e-12)
    assert kendall_w(np.array([[1.0, 2, 3], [1, 2, 3]])) == 1.0


def test_tables_have_intervals_bold_and_marks(folder: Path, capsys) -> None:
    command = ["table", str(folder), "-m", "scr,delay_s", "--reference", "gucaa", "-q", "--mix"]
    assert main(command) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| policy | SCR | delay/round (s) |"
    assert sum("±" in line for line in lines if line.startswith("| ")) == 6
    assert any(line.startswith("| *server bandwidth = 30 MHz*") for line in lines)
    assert main([*command, "-f", "latex"]) == 0
    text = capsys.readouterr().out
    assert text.count(r"\\") == 9
    assert text.count(r"\mathbf") == 4
    for part in (r"\begin{table*}", r"\caption{smoke: mean ", r"\label{tab:smoke}", "delay per round (s)"):
        assert part in text
    assert r"edge\_only" in text
    assert main([*command, "-f", "csv"]) == 0
    assert capsys.readouterr().out.count("\n") == 9
    assert main([*command, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["paired"]) == 8
    assert main([*command, "-f", "word"]) == 2


def test_marks_follow_the_verdict() -> None:
    """Mutant: a plus for whatever is larger."""
    rng = np.random.default_rng(1)
    rows = [
        {"scenario": "s", "policy": p, "seed": k, "scr": v, "delay_s": 1000 / v}
        for p, base in (("a", 100.0), ("b", 150.0), ("c", 50.0))
        for k, v in enumerate(base + rng.normal(0, 1, 8))
    ]
    frame = pd.DataFrame(rows)
    paired = paired_table(frame, "a", metrics=("scr", "delay_s"))
    text = text_table(frame, paired, "markdown", metrics=("scr", "delay_s"))
    row = {line.split(" | ")[0].strip("| "): line.rstrip(" |").split(" | ")[1:] for line in text.splitlines()}
    assert [cell[-1] for cell in row["b"]] == ["+", "+"]
    assert [cell[-1] for cell in row["c"]] == ["−", "−"]
    assert row["b"][0].startswith("**")


def test_latex_is_escaped() -> None:
    assert latex("a_b&c%{d}") == r"a\_b\&c\%\{d\}"
