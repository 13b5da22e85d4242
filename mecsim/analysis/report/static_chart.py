"""Charts drawn by matplotlib as pictures, where plotly is not installed."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.figures.panels import plain_log_ticks
from mecsim.analysis.report.charts import Chart, Series, shortened
from mecsim.analysis.style import STYLE, phase_fill, policy_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# A picture is shown at 110 dots an inch: these points are 13 px there.
_SIZE_IN, _ROW_IN, _DPI, _FONT_PT = (5.6, 3.4), 0.2, 110, 8.6
_SIZES = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
_PICTURE_STYLE = STYLE | dict.fromkeys(_SIZES, _FONT_PT) | {"font.family": "DejaVu Sans"}


def static_picture(chart: Chart) -> str:
    """Return a chart as a ``data:`` address of a PNG picture."""
    from matplotlib import rc_context

    sink = io.BytesIO()
    with rc_context(_PICTURE_STYLE):
        _figure(chart).savefig(sink, format="png", dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()


def _figure(chart: Chart) -> Figure:
    from matplotlib.figure import Figure

    width, height = _SIZE_IN
    strip = _ROW_IN * len(chart.marks)
    figure = Figure(figsize=(width, height + strip), layout="constrained")
    if chart.marks:
        axis, below = figure.subplots(2, sharex=True, height_ratios=(height, strip + 0.1))
        _draw_marks(below, chart)
    else:
        axis = below = figure.subplots()
    for one in chart.series:
        _draw_series(axis, one)
    _set_axes(axis, below, chart)
    if any(one.name for one in chart.series):
        figure.legend(loc="outside upper left", ncols=3, frameon=False)
    return figure


def _set_axes(axis: Axes, below: Axes, chart: Chart) -> None:
    if any(isinstance(one.x, list) for one in chart.series):
        axis.margins(x=0.15)
    for each in (axis, below):
        for low, high, _ in chart.spans:
            each.axvspan(low, high, color="0.75", alpha=0.5, lw=0)
        for at_s in chart.moments:
            each.axvline(at_s, color="0.15", lw=1.0, ls="--")
    if chart.diagonal:
        axis.axline((0, 0), slope=1, color="0.35", lw=0.8, ls=":")
    below.set_xlabel(chart.x_label)
    axis.set_ylabel(chart.y_label)
    if chart.log_x:
        axis.set_xscale("log")
        plain_log_ticks(axis.xaxis)
    if not any((one.y < 0).any() for one in chart.series):
        axis.set_ylim(bottom=0)


def _draw_series(axis: Axes, one: Series) -> None:
    # The zero-width space keeps a name with a leading underscore in the legend.
    label = f"\u200b{one.name}" if one.name else "_nolegend_"
    style = policy_style(one.place)
    if one.form == "bars":
        _draw_bars(axis, one, label)
    elif one.form == "line" and one.ends is not None:
        axis.errorbar(
            one.x, one.y, yerr=one.ends, capsize=3, label=label, ms=5, marker=style.marker,
            color=style.colour, linestyle=style.linestyle,
        )  # fmt: skip
    elif one.form == "line":
        axis.plot(one.x, one.y, color=style.colour, linestyle=style.linestyle, label=label)
    elif one.faint:
        axis.errorbar(
            one.x, one.y, yerr=one.ends, capsize=3, label=label, fmt="o", color="0.3", mfc="none", ms=4
        )
    else:
        axis.errorbar(
            one.x, one.y, yerr=one.ends, capsize=3, label=label, fmt=style.marker, color=style.colour, ms=6
        )


def _draw_bars(axis: Axes, one: Series, label: str) -> None:
    """Draw a row of bars on top of those that are there already, as plotly's stacked bars are."""
    bottom = np.zeros(len(one.y))
    for bars in axis.containers:
        bottom += [np.nan_to_num(bar.get_height()) for bar in bars]
    fill, hatch = phase_fill(one.place)
    axis.bar(one.x, one.y, 0.6, bottom=bottom, color=fill, hatch=4 * hatch, edgecolor="black", label=label)


def _draw_marks(axis: Axes, chart: Chart) -> None:
    rows = range(len(chart.marks))
    for row, one in enumerate(chart.marks):
        colour = policy_style(one.place).colour
        axis.eventplot([one.ticks], lineoffsets=row, linelengths=0.7, linewidths=0.7, colors=[colour])
        axis.plot(one.crosses, np.full(len(one.crosses), row), "x", color="black", ms=5)
    axis.set_yticks(rows, [shortened(one.policy) for one in chart.marks])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.grid(visible=False)
