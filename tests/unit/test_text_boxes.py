"""No text of a figure is cut by its edge, and no panel title lies over another's, whatever the names."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest

from mecsim.analysis.figure_kinds import FigureRequest, draw
from mecsim.analysis.figures.comparison import comparison_figure
from mecsim.analysis.frames import StudyFrames
from mecsim.analysis.key_names import setting_text
from mecsim.analysis.maps import draw_map
from mecsim.analysis.style import policy_style
from mecsim.results.metrics import METRICS
from mecsim.scenario.load import load_scenario

TWO = {"users.count": [4, 12], "servers.bandwidth_mhz": [5.0, 10.0, 20.0]}
SHORT = ("rucaa", "gucaa", "dashf")
LONG = ("dashf:max_iterations=3,tolerance=0.001,start=nearest", "a policy with words in its name", "gucaa")
SCENARIO = "a-scenario-with-a-name-of-many-letters-and-then-some-more-of-them"
KINDS = ("distributions", "forest", "swept", "heatmap", "pareto", "ranking")
CUT_PX = 1.5


def made_up(policies, swept, scenario="smoke"):
    """Return the frames of a study of random numbers."""
    rng = np.random.default_rng(3)
    points = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    rows = [
        {"scenario": scenario, **point, "policy": policy, "seed": seed}
        | {metric.name: float(rng.lognormal(4 + 0.2 * k, 0.1)) for metric in METRICS}
        for k, policy in enumerate(policies)
        for point in points
        for seed in range(2)
    ]
    study = StudyFrames(pd.DataFrame(rows), tuple(swept), {}, order=tuple(policies))
    keys = study.per_run[["scenario", *swept, "policy", "seed"]]
    delays = keys.merge(pd.DataFrame({"delay_s": rng.lognormal(1, 0.5, 10), "weight": 1.0}), how="cross")
    study.__dict__["delays"] = delays
    return study


def cut_texts(figure):
    """Return the texts that go beyond the canvas, and the pairs of panel titles that lie over each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where panels have no room left
        figure.draw_without_rendering()
    edge = figure.bbox.padded(CUT_PX)
    # Ticks beyond the ends of an axis are not drawn.
    undrawn = {
        label
        for ax in figure.axes
        for axis in (ax.xaxis, ax.yaxis)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    every = set(figure.findobj(match=lambda one: hasattr(one, "get_text"))) - undrawn
    shown = [text for text in every if text.get_visible() and (text.axes is None or text.axes.axison)]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown if text.get_text().strip()]
    cut = [
        text
        for text, box in boxes
        if not (edge.x0 <= box.x0 and box.x1 <= edge.x1 and edge.y0 <= box.y0 and box.y1 <= edge.y1)
    ]
    titles = [ax.title for ax in figure.axes if ax.get_title()]
    return cut + [
        (one.get_text(), other.get_text())
        for one, other in itertools.combinations(titles, 2)
        if one.get_window_extent().overlaps(other.get_window_extent())
    ]


@pytest.mark.parametrize("width_in", [3.5, 7.16])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_is_cut(kind, width_in):
    """Mutant: titles on one line. "number of users = 1" is left of the 12 at the edge of a column."""
    study = made_up(LONG, TWO, SCENARIO)
    metrics = ("delay_user_s", "energy_user_j") if kind in ("forest", "pareto", "swept") else ()
    assert cut_texts(draw(kind, study, FigureRequest(metrics, "", "", None, width_in))) == []


def test_a_cut_text_is_found():
    figure = draw("pareto", made_up(SHORT, TWO), FigureRequest((), "", "", None, 3.5))
    figure.axes[1].set_title("number of users = 12, server bandwidth = 10 MHz, and more of it")
    assert len(cut_texts(figure)) >= 1


@pytest.mark.parametrize("policies", [SHORT, LONG])
def test_no_text_of_a_comparison_or_a_map_is_cut(policies):
    study = made_up(policies, {})
    figure = comparison_figure(study.per_run, study.delays, policies, range(3), order=policies)
    assert cut_texts(figure) == []
    assert cut_texts(draw_map(load_scenario("smoke").with_changes({"name": SCENARIO}), seconds=5.0)) == []


def test_panels_say_key_value_and_unit():
    """Mutant: the raw key, whose unit is only in its spelling."""
    axes = draw("swept", made_up(SHORT, TWO), FigureRequest(("scr",), "users.count", "", None, 7.16)).axes
    assert [ax.get_title() for ax in axes] == [f"server bandwidth = {mhz} MHz" for mhz in (5, 10, 20)]
    assert {ax.get_xlabel() for ax in axes} == {"number of users"}
    heat = draw("heatmap", made_up(SHORT, TWO), FigureRequest((), "", "servers.bandwidth_mhz", None, 7.16))
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in heat.axes] == 3 * [
        ("number of users", "server bandwidth (MHz)")
    ]


def test_a_pause_between_rounds_is_called_so():
    """Mutant: `rounds think`, the key without its unit."""
    assert setting_text("workload.rounds.think_s", 2) == "pause between rounds = 2 s"


def test_a_heat_map_has_the_mean_of_each_point():
    """Mutant: axes exchanged; the mean of another policy."""
    study = made_up(SHORT, TWO)
    request = FigureRequest(("scr",), "users.count", "servers.bandwidth_mhz", None, 7.16)
    for ax, policy in zip(draw("heatmap", study, request).axes, SHORT, strict=True):
        told = np.array([text.get_text() for text in ax.texts], dtype=float)
        own = study.per_run[study.per_run["policy"] == policy]
        means = own.groupby(["servers.bandwidth_mhz", "users.count"])["scr"].mean()
        np.testing.assert_allclose(told.ravel(), means.to_numpy(), rtol=6e-4)


@pytest.mark.parametrize("kind", ["swept", "pareto", "distributions", "ranking"])
def test_a_policy_keeps_its_colour_when_others_are_left_out(kind):
    """Mutant: colours by the place among the policies drawn."""
    study = made_up(SHORT, {"users.count": [4, 8]})
    kept = StudyFrames(study.per_run[study.per_run["policy"] != "rucaa"], study.swept, {}, order=study.order)
    kept.__dict__["delays"] = study.delays[study.delays["policy"] != "rucaa"]
    figure = draw(kind, kept, FigureRequest((), "", "", None, 7.16))
    colours = {line.get_label(): line.get_color() for line in figure.legends[0].legend_handles}
    assert colours["gucaa"] == policy_style(1).colour
    assert colours["dashf"] == policy_style(2).colour
