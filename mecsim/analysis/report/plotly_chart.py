"""Charts as plotly's JSON, and plotly's own script if it is installed."""

from __future__ import annotations

from functools import cache
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.analysis.report.charts import Chart, Marks, Series, shortened
from mecsim.analysis.report.pack import squeeze
from mecsim.analysis.style import PolicyStyle, phase_fill, policy_style
from mecsim.system.arrays import Floats

_LINE_PX = 2
_FONT_PX = 13
_CROWD = 60
_PLOT_PX, _ROW_PX = 340, 20
_ON_ANY_PAGE = "#777"  # as well on white as on a dark page
# Where no run has an event, plotly draws the strip's axis at no place.
_UNSEEN: dict[str, Any] = {
    "type": "scatter", "mode": "markers", "yaxis": "y2", "showlegend": False, "hoverinfo": "skip",
    "name": "", "x": [None], "y": [0], "meta": {"policy": ""},
}  # fmt: skip


@cache
def plotly_script() -> str | None:
    """Return plotly's JavaScript, squeezed; None where the extra ``report`` is not installed."""
    # The file alone: importing plotly takes longer than writing the page.
    package = find_spec("plotly")
    if package is None or package.origin is None:
        return None
    return squeeze((Path(package.origin).parent / "package_data" / "plotly.min.js").read_bytes())


def plotly_figure(chart: Chart) -> dict[str, Any]:
    """Return a chart as ``{"data": ..., "layout": ...}``; names are escaped, because plotly reads HTML."""
    data = [_trace(one) | {"hovertemplate": _told(chart)} for one in chart.series]
    spans = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": low, "x1": high, "y0": 0, "y1": 1,
         "fillcolor": "#999", "opacity": 0.3, "line": {"width": 0}, "layer": "below"}
        for low, high, _ in chart.spans
    ]  # fmt: skip
    spans += [
        {"type": "line", "xref": "x", "yref": "paper", "x0": at_s, "x1": at_s, "y0": 0, "y1": 1,
         "line": {"color": _ON_ANY_PAGE, "width": 1.5, "dash": "dash"}}
        for at_s in chart.moments
    ]  # fmt: skip
    layout = {
        "font": {"size": _FONT_PX, "family": "system-ui, sans-serif", "color": "#222"},
        "margin": {"l": 56, "r": 12, "t": 8, "b": 48},
        "paper_bgcolor": "#fff", "plot_bgcolor": "#fff",
        "xaxis": _x_axis(chart),
        "yaxis": _y_axis(chart),
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        "shapes": spans + ([_diagonal(chart)] if chart.diagonal else []),
        "barmode": "stack",
        "hovermode": "closest",
        "hoverlabel": {"font": {"size": _FONT_PX}},
    }  # fmt: skip
    if not any(np.isfinite(one.y).any() for one in chart.series):
        middle = {"xref": "paper", "yref": "paper", "x": 0.5, "y": 0.6, "showarrow": False}
        layout["annotations"] = [{"text": "no values", **middle}]
    if chart.marks:
        data.append(_UNSEEN)
        data += [trace for row, one in enumerate(chart.marks) for trace in _ticks_and_crosses(one, row)]
        layout |= _strip(chart)
    return {"data": data, "layout": layout}


def _told(chart: Chart) -> str:
    """Return the text at a point: the series, and what both axes are called."""
    x, y = (escape(label, quote=False) for label in (chart.x_label, chart.y_label))
    return f"%{{fullData.name}}<br>{x + ': ' if x else ''}%{{x}}<br>{y}: %{{y}}<extra></extra>"


def height_px(chart: Chart) -> int:
    """Return how high a chart is: a row more for each policy in its strip."""
    return _PLOT_PX + _ROW_PX * len(chart.marks)


def _ticks_and_crosses(marks: Marks, row: int) -> list[dict[str, Any]]:
    colour = policy_style(marks.place).html_colour
    tick = {"symbol": "line-ns-open", "size": 11, "color": colour, "line": {"width": 1, "color": colour}}
    cross = {"symbol": "x-thin-open", "size": 9, "line": {"width": 2}, "color": _ON_ANY_PAGE}
    name = escape(marks.policy, quote=False)
    return [
        {
            "type": "scatter", "mode": "markers", "yaxis": "y2", "showlegend": False,
            "name": f"{name}: {what}", "x": _numbers(times), "y": [row] * len(times), "marker": marker,
            "meta": {"policy": marks.policy},
            "hovertemplate": "%{fullData.name}<br>time (s): %{x}<extra></extra>",
        }
        for what, times, marker in (("handover", marks.ticks, tick), ("held or late", marks.crosses, cross))
    ]  # fmt: skip


