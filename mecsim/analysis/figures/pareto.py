"""Delay against energy, and the policies that no other one dominates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.centres import centre
from mecsim.analysis.figures.panels import groups, heavy_in, legend_above, median_noted, panels
from mecsim.analysis.style import COLUMN_IN, in_style, policy_styles
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@in_style
def pareto_figure(
    per_run: pd.DataFrame,
    by: Sequence[str] = ("scenario",),
    *,
    x: str = "delay_s",
    y: str = "energy_j",
    width_in: float = COLUMN_IN,
) -> Figure:
    """Return the means of two metrics against each other with 95 % t intervals, and the front in grey.

    A heavy-tailed metric is drawn by its medians and their intervals, and the axis says so.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, the columns ``by`` and the metrics.
    by : sequence of str
        A panel for each setting of these.
    x, y : str
        The metrics.
    """
    policies = list(dict.fromkeys(per_run["policy"]))
    parts = groups(per_run, by)
    figure, axes = panels(len(parts), width_in, 2.3)
    for ax, (title, own) in zip(axes, parts, strict=True):
        heavy = heavy_in(own, ["policy"], (x, y))
        _draw(ax, own, policies, (x, y), heavy)
        ax.set(xlabel=median_noted(METRIC[x].head, x in heavy), title=title)
        ax.set(ylabel=median_noted(METRIC[y].head, y in heavy))
    legend_above(figure, policies, lines=False)
    return figure


def front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points no other one dominates: lower in one coordinate and not higher in the other."""
    no_worse = (points[None, :, :] <= points[:, None, :]).all(axis=2)
    lower = (points[None, :, :] < points[:, None, :]).any(axis=2)
    return np.asarray(~np.any(no_worse & lower, axis=1) & np.isfinite(points).all(axis=1))


def _draw(
    ax: Axes, frame: pd.DataFrame, policies: Sequence[str], metrics: tuple[str, str], heavy: set[str]
) -> None:
    points = np.empty((len(policies), 2))
    for place, (policy, style) in enumerate(policy_styles(policies).items()):
        own = frame[frame["policy"] == policy]
        x, y = (centre(own[name], is_heavy=name in heavy) for name in metrics)
        points[place] = x.value, y.value
        ax.errorbar(
            [x.value], [y.value], yerr=np.transpose([y.ends]), xerr=np.transpose([x.ends]), ms=5, mec="white",
            mew=0.4, elinewidth=0.9, capsize=2, zorder=3, **style.point,
        )  # fmt: skip
    sign = -np.array([METRIC[name].sign for name in metrics])
    best = points[front(points * sign)]
    best = best[np.argsort(best[:, 0])]
    ax.plot(best[:, 0], best[:, 1], color="0.6", lw=0.9, zorder=1)
