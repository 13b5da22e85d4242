"""The distribution of the delay of a round, by policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.figures.panels import groups, in_style, legend_above, looks, panels
from mecsim.analysis.style import WIDTH_IN

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_TAIL = 0.95


@in_style
def distributions_figure(
    delays: pd.DataFrame, by: Sequence[str] = ("scenario",), *, width_in: float = WIDTH_IN
) -> Figure:
    """Return the share of rounds within a delay, and for each setting the tail above 95 % on a log scale.

    Parameters
    ----------
    delays : DataFrame
        ``policy``, ``delay_s``, ``weight`` and the columns ``by``.
    by : sequence of str
        A pair of panels for each setting of these.
    """
    policies = list(dict.fromkeys(delays["policy"]))
    parts = groups(delays, by)
    figure, axes = panels(2 * len(parts), width_in, 2.1)
    for (title, own), whole, tail in zip(parts, axes[::2], axes[1::2], strict=True):
        _draw(whole, own, policies)
        whole.set(
            xlabel="delay (s)", ylabel="fraction of rounds", title=title, ylim=(0, 1.01), xlim=(0, None)
        )
        _draw(tail, own, policies, complementary=True)
        tail.set(xlabel="delay (s)", ylabel="fraction later", yscale="log", ylim=(5e-4, 1.0), xlim=(0, None))
        tail.axhline(1 - _TAIL, color="0.35", lw=0.6, ls=":", zorder=0)
    legend_above(figure, policies)
    return figure


def _draw(ax: Axes, frame: pd.DataFrame, policies: Sequence[str], *, complementary: bool = False) -> None:
    import seaborn as sns

    for policy, look in looks(policies).items():
        own = frame[frame["policy"] == policy]
        if own.empty:
            continue
        sns.ecdfplot(
            data=own, x="delay_s", weights="weight", complementary=complementary, ax=ax,
            color=look["color"], linestyle=look["linestyle"],
        )  # fmt: skip
        at = quantile(own, _TAIL)
        height = 1 - _TAIL if complementary else _TAIL
        ax.plot([at], [height], ms=4, mec="white", mew=0.4, zorder=3, **(look | {"linestyle": "none"}))


def quantile(frame: pd.DataFrame, q: float) -> float:
    """Return the smallest delay with at least a share ``q`` of the weight at or below it, in s."""
    ordered = frame.sort_values("delay_s")
    share = np.cumsum(ordered["weight"].to_numpy()) / ordered["weight"].sum()
    return float(ordered["delay_s"].to_numpy()[min(int(np.searchsorted(share, q)), len(ordered) - 1)])
