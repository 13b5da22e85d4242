"""Metrics against a swept key of the scenario, a line with a band for each policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.figures.panels import averaged, legend_above, median_noted, panels, plain_log_ticks
from mecsim.analysis.style import WIDTH_IN, in_style, policy_styles
from mecsim.errors import MecsimError
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LOG_RATIO = 30.0


@in_style
def swept_figure(
    per_run: pd.DataFrame, key: str, metrics: Sequence[str], *, width_in: float = WIDTH_IN
) -> Figure:
    """Return a panel for each metric: mean against the key, with 95 % t intervals over replications.

    A heavy-tailed metric is drawn by its medians and their intervals, and the axis says so.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, ``seed``, the key and the metrics.
    key : str
        A column. Numbers are drawn to scale, strings and lists at equal distances in their order.
    metrics : sequence of str

    Raises
    ------
    MecsimError
        If a policy has two runs of one seed at one value of the key: another key was swept too.
    """
    if per_run.duplicated(["policy", "seed", key]).any():
        raise MecsimError(f"{key}: another key was swept, too; choose one value of it with --where KEY=VALUE")
    policies = list(dict.fromkeys(per_run["policy"]))
    frame, ticks = _placed(per_run, key)
    figure, axes = panels(len(metrics), width_in, 2.1)
    for ax, metric in zip(axes, metrics, strict=True):
        drawn = averaged(frame, "at", metric)
        _draw(ax, frame, metric, policies, drawn)
        ax.set(xlabel=key, ylabel=median_noted(METRIC[metric].head, drawn["estimator"] == "median"))
        if ticks:
            ax.set_xticks(range(len(ticks)), ticks)
        elif _spans_decades(frame["at"]):
            ax.set_xscale("log")
            plain_log_ticks(ax.xaxis)
        if ax.get_ylim()[0] < 0 <= frame[metric].min():
            ax.set_ylim(bottom=0)
    legend_above(figure, policies)
    return figure


def _placed(per_run: pd.DataFrame, key: str) -> tuple[pd.DataFrame, list[str]]:
    """Return the frame with the place ``at`` of each run on the axis, and names where those are needed."""
    values: list[Any] = sorted(per_run[key].dropna().unique(), key=lambda v: (isinstance(v, str), v))
    numbers = all(
        isinstance(v, int | float | np.number) and not isinstance(v, bool | np.bool_) for v in values
    )
    if numbers:
        return per_run.assign(at=per_run[key].astype(float)), []
    return per_run.assign(at=per_run[key].map({v: i for i, v in enumerate(values)})), [str(v) for v in values]


def _draw(ax: Axes, frame: pd.DataFrame, metric: str, policies: Sequence[str], drawn: dict[str, Any]) -> None:
    import seaborn as sns

    for policy, style in policy_styles(policies).items():
        sns.lineplot(
            data=frame[frame["policy"] == policy], x="at", y=metric, ax=ax,
            err_style="band", err_kws={"alpha": 0.18, "linewidth": 0}, ms=4, markeredgewidth=0,
            **drawn, **style.line,
        )  # fmt: skip


def _spans_decades(at: pd.Series[float]) -> bool:
    return bool(at.min() > 0 and at.max() / at.min() > _LOG_RATIO)
