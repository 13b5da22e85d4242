"""Paired differences to one policy, with intervals and the margin of equivalence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.figures.panels import groups, panel_title, panels, wrapped
from mecsim.analysis.paired import MARGIN
from mecsim.analysis.style import WIDTH_IN, PolicyStyle, in_style, policy_styles
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN = 0.24
_NAME_IN = 0.25
"""How much of a page's width the names beside the panels may take; of a column's, more."""


@in_style
def forest_figure(
    paired: pd.DataFrame,
    by: Sequence[str] = ("scenario",),
    *,
    margin: float = MARGIN,
    order: Sequence[str] = (),
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return one panel per metric and one line per policy and setting: the ratio to the reference less one.

    Bars are 95 % Fieller intervals, each by itself; filled marks are differences that remain
    significant after Holm's adjustment over all lines, open marks are not; grey is the margin of equivalence.
    Where the title says median, by ranks, the metric is heavy-tailed: the median of the ratios with its
    order-statistic interval, and marks are filled by Wilcoxon's test. An arrow is where an interval goes on
    beyond the panel.

    Parameters
    ----------
    paired : DataFrame
        As from :func:`mecsim.analysis.paired.paired_table`.
    by : sequence of str
        The columns that identify a setting, each under a line with its name.
    order : sequence of str
        Every policy of the folder, which decides colours.
    """
    metrics = list(dict.fromkeys(paired["metric"]))
    styles = policy_styles(paired["policy"], order)
    rows = _rows(paired, by, max(1.6, _NAME_IN * width_in))
    figure, axes = panels(len(metrics), width_in, 0.75 + _ROW_IN * len(rows), sharey=True)
    for ax, metric in zip(axes, metrics, strict=True):
        own = [(name, row and row[metric]) for name, row in rows]
        _draw(ax, own, styles)
        heavy = ", median, by ranks" * bool(paired.loc[paired["metric"] == metric, "heavy_tail"].any())
        better = "right" if METRIC[metric].better == "more" else "left"
        panel_title(ax, METRIC[metric].label + heavy)
        ax.set(xlabel=f"% ({better}: better)")
        ax.axvspan(-100 * margin, 100 * margin, color="0.9", lw=0, zorder=0)
        ax.axvline(0, color="0.35", lw=0.6, zorder=1)
        ax.grid(visible=False, axis="y")
    figure.suptitle(wrapped(f"difference to {paired['reference'].iloc[0]}", width_in), fontsize=8)
    return figure


_Row = tuple[str, dict[str, Any] | None]


def _rows(paired: pd.DataFrame, by: Sequence[str], room_in: float) -> list[_Row]:
    """Return the lines from above: name and the differences by metric; None for the name of a setting."""
    rows: list[_Row] = []
    for title, own in groups(paired, by):
        rows += [(wrapped(title, room_in, 7.5), None)] if title else []
        for policy, each in own.groupby("policy", sort=False):
            records = each.to_dict("records")
            rows.append((wrapped(str(policy), room_in, 7.5), {str(row["metric"]): row for row in records}))
    return rows


def _draw(ax: Axes, rows: Sequence[_Row], styles: dict[str, PolicyStyle]) -> None:
    least, most = _limits([row for _, row in rows if row])
    for height, (_, row) in enumerate(rows):
        if row is None:
            continue
        style = styles[row["policy"]]
        value, *ends = 100 * (_ratio(row) - 1)
        if np.isfinite(ends).all():
            ax.plot(ends, [height, height], color=style.colour, lw=1.2, solid_capstyle="butt")
            for beyond, edge, mark in ((ends[0] < least, least, "<"), (ends[1] > most, most, ">")):
                ax.plot([edge] * int(beyond), [height] * int(beyond), mark, ms=3, color=style.colour)
        sure = row["verdict"] in ("better", "worse")
        ax.plot(
            [value], [height], marker=style.marker, ms=4.2, zorder=3,
            color=style.colour, mfc=style.colour if sure else "white",
        )  # fmt: skip
    ax.set_yticks(range(len(rows)), [name for name, _ in rows])
    # Only the first panel of a row has labels.
    for label, (_, row) in zip(ax.get_yticklabels(), rows, strict=False):
        label.set_fontstyle("italic" if row is None else "normal")
    ax.set_ylim(len(rows) - 0.5, -0.5)
    if least < most:  # not so where one is NaN, or nothing differs
        pad = 0.06 * (most - least)
        ax.set_xlim(least - pad, most + pad)
    ax.tick_params(axis="y", length=0)


def _limits(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Return where a panel ends, in %: at the intervals, unless few of them dwarf the differences."""
    percent = 100 * (np.array([_ratio(row) for row in rows]) - 1)
    marks = percent[np.isfinite(percent[:, 0]), 0]
    ends = percent[np.isfinite(percent)]
    if not len(marks):
        return np.nan, np.nan
    reach = 4 * max(float(np.abs(marks).max()), 5.0)
    return min(max(float(ends.min()), -reach), 0.0), max(min(float(ends.max()), reach), 0.0)


def _ratio(row: dict[str, Any]) -> NDArray[np.float64]:
    """Return the ratio of the means, or the median ratio of a heavy-tailed metric, with its ends."""
    name = "median_ratio" if row["heavy_tail"] else "ratio"
    return np.array([row[name], row[f"{name}_low"], row[f"{name}_high"]], dtype=np.float64)