def _strip(chart: Chart) -> dict[str, Any]:
    """Return the layout that leaves room for the strip, in pixels the same for any number of policies."""
    rows = len(chart.marks)
    share = _ROW_PX * rows / (height_px(chart) - 100)
    names = [escape(shortened(one.policy), quote=False) for one in chart.marks]
    lanes = {
        "domain": [0, share], "range": [rows - 0.4, -0.6], "tickvals": list(range(rows)), "ticktext": names,
        "showgrid": False, "zeroline": False, "fixedrange": True, "automargin": True,
    }  # fmt: skip
    return {
        "yaxis": {**_y_axis(chart), "domain": [share + 0.05, 1]},
        "yaxis2": lanes,
        "xaxis": {**_x_axis(chart), "anchor": "y2", "range": [0.0, _latest(chart)]},
    }


def _latest(chart: Chart) -> float:
    times = [np.asarray(one.x, dtype=np.float64) for one in chart.series]
    times += [one for each in chart.marks for one in (each.ticks, each.crosses)]
    return 1.01 * max((float(one.max()) for one in times if len(one)), default=1.0)


_AXIS = {
    "gridcolor": "#e4e4e4",
    "zerolinecolor": "#bbb",
    "linecolor": "#555",
    "ticks": "outside",
    "automargin": True,
}


def _y_axis(chart: Chart) -> dict[str, Any]:
    # Of a curve whose values cannot be negative, an interval is not drawn below zero either.
    curves = [one for one in chart.series if one.form == "line" and one.ends is not None]
    is_positive = bool(curves) and all(bool(np.all(~(one.y < 0))) for one in curves)
    rangemode = "nonnegative" if is_positive else "tozero"
    return {**_AXIS, "title": {"text": chart.y_label}, "rangemode": rangemode}


def _x_axis(chart: Chart) -> dict[str, Any]:
    axis: dict[str, Any] = {**_AXIS, "title": {"text": chart.x_label}}
    if chart.log_x:
        # Plotly's own labels between decades are smaller than the rest.
        ticks = [m * 10.0**e for e in range(-6, 10) for m in (1, 2, 5)]
        axis |= {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
    if any(isinstance(one.x, list) for one in chart.series):
        axis["type"] = "category"
    return axis


def _trace(series: Series) -> dict[str, Any]:
    trace: dict[str, Any] = {
        "name": escape(series.name or series.policy, quote=False),
        "x": [escape(x, quote=False) for x in series.x] if isinstance(series.x, list) else _numbers(series.x),
        "y": _numbers(series.y),
        "showlegend": bool(series.name),
        "meta": {"policy": series.policy},
    }
    if series.form == "bars":
        return trace | _bars(*phase_fill(series.place))
    style = policy_style(series.place)
    return trace | (_line(series, style) if series.form == "line" else _points(series, style))


def _bars(colour: str, hatch: str) -> dict[str, Any]:
    pattern = {"shape": hatch, "fillmode": "overlay", "fgcolor": "#fff", "size": 7}
    edge = {"color": "#222", "width": 1}
    return {"type": "bar", "marker": {"color": colour, "pattern": pattern, "line": edge}}


def _line(series: Series, style: PolicyStyle) -> dict[str, Any]:
    dash = ",".join(f"{_LINE_PX * length:g}px" for length in style.dash) or "solid"
    line = {"color": style.html_colour, "dash": dash, "width": _LINE_PX}
    if series.ends is None:
        return {"type": "scatter", "mode": "lines", "line": line}
    marker = {"color": style.html_colour, "symbol": style.symbol, "size": 8}
    whiskers = {"mode": "lines+markers", "marker": marker, "error_y": _error_bars(series.ends, style)}
    return {"type": "scatter", "line": line, **whiskers}


def _points(series: Series, style: PolicyStyle) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": style.html_colour, "symbol": style.symbol, "size": 10}
    if series.faint:
        marker = {"color": "#444", "symbol": "circle-open", "size": 8}
    elif len(series.y) > _CROWD:
        marker |= {"size": 6, "opacity": 0.7}
    points: dict[str, Any] = {"type": "scatter", "mode": "markers", "marker": marker}
    if series.ends is not None:
        points["error_y"] = _error_bars(series.ends, style)
    return points


def _error_bars(ends: Floats, style: PolicyStyle) -> dict[str, Any]:
    below, above = map(_numbers, ends)
    look = {"width": 5, "thickness": 1.5, "color": style.html_colour}
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, **look}


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
