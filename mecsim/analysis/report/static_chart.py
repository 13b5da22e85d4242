"""Charts as pictures, for where plotly is not installed."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.report.charts import DASHES, ENERGY_LOOKS, MARKERS, Chart, shortened
from mecsim.analysis.style import STYLE, colours

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# A picture is shown at 110 dots an inch: these points are 13 px there.
_SIZE_IN, _ROW_IN, _DPI, _FONT_PT = (5.6, 3.4), 0.2, 110, 8.6


def static_picture(chart: Chart) -> str:
    """Return a chart as a ``data:`` address of a PNG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    sizes = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    with rc_context(STYLE | dict.fromkeys(sizes, _FONT_PT) | {"font.family": "DejaVu Sans"}):
        width, height = _SIZE_IN
        strip = _ROW_IN * len(chart.marks)
        figure = Figure(figsize=(width, height + strip), layout="constrained")
        if chart.marks:
            axis, below = figure.subplots(2, sharex=True, height_ratios=(height, strip + 0.1))
            _draw_marks(below, chart)
        else:
            axis = below = figure.subplots()
        _draw_series(axis, chart)
        if any(isinstance(one.x, list) for one in chart.series):
            axis.margins(x=0.15)
        for each in (axis, below):
            for low, high, _ in chart.spans:
                each.axvspan(low, high, color="0.75", alpha=0.5, lw=0)
        if chart.diagonal:
            axis.axline((0, 0), slope=1, color="0.35", lw=0.8, ls=":")
        below.set_xlabel(chart.x_label)
        axis.set_ylabel(chart.y_label)
        if chart.log_x:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
        axis.set_ylim(bottom=0)
        if any(one.name for one in chart.series):
            figure.legend(loc="outside upper left", ncols=3, frameon=False)
        # A name with two dollar signs is a name, not a formula.
        for text in figure.findobj(Text):
            if isinstance(text, Text):
                text.set_parse_math(False)
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()


def _draw_series(axis: Axes, chart: Chart) -> None:
    palette, floor = colours(10), dict[str, float]()
    look: dict[str, Any]
    for one in chart.series:
        colour, i = palette[one.look % len(palette)], one.look
        label = f"\u200b{one.name}" if one.name else "_nolegend_"
        if one.kind == "bars" and isinstance(one.x, list):
            bottom = [floor.get(x, 0.0) for x in one.x]
            fill, hatch = ENERGY_LOOKS[i % len(ENERGY_LOOKS)]
            axis.bar(
                one.x, one.y, 0.6, bottom=bottom, color=fill, hatch=4 * hatch, edgecolor="black", label=label
            )
            floor |= {
                x: low + float(np.nan_to_num(y)) for x, low, y in zip(one.x, bottom, one.y, strict=True)
            }
        elif one.kind == "line":
            axis.plot(one.x, one.y, color=colour, linestyle=_dash(i), label=label)
        else:
            look = {"fmt": "o", "color": "0.3", "mfc": "none", "ms": 4}
            if not one.faint:
                look = {"fmt": MARKERS[i % len(MARKERS)][1], "color": colour, "ms": 6}
            axis.errorbar(one.x, one.y, yerr=one.half, capsize=3, label=label, **look)


def _dash(i: int) -> str | tuple[float, tuple[float, ...]]:
    lengths = DASHES[i % len(DASHES)]
    return (0.0, lengths) if lengths else "-"


def _draw_marks(axis: Axes, chart: Chart) -> None:
    palette, rows = colours(10), range(len(chart.marks))
    for row, one in enumerate(chart.marks):
        axis.eventplot(
            [one.ticks], lineoffsets=row, linelengths=0.7, linewidths=0.7, colors=[palette[one.look % 10]]
        )
        axis.plot(one.crosses, np.full(len(one.crosses), row), "x", color="black", ms=5)
    axis.set_yticks(rows, [shortened(one.policy) for one in chart.marks])
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.grid(visible=False)
