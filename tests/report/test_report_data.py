"""What the report says and holds, without a browser."""

import json
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from mecsim import compare, load_scenario
from mecsim.analysis.report.audit import audit_rows, class_rows
from mecsim.analysis.report.collect import RunSummary, ScenarioRuns, collect
from mecsim.analysis.report.page import render, write_report
from mecsim.analysis.report.prediction_gap import gap_charts, gap_table
from mecsim.analysis.report.replay import ReplayData
from mecsim.analysis.report.timeline import MOST_MARKS, time_charts
from mecsim.analysis.report.verdict import compared, ranked, sentences
from mecsim.cli import main
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results.metrics import METRIC, VERDICT_METRICS
from mecsim.results.store import load_run
from mecsim.study.plan import Run
from mecsim.study.policy_choice import choose_policies
from mecsim.study.runner import execute

EVIL = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def setting_of(**metrics):
    """Return a setting whose policies have these values of every judged metric, one a seed."""
    runs = []
    for policy, values in metrics.items():
        for seed, value in enumerate(values):
            manifest = {"policy": policy, "seed": seed}
            numbers = dict.fromkeys(VERDICT_METRICS, value)
            runs.append(RunSummary(None, manifest, numbers, None, None, {}, (), None))
    return ScenarioRuns("made up", tuple(runs))


def test_sentences_name_the_winner_whichever_way_is_better():
    """Mutant: more is better for delay and energy too."""
    setting = setting_of(a=[200.0, 202.0, 204.0], b=[100.0, 101.0, 102.0])
    scr, delay, energy = (one.text for one in sentences(setting))
    assert scr == "a beats b by 100 % in window SCR, 95 % interval 100 to 100, 3 paired replications"
    assert delay.startswith("b beats a by 50 % in delay per user, 95 % interval 50 to 50")
    assert energy.startswith("b beats a by 50 % in energy per user")
    assert ranked(setting) == ["a", "b"]


def test_what_is_not_decided_is_said_to_be_undecided():
    """Mutant: a point estimate taken for a verdict."""
    apart = compared(
        setting_of(a=[10.0, 12.0, 8.0, 11.0], b=[11.0, 9.0, 10.0, 10.0]), "a", "b", METRIC["scr_window"]
    )
    assert apart.text.startswith("undecided: a against b in window SCR")
    assert apart.verdict == "undecided"
    alone = compared(setting_of(a=[20.0], b=[10.0]), "a", "b", METRIC["scr_window"])
    assert alone.verdict == "undecided"
    assert "+100 % in window SCR in a single pair: no interval is possible" in alone.text
    assert compared(setting_of(a=[math.nan], b=[1.0]), "a", "b", METRIC["scr_window"]) is None


def test_many_comparisons_are_corrected_for():
    """Mutant: no correction; the pair below has p = 0.04 alone."""
    rng = np.random.default_rng(5)
    noise = rng.normal(0, 1, 6)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    values = {f"p{i}": 100.0 + 0.001 * i + rng.normal(0, 1, 6) for i in range(5)}
    values["best"] = values["p0"] + 1.12 * 1.0 + noise
    found = sentences(setting_of(**{name: list(v) for name, v in values.items()}))
    assert any(one.verdict == "alone" and "not decided after Holm's correction" in one.text for one in found)


def test_the_energy_adds_up_and_a_missing_joule_is_seen(study):
    """Mutant: the downlink's energy left out."""
    collected = collect(study)
    rows = audit_rows(collected)
    assert [row.balanced for row in rows] == [True, True]
    tables = [load_run(path.parent) for path in study.glob("*/manifest.json")]
    total = sum(one.rounds["energy_j"].sum() for one in tables if one.manifest["policy"] == "gucaa")
    assert next(row.total for row in rows if row.policy == "gucaa") == f"{total:,.1f}"
    collected.setting.runs[0].energy_j["downlink_j"] *= 0.999
    assert [row.balanced for row in audit_rows(collected)].count(False) == 1


