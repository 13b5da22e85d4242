"""Charts as plotly's JSON, and plotly's own script if it is installed."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.analysis.report.charts import Chart, Series
from mecsim.analysis.report.pack import squeeze
from mecsim.analysis.style import colours

_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_MARKERS = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "x")
_PATTERNS = ("", "/", "", ".")
_ENERGY_COLOURS = ("#f0e442", "#56b4e9", "#009e73", "#4a3a78")
_FONT_PX = 13
_CROWD = 60


@cache
def plotly_script() -> str | None:
    """Return plotly's JavaScript, squeezed; None where the extra ``report`` is not installed."""
    # The file alone: importing plotly takes longer than writing the page.
    package = find_spec("plotly")
    if package is None or package.origin is None:
        return None
    return squeeze((Path(package.origin).parent / "package_data" / "plotly.min.js").read_bytes())


def plotly_figure(chart: Chart) -> dict[str, Any]:
    """Return a chart as ``{"data": ..., "layout": ...}``; what people wrote is escaped, plotly reads HTML."""
    data = [_trace(one, hex_colours()) for one in chart.series]
    axis = {
        "gridcolor": "#e4e4e4",
        "zerolinecolor": "#bbb",
        "linecolor": "#555",
        "ticks": "outside",
        "automargin": True,
    }
    x_axis: dict[str, Any] = {**axis, "title": {"text": chart.x_label}}
    if chart.log_x:
        # Plotly's own labels between decades are smaller than the rest.
        ticks = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5)]
        x_axis |= {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    if any(isinstance(one.x, list) for one in chart.series):
        x_axis["type"] = "category"
    spans = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1,
         "fillcolor": "#999", "opacity": 0.3, "line": {"width": 0}, "layer": "below"}
        for low, high, _ in chart.spans
    ]  # fmt: skip
    layout = {
        "font": {"size": _FONT_PX, "family": "system-ui, sans-serif", "color": "#222"},
        "margin": {"l": 56, "r": 12, "t": 8, "b": 48},
        "paper_bgcolor": "#fff", "plot_bgcolor": "#fff",
        "xaxis": x_axis,
        "yaxis": {**axis, "title": {"text": chart.y_label}, "rangemode": "tozero"},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        "shapes": spans + ([_diagonal(chart)] if chart.diagonal else []),
        "barmode": "stack",
        "hovermode": "closest",
        "hoverlabel": {"font": {"size": _FONT_PX}},
    }  # fmt: skip
    return {"data": data, "layout": layout}


def _trace(series: Series, palette: list[str]) -> dict[str, Any]:
    i = series.look
    trace: dict[str, Any] = {
        "name": escape(series.name, quote=False),
        "x": [escape(x, quote=False) for x in series.x] if isinstance(series.x, list) else _numbers(series.x),
        "y": _numbers(series.y),
        "showlegend": not series.faint,
        "meta": {"policy": series.policy},
    }
    if series.kind == "bars":
        pattern = {"shape": _PATTERNS[i % 4], "fillmode": "overlay", "fgcolor": "#fff", "size": 7}
        edge = {"color": "#222", "width": 1}
        fill = {"color": _ENERGY_COLOURS[i % 4], "pattern": pattern, "line": edge}
        return trace | {"type": "bar", "marker": fill}
    colour, symbol = palette[i % len(palette)], _MARKERS[i % len(_MARKERS)]
    if series.kind == "line":
        line = {"color": colour, "dash": _DASHES[i % len(_DASHES)], "width": 2}
        return trace | {"type": "scatter", "mode": "lines", "line": line}
    marker: dict[str, Any] = {"color": colour, "symbol": symbol, "size": 10}
    if series.faint:
        marker = {"color": "#444", "symbol": "circle-open", "size": 8}
    elif len(series.y) > _CROWD:
        marker |= {"size": 6, "opacity": 0.7}
    trace |= {"type": "scatter", "mode": "markers", "marker": marker}
    if series.half is not None:
        trace["error_y"] = {
            "type": "data",
            "array": _numbers(series.half),
            "width": 8,
            "thickness": 2,
            "color": colour,
        }
    return trace


def _diagonal(chart: Chart) -> dict[str, Any]:
    ends = [
        np.asarray(axis, dtype=np.float64) for one in chart.series for axis in (one.x, one.y) if len(one.y)
    ]
    most = float(max((one.max() for one in ends), default=1.0))
    return {
        "type": "line",
        "x0": 0,
        "y0": 0,
        "x1": most,
        "y1": most,
        "line": {"color": "#555", "width": 1, "dash": "dot"},
    }


def _numbers(values: Any) -> list[float | None]:
    return [
        float(f"{value:.6g}") if np.isfinite(value) else None
        for value in np.asarray(values, dtype=np.float64)
    ]


def hex_colours() -> list[str]:
    """Return the colours of all figures as HTML writes them."""
    return ["#" + "".join(f"{round(255 * part):02x}" for part in colour[:3]) for colour in colours(10)]
