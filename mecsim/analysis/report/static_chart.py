"""Charts as pictures, for where plotly is not installed."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np

from mecsim.analysis.report.charts import Chart
from mecsim.analysis.style import DASHES, MARKERS, STYLE, colours

_ENERGY = (("#f0e442", ""), ("#56b4e9", "////"), ("#009e73", ""), ("#4a3a78", "...."))
# A picture is shown at 110 dots an inch: these points are 13 px there.
_SIZE_IN, _DPI, _FONT_PT = (5.6, 3.4), 110, 8.6


def static_picture(chart: Chart) -> str:
    """Return a chart as a ``data:`` address of a PNG picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    sizes = ("font.size", "axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")
    palette = colours(10)
    look: dict[str, Any]
    with rc_context(STYLE | dict.fromkeys(sizes, _FONT_PT) | {"font.family": "DejaVu Sans"}):
        figure = Figure(figsize=_SIZE_IN, layout="constrained")
        axis = figure.subplots()
        floor: dict[str, float] = {}
        for one in chart.series:
            colour, i = palette[one.look % len(palette)], one.look
            label = "_nolegend_" if one.faint else f"\u200b{one.name}"
            if one.kind == "bars" and isinstance(one.x, list):
                bottom = [floor.get(x, 0.0) for x in one.x]
                fill, hatch = _ENERGY[i % len(_ENERGY)]
                axis.bar(
                    one.x, one.y, 0.6, bottom=bottom, color=fill, hatch=hatch, edgecolor="black", label=label
                )
                floor |= {
                    x: low + float(np.nan_to_num(y)) for x, low, y in zip(one.x, bottom, one.y, strict=True)
                }
            elif one.kind == "line":
                axis.plot(one.x, one.y, color=colour, linestyle=DASHES[i % len(DASHES)], label=label)
            else:
                look = {"fmt": "o", "color": "0.3", "mfc": "none", "ms": 4}
                if not one.faint:
                    look = {"fmt": MARKERS[i % len(MARKERS)], "color": colour, "ms": 6}
                axis.errorbar(one.x, one.y, yerr=one.half, capsize=3, label=label, **look)
        for low, high, _ in chart.spans:
            axis.axvspan(low, high, color="0.75", alpha=0.5, lw=0)
        if chart.diagonal:
            axis.axline((0, 0), slope=1, color="0.35", lw=0.8, ls=":")
        axis.set(xlabel=chart.x_label, ylabel=chart.y_label)
        if chart.log_x:
            axis.set_xscale("log")
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_locator(NullLocator())
        axis.set_ylim(bottom=0)
        if any(not one.faint for one in chart.series):
            figure.legend(loc="outside upper left", ncols=3, frameon=False)
        # A name with two dollar signs is a name, not a formula.
        for text in figure.findobj(Text):
            if isinstance(text, Text):
                text.set_parse_math(False)
        sink = io.BytesIO()
        figure.savefig(sink, format="png", dpi=_DPI)
    return "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode()