def test_device_classes_add_up_and_are_those_of_the_world(tmp_path):
    """Mutants: the classes of another seed; radio and GPU exchanged."""
    from mecsim.world.world import World

    kinds = [{"name": "phone", "share": 1}, {"name": "car", "share": 1, "gpu_count": 2}]
    arrivals = {"rate_per_s": 0.2, "stay_s": 10}
    scenario = load_scenario("smoke").with_changes({"users.classes": kinds, "users.arrivals": arrivals})
    compare(scenario, ["gucaa"], 1, seed=3, out=tmp_path)
    collected, (run,) = (
        collect(tmp_path),
        [load_run(path.parent) for path in tmp_path.glob("*/manifest.json")],
    )
    rows = class_rows(collected)
    assert [row.devices for row in rows] == ["users: car", "users: phone", "servers"]
    cars = np.flatnonzero(World(scenario, 3).population.kind == 1)
    own = run.rounds[run.rounds["user"].isin(cars)]
    assert (rows[0].gpu, rows[0].radio) == tuple(
        f"{own[name].sum():,.1f}" for name in ("local_j", "uplink_j")
    )
    (audit,) = audit_rows(collected)
    totals = [float(row.total.replace(",", "")) for row in rows]
    assert sum(totals) == pytest.approx(float(audit.total.replace(",", "")), abs=0.2)
    assert totals[-1] == pytest.approx(float(audit.servers.replace(",", "")), abs=0.1)


def test_every_time_chart_marks_handovers_missed_decisions_and_outages(study):
    """Mutants: marks in one chart only; every decision ticked."""
    collected = collect(study)
    epochs = collected.replays["gucaa"].epochs
    epochs.loc[epochs.index[3:5], "status"] = ["held", "late"]
    charts = time_charts(collected, ((40.0, 60.0, "server 0 down"),))
    assert len(charts) == 4
    for chart in charts:
        (gucaa,) = (marks for marks in chart.marks if marks.policy == "gucaa")
        np.testing.assert_array_equal(gucaa.ticks, epochs["time_s"][epochs["handovers"] > 0])
        np.testing.assert_array_equal(gucaa.crosses, epochs["time_s"].iloc[3:5])
        assert len(chart.marks) == len(collected.replays)
        assert "server 0 down, 40 to 60 s" in chart.note
        assert "evenly chosen" not in chart.note
    assert 0 < len(charts[0].marks[0].ticks) < len(epochs)


def test_marks_over_the_most_are_thinned_visibly(study):
    """Mutant: thinned without a word."""
    collected = collect(study)
    results = collected.replays["gucaa"]
    long = pd.concat([results.epochs] * 200, ignore_index=True).assign(handovers=1)
    object.__setattr__(results, "epochs", long)
    chart = time_charts(collected, ())[0]
    assert max(len(marks.ticks) for marks in chart.marks) <= MOST_MARKS < len(long)
    assert f"At most {MOST_MARKS} evenly chosen" in chart.note


def test_the_gap_is_what_the_gains_did_and_the_rest(tmp_path):
    """Mutants: realised less true taken for the gains; rounds of two epochs thrown together."""
    rounds = {"mode": "synchronous", "think_s": 1}
    changes = {"workload.rounds": rounds, "duration_s": 30, "reallocation.period_s": 1.7}
    compare(load_scenario("smoke").with_changes(changes), ["gucaa"], 1, out=tmp_path)
    collected = collect(tmp_path)
    results = collected.replays["gucaa"]
    rows = {row.quantity: row for row in gap_table(collected)}
    assert list(rows) == ["SCR", "delay (s)", "energy (J)"]
    for row in rows.values():
        gap, gains, rest = (float(text.replace("\u2212", "-")) for text in (row.gap, row.gains, row.rest))
        assert gains + rest == pytest.approx(gap, abs=0.01 * (abs(gains) + abs(rest)))
    own = results.rounds.groupby("epoch")
    whole = own["user"].nunique().eq(results.manifest["users"]) & own.size().eq(results.manifest["users"])
    assert 2 <= whole.sum() < len(whole)
    assert rows["delay (s)"].epochs == str(whole.sum())
    assert float(rows["delay (s)"].realised) == pytest.approx(own["delay_s"].max()[whole].mean(), rel=1e-3)
    said = results.epochs.set_index("epoch")["delay_s"][whole.index[whole]]
    assert float(rows["delay (s)"].predicted) == pytest.approx(said.mean(), rel=1e-3)
    keys = [chart.key for chart in gap_charts(collected)]
    assert keys == [
        "gap-epochs-scr",
        "gap-epochs-delay_s",
        "gap-epochs-energy_j",
        "gap-generations",
    ]


