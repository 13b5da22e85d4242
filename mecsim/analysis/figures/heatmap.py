"""Means of a metric over two swept keys, a panel for each policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mecsim.analysis.figures.panels import panel_title, panels
from mecsim.analysis.figures.swept import in_order, refuse_more_keys
from mecsim.analysis.key_names import key_label, plain
from mecsim.analysis.rounding import four_digits
from mecsim.analysis.style import WIDTH_IN, in_style
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL_IN = 0.26


@in_style
def heatmap_figure(
    per_run: pd.DataFrame,
    key: str,
    column: str,
    metrics: Sequence[str],
    *,
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return a panel for each metric and policy: the mean over replications at each point of the grid.

    All panels of a metric share their colours; the darker, the better. A point without a run is empty.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, ``seed``, both keys and the metrics.
    key, column : str
        The keys of the horizontal and of the vertical axis.
    metrics : sequence of str

    Raises
    ------
    MecsimError
        If a third key was swept too.
    """
    refuse_more_keys(per_run, [key, column])
    policies = list(dict.fromkeys(per_run["policy"]))
    shown = [(metric, policy) for metric in metrics for policy in policies]
    height_in = 0.9 + _CELL_IN * len(per_run[column].unique())
    figure, axes = panels(len(shown), width_in, height_in)
    for ax, (metric, policy) in zip(axes, shown, strict=True):
        means = per_run.groupby(["policy", key, column], sort=False)[metric].mean()
        _draw(ax, means, policy, key, column, metric)
        panel_title(ax, f"{policy}, {METRIC[metric].head}")
        ax.set(xlabel=key_label(key), ylabel=key_label(column))
    return figure


def _draw(ax: Axes, means: pd.Series[float], policy: str, key: str, column: str, metric: str) -> None:
    import seaborn as sns

    frame = means.reset_index()
    table = frame[frame["policy"] == policy].pivot_table(index=column, columns=key, values=metric)
    table = table.reindex(index=in_order(frame[column]), columns=in_order(frame[key]))
    sns.heatmap(
        table, ax=ax, vmin=means.min(), vmax=means.max(), cbar=False, linewidths=0.4, linecolor="white",
        cmap="cividis_r" if METRIC[metric].better == "more" else "cividis",
        annot=table.map(four_digits), fmt="", annot_kws={"fontsize": 6},
        xticklabels=[plain(value) for value in table.columns],
        yticklabels=[plain(value) for value in table.index],
    )  # fmt: skip
    ax.invert_yaxis()
    ax.tick_params(length=0)
    ax.tick_params(axis="y", rotation=0)
    ax.grid(visible=False)
