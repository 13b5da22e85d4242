"""The report of a study: what it opens with, curves over swept keys, and the warnings of settings."""

import re

import numpy as np
import pytest

from mecsim import Study, compare, load_scenario, sweep
from mecsim.analysis.report.collect import collect
from mecsim.analysis.report.headline import headline, matrices, title
from mecsim.analysis.report.page import render
from mecsim.analysis.report.plotly_chart import plotly_figure
from mecsim.analysis.report.sweep import sweep_charts
from mecsim.analysis.report.timeline import time_charts
from mecsim.analysis.report.verdict import ranked
from mecsim.analysis.style import policy_style
from mecsim.results.metrics import VERDICT_METRICS


def test_it_opens_with_two_sentences_and_a_matrix_in_the_order_given(tmp_path):
    """Mutants: policies by name, or by SCR; the reference the best one; no verdict but by the means."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 5, "warmup_s": 0})
    compare(scenario, ["rucaa", "gucaa", "edge_only"], 3, out=tmp_path)
    collected = collect(tmp_path)
    (matrix,) = matrices(collected)
    assert [policy for policy, _ in matrix.rows] == ["rucaa", "gucaa", "edge_only"]
    assert {cell.word for cell in matrix.rows[0][1]} == {"reference"}
    assert [len(cells) for _, cells in matrix.rows] == [len(matrix.heads)] * 3
    text = headline(collected, matrices(collected))
    assert text.startswith(f"{ranked(collected.setting)[0]} has the largest window SCR, ")
    assert "Against rucaa, the reference, " in text
    assert text.count(". ") == 1
    html = render(collected)
    assert html.index(text[:30]) < html.index('id="matrix"') < html.index("comparisons of two policies in")
    places = [html.index(f"></span>{policy}</th>") for policy in collected.order]
    assert places == sorted(places)
    assert html.count(policy_style(0).html_colour) >= 2


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Two policies in four settings, so short that each is warned of."""
    folder = tmp_path_factory.mktemp("swept")
    study = Study.from_dict({
        "schema": 1, "name": "two", "scenarios": ["smoke"], "policies": ["gucaa", "edge_only"],
        "replications": 2,
        "grid": {
            "warmup_s": [0], "duration_s": [5, 7], "users.count": [2, 3], "workload.rounds.think_s": [1],
        },
    })  # fmt: skip
    sweep(study, out=folder, jobs=1)
    return collect(folder)


def test_a_study_s_report_has_a_curve_for_each_policy_and_facet(swept):
    """Mutants: means of another setting; the axis as text."""
    collected, (charts, left_out) = swept, sweep_charts(swept)
    assert left_out == ""
    assert [chart.title for chart in charts[:1]] == ["window SCR, number of users = 2"]
    assert len(charts) == 2 * len(VERDICT_METRICS)
    first = charts[0]
    assert (first.x_label, [one.policy for one in first.series]) == ("duration (s)", ["gucaa", "edge_only"])
    own = [one for one in collected.settings if one.values["users.count"] == 2]
    means = [np.mean([r.metrics["scr_window"] for r in one.runs if r.policy == "gucaa"]) for one in own]
    np.testing.assert_allclose(first.series[0].y, means)
    np.testing.assert_array_equal(first.series[0].x, [5.0, 7.0])
    assert title(collected) == "smoke: gucaa, edge_only over duration and number of users"


def test_charts_that_are_not_shown_are_told_of(swept, monkeypatch):
    """Mutant: the first charts alone, as if they were all."""
    monkeypatch.setattr("mecsim.analysis.report.sweep.MOST_CHARTS", 3)
    charts, left_out = sweep_charts(swept)
    assert len(charts) == 3
    count = 2 * len(VERDICT_METRICS)
    assert left_out.startswith(f"The first 3 of {count} charts. Every other one: mecsim plot FOLDER")
    assert "--key duration_s" in left_out
    assert left_out in render(swept)


def test_warnings_of_settings_are_in_one_box_and_the_same_ones_once(swept):
    """Mutant: a box for each of thirty settings before the first number."""
    html = render(swept)
    assert html.count('<div class="trouble"') == html.count("<strong>Before the numbers of ") == 1
    assert "of 4 of 4 settings:" in html


def test_points_of_charts_are_told_in_words(swept):
    """Mutant: plotly's own text, such as `(12, 0) gucaa: handover` with the row of a strip for a value."""
    for chart in [*sweep_charts(swept).charts[:1], *time_charts(swept, ())]:
        told = [trace["hovertemplate"] for trace in plotly_figure(chart)["data"] if trace["name"]]
        assert told
        for text in told:
            assert text.startswith("%{fullData.name}<br>")
            assert f"{chart.x_label}: %{{x}}" in text
            assert not re.search(r"\w_\w", text)
