"""Metrics against a swept key of the scenario, a line with a band for each policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.figures.panels import (
    averaged,
    grid_of_panels,
    legend_above,
    panel_title,
    panels,
    plain_log_ticks,
)
from mecsim.analysis.key_names import key_label, plain, setting_text
from mecsim.analysis.style import WIDTH_IN, PolicyStyle, in_style, policy_styles
from mecsim.errors import MecsimError
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG_RATIO = 30.0


@in_style
def swept_figure(
    per_run: pd.DataFrame,
    key: str,
    metrics: Sequence[str],
    *,
    column: str = "",
    order: Sequence[str] = (),
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return a panel for each metric: mean against the key, with 95 % t intervals over replications.

    A heavy-tailed metric is drawn by its medians and their intervals, and the axis says so.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, ``seed``, the keys and the metrics.
    key : str
        A column. Numbers are drawn to scale, strings and lists at equal distances in their order.
    metrics : sequence of str
    column : str
        A second swept key: a column of panels for each value of it, a row for each metric.
    order : sequence of str
        Every policy of the folder, which decides colours.

    Raises
    ------
    MecsimError
        If a policy has two runs of one seed at one value of the keys: another key was swept too.
    """
    refuse_more_keys(per_run, [name for name in (key, column) if name])
    styles = policy_styles(per_run["policy"], order)
    frame, ticks = placed(per_run, key)
    parts = facets(frame, column)
    if column:
        figure, axes = grid_of_panels(len(metrics), len(parts), width_in, 1.75)
    else:
        figure, side_by_side = panels(len(metrics), width_in, 2.1)
        axes = [[ax] for ax in side_by_side]
    for metric, row in zip(metrics, axes, strict=True):
        for ax, (value, own) in zip(row, parts, strict=True):
            _draw(ax, own, metric, styles)
            if column and metric == metrics[0]:
                panel_title(ax, setting_text(column, value))
            if not column or ax is row[0]:
                ax.set_ylabel(METRIC[metric].head + _median(frame, metric, column))
            if not column or metric == metrics[-1]:
                ax.set_xlabel(key_label(key))
            _key_axis(ax, frame, ticks)
        _same_scale(row, frame[metric])
    legend_above(figure, styles)
    return figure


def refuse_more_keys(per_run: pd.DataFrame, keys: Sequence[str]) -> None:
    """Refuse runs in which a key beside these was swept."""
    if per_run.duplicated(["policy", "seed", *keys]).any():
        raise MecsimError(
            f"{', '.join(keys)}: another key was swept, too; choose one value of it with --where KEY=VALUE"
        )


def placed(per_run: pd.DataFrame, key: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with the place ``at`` of each run on the axis, and names where those are needed."""
    values = in_order(per_run[key])
    numbers = all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool | np.bool_) for v in values
    )
    if numbers:
        return per_run.assign(at=per_run[key].astype(float)), []
    return per_run.assign(at=per_run[key].map({v: i for i, v in enumerate(values)})), [
        plain(v) for v in values
    ]


def in_order(column: pd.Series[Any]) -> list[Any]:
    """Return the values of a key: numbers by size, then strings."""
    return sorted(column.dropna().unique(), key=lambda v: (isinstance(v, str), v))


def facets(frame: pd.DataFrame, column: str) -> list[tuple[Any, pd.DataFrame]]:
    """Return the runs at each value of a key; all of them without one."""
    if not column:
        return [(None, frame)]
    return [(value, frame[frame[column] == value]) for value in in_order(frame[column])]


def _median(frame: pd.DataFrame, metric: str, column: str) -> str:
    parts = [averaged(own, "at", metric)["estimator"] for _, own in facets(frame, column)]
    return ", median" * ("median" in parts)


def _draw(ax: Axes, frame: pd.DataFrame, metric: str, styles: Mapping[str, PolicyStyle]) -> None:
    import seaborn as sns

    drawn = averaged(frame, "at", metric)
    for policy, style in styles.items():
        sns.lineplot(
            data=frame[frame["policy"] == policy], x="at", y=metric, ax=ax,
            err_style="band", err_kws={"alpha": 0.18, "linewidth": 0}, ms=4, markeredgewidth=0,
            **drawn, **style.line,
        )  # fmt: skip
    ax.set(xlabel="", ylabel="")


def _key_axis(ax: Axes, frame: pd.DataFrame, ticks: Sequence[str]) -> None:
    at = frame["at"]
    if ticks:
        turned: dict[str, Any] = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
        ax.set_xticks(range(len(ticks)), ticks, **(turned if max(map(len, ticks)) > 4 else {}))
    elif at.min() > 0 and at.max() / at.min() > _LOG_RATIO:
        ax.set_xscale("log")
        plain_log_ticks(ax.xaxis)
    elif at.nunique() <= 6:
        ax.set_xticks(sorted(at.unique()), [plain(float(value)) for value in sorted(at.unique())])


def _same_scale(row: Sequence[Axes], values: pd.Series[float]) -> None:
    """Give the panels of one metric one axis; from zero where an interval alone reaches below it."""
    limits = np.array([ax.get_ylim() for ax in row])
    bottom = 0.0 if limits[:, 0].min() < 0 <= values.min() else limits[:, 0].min()
    for ax in row:
        ax.set_ylim(bottom, limits[:, 1].max())
