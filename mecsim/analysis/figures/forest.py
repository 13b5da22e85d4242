"""Paired differences to one policy, with intervals and the margin of equivalence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.figures.panels import groups, panels
from mecsim.analysis.paired import MARGIN
from mecsim.analysis.style import WIDTH_IN, in_style, policy_styles
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ROW_IN = 0.24


@in_style
def forest_figure(
    paired: pd.DataFrame,
    by: Sequence[str] = ("scenario",),
    *,
    margin: float = MARGIN,
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return one panel per metric and one line per policy and setting: the ratio to the reference less one.

    Bars are 95 % Fieller intervals, each by itself; filled marks are differences that remain
    significant after Holm's adjustment over all lines, open marks are not; grey is the margin of equivalence.
    Where the title says median, by ranks, the metric is heavy-tailed: the median of the ratios with its
    order-statistic interval, and marks are filled by Wilcoxon's test.

    Parameters
    ----------
    paired : DataFrame
        As from :func:`mecsim.analysis.paired.paired_table`.
    by : sequence of str
        The columns that identify a setting.
    """
    metrics = list(dict.fromkeys(paired["metric"]))
    lines = len(paired) // len(metrics)
    figure, axes = panels(len(metrics), width_in, 0.75 + _ROW_IN * lines, sharey=True)
    for ax, metric in zip(axes, metrics, strict=True):
        _draw(ax, paired[paired["metric"] == metric], by)
        heavy = ", median, by ranks" * bool(paired.loc[paired["metric"] == metric, "heavy_tail"].any())
        better = "right" if METRIC[metric].better == "more" else "left"
        ax.set(title=METRIC[metric].label + heavy, xlabel=f"% (better to the {better})")
        ax.axvspan(-100 * margin, 100 * margin, color="0.9", lw=0, zorder=0)
        ax.axvline(0, color="0.35", lw=0.6, zorder=1)
        ax.grid(visible=False, axis="y")
    figure.suptitle(f"difference to {paired['reference'].iloc[0]}", fontsize=8)
    return figure


def _draw(ax: Axes, frame: pd.DataFrame, by: Sequence[str]) -> None:
    names, height = [], 0
    styles = policy_styles(list(dict.fromkeys(frame["policy"])))
    for title, own in groups(frame, by):
        for row in own.to_dict("records"):
            style = styles[row["policy"]]
            ratio = "median_ratio" if row["heavy_tail"] else "ratio"
            ends = 100 * (np.array([row[f"{ratio}_low"], row[f"{ratio}_high"]]) - 1)
            if np.isfinite(ends).all():
                ax.plot(ends, [height, height], color=style.colour, lw=1.2, solid_capstyle="butt")
            sure = row["verdict"] in ("better", "worse")
            ax.plot(
                [100 * (row[ratio] - 1)], [height], marker=style.marker, ms=4.2, zorder=3,
                color=style.colour, mfc=style.colour if sure else "white",
            )  # fmt: skip
            names.append(f"{title}: {row['policy']}" if title else str(row["policy"]))
            height += 1
    ax.set_yticks(range(height), names)
    ax.set_ylim(height - 0.5, -0.5)
    ax.tick_params(axis="y", length=0)
