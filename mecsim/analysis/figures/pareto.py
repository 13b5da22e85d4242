"""Delay against energy, and the policies that no other one dominates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.centres import centre
from mecsim.analysis.figures.panels import (
    groups,
    heavy_in,
    legend_above,
    median_noted,
    panel_title,
    panels,
)
from mecsim.analysis.style import COLUMN_IN, PolicyStyle, in_style, policy_styles
from mecsim.results.metrics import METRIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FRONT: dict[str, Any] = {"color": "0.35", "lw": 0.9, "ls": (0, (4, 2)), "zorder": 1}


@in_style
def pareto_figure(
    per_run: pd.DataFrame,
    by: Sequence[str] = ("scenario",),
    *,
    x: str = "delay_s",
    y: str = "energy_j",
    order: Sequence[str] = (),
    width_in: float = COLUMN_IN,
) -> Figure:
    """Return the means of two metrics against each other with 95 % t intervals, and the Pareto front.

    The front is the dashed edge of what the means dominate: a policy on the far side of it is worse than
    another one in both metrics.

    A heavy-tailed metric is drawn by its medians and their intervals, and the axis says so.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, the columns ``by`` and the metrics.
    by : sequence of str
        A panel for each setting of these.
    x, y : str
        The metrics.
    order : sequence of str
        Every policy of the folder, which decides colours.
    """
    from matplotlib.lines import Line2D

    styles = policy_styles(per_run["policy"], order)
    parts = groups(per_run, by)
    figure, axes = panels(len(parts), width_in, 2.3)
    for ax, (title, own) in zip(axes, parts, strict=True):
        heavy = heavy_in(own, ["policy"], (x, y))
        _draw(ax, own, styles, (x, y), heavy)
        ax.set_xlabel(median_noted(METRIC[x].head, x in heavy))
        ax.set_ylabel(median_noted(METRIC[y].head, y in heavy))
        panel_title(ax, title)
    edge = Line2D([], [], label="Pareto front", **_FRONT)
    legend_above(figure, styles, lines=False, more=[edge])
    return figure


def front(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points no other one dominates: lower in one coordinate and not higher in the other."""
    no_worse = (points[None, :, :] <= points[:, None, :]).all(axis=2)
    lower = (points[None, :, :] < points[:, None, :]).any(axis=2)
    return np.asarray(~np.any(no_worse & lower, axis=1) & np.isfinite(points).all(axis=1))


def front_edge(points: NDArray[np.float64], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the corners of the edge of what points dominate, less being better in both coordinates.

    Parameters
    ----------
    points : (n, 2) float
    ends : (2,) float
        The worst values that are drawn, to which the edge goes.

    Returns
    -------
    (corners, 2) float
        Empty without a finite point.
    """
    best = points[front(points)]
    best = best[np.argsort(best[:, 0])]
    if not len(best):
        return best
    stairs = [np.array([best[0, 0], ends[1]])]
    for one, following in zip(best, [*best[1:], None], strict=True):
        stairs += [one, np.array([ends[0] if following is None else following[0], one[1]])]
    return np.array(stairs)


def _draw(
    ax: Axes,
    frame: pd.DataFrame,
    styles: Mapping[str, PolicyStyle],
    metrics: tuple[str, str],
    heavy: set[str],
) -> None:
    points = np.empty((len(styles), 2))
    for place, (policy, style) in enumerate(styles.items()):
        own = frame[frame["policy"] == policy]
        x, y = (centre(own[name], is_heavy=name in heavy) for name in metrics)
        points[place] = x.value, y.value
        ax.errorbar(
            [x.value], [y.value], yerr=np.transpose([y.ends]), xerr=np.transpose([x.ends]), ms=5, mec="white",
            mew=0.4, elinewidth=0.9, capsize=2, zorder=3, **style.point,
        )  # fmt: skip
    # An interval may reach below zero where the metric cannot.
    least = frame[list(metrics)].min().to_numpy()
    if least[0] >= 0 > ax.get_xlim()[0]:
        ax.set_xlim(left=0)
    if least[1] >= 0 > ax.get_ylim()[0]:
        ax.set_ylim(bottom=0)
    sign = -np.array([METRIC[name].sign for name in metrics])
    worst = np.array(
        [limits[int(s > 0)] for limits, s in zip((ax.get_xlim(), ax.get_ylim()), sign, strict=True)]
    )
    corners = front_edge(points * sign, worst * sign) * sign
    limits = ax.get_xlim(), ax.get_ylim()
    ax.plot(corners[:, 0], corners[:, 1], **_FRONT)
    ax.set(xlim=limits[0], ylim=limits[1])