def test_names_are_text(study):
    """Mutant: autoescape off."""
    html = render(collect(study))
    assert EVIL not in html
    assert ESCAPED in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html).group(1))
    assert EVIL in {run["policy"] for run in data["replay"]["runs"]}
    names = {trace["name"] for chart in data["charts"].values() for trace in chart["data"]}
    assert ESCAPED in names


def test_nothing_in_the_page_is_fetched(study):
    for interactive in (True, False):
        html = render(collect(study), interactive=interactive)
        assert "default-src 'none'" in html
        assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", html)
        assert ("blob-plotly" in html) is interactive
        assert ("data:image/png" in html) is not interactive


def test_a_page_over_budget_is_cut_visibly(study):
    """Mutant: rounds left out silently."""
    whole = ReplayData(collect(study))
    assert whole.notes == []
    size = sum(map(len, whole.blobs.values()))
    cut = ReplayData(collect(study), budget_bytes=size // 2)
    assert sum(map(len, cut.blobs.values())) <= size // 2
    assert "of 120 s only" in cut.notes[0]
    assert "of 120 s only" in render(collect(study), budget_bytes=size // 2)


def test_the_same_results_give_the_same_page(study):
    assert render(collect(study)) == render(collect(study))


def test_an_empty_folder_and_one_with_failures_only_say_so(tmp_path):
    assert "There is no finished run" in write_report(tmp_path).read_text("utf-8")
    (tmp_path / "failed-one.txt").write_text(f"Traceback: {EVIL}", "utf-8")
    html = write_report(tmp_path).read_text("utf-8")
    assert "1 run failed" in html.replace("<strong>", "").replace("</strong>", "")
    assert ESCAPED in html
    with pytest.raises(ResultStoreError, match="no such folder"):
        write_report(tmp_path / "nowhere")


def test_a_damaged_run_is_named_and_the_others_are_shown(study, tmp_path):
    shutil.copytree(study, tmp_path / "study")
    victim = sorted((tmp_path / "study").glob("*/rounds.parquet"))[0]
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    collected = collect(tmp_path / "study")
    assert len(collected.problems) == 1
    assert "SHA-256 differs" in collected.problems[0]
    assert len(collected.setting.runs) == 3


def test_settings_are_told_apart_by_what_was_swept(tmp_path):
    for mhz in (10, 20):
        changed = load_scenario("smoke").with_changes({"servers.bandwidth_mhz": mhz, "duration_s": 20})
        execute(Run(changed, choose_policies(["gucaa"])[0], 0), out=tmp_path / f"at-{mhz}")
    labels = [setting.label for setting in collect(tmp_path).settings]
    assert labels == [f"smoke, server bandwidth = {mhz} MHz" for mhz in (10, 20)]
    html = render(collect(tmp_path, setting=1), interactive=False)
    assert "<h1>smoke: gucaa over server bandwidth</h1>" in html
    assert f"{labels[1]}: the setting shown in full below" in html
    with pytest.raises(MecsimError, match="must be 0 to 1, of the 2"):
        collect(tmp_path, setting=2)
    with pytest.raises(MecsimError, match="has it; there are 0"):
        collect(tmp_path, seed=7)


def test_an_overloaded_run_and_a_short_one_are_flagged_first(tmp_path):
    """Mutant: means of a queue that grows, without a word."""
    rounds = {"mode": "periodic", "period_s": 0.05}
    changed = load_scenario("smoke").with_changes({"workload.rounds": rounds, "duration_s": 120})
    compare(changed, ["nearest"], 1, out=tmp_path / "fast")
    html = write_report(tmp_path / "fast").read_text("utf-8")
    assert html.index("nearest: the time of a round grows steadily") < html.index("Place: by SCR")
    short = load_scenario("smoke").with_changes({"duration_s": 3, "warmup_s": 0})
    compare(short, ["nearest"], 1, out=tmp_path / "short")
    assert "too short: half of the users" in write_report(tmp_path / "short").read_text("utf-8")


def test_the_command_writes_where_it_is_told(study, tmp_path, capsys):
    file = tmp_path / "page.html"
    assert main(["report", str(study), "--out", str(file), "--seed", "1", "--static"]) == 0
    assert capsys.readouterr().out == f"report: {file}\n"
    assert "World of seed 1; one of 2 worlds" in file.read_text("utf-8")
    assert main(["report", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["report", str(study), "--out", str(tmp_path / "no" / "such.html")]) != 0
    assert "cannot be written" in capsys.readouterr().err
