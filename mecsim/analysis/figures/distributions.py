"""The distribution of the delay of a round, by policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mecsim.analysis.figures.panels import (
    draw_distribution,
    groups,
    legend_above,
    panel_title,
    panels,
    plain_log_ticks,
)
from mecsim.analysis.style import WIDTH_IN, in_style, policy_styles

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@in_style
def distributions_figure(
    delays: pd.DataFrame,
    by: Sequence[str] = ("scenario",),
    *,
    order: Sequence[str] = (),
    width_in: float = WIDTH_IN,
) -> Figure:
    """Return the share of rounds within a delay, and for each setting the tail above 95 % on a log scale.

    Parameters
    ----------
    delays : DataFrame
        ``policy``, ``delay_s``, ``weight`` and the columns ``by``.
    by : sequence of str
        A pair of panels for each setting of these.
    order : sequence of str
        Every policy of the folder, which decides colours.
    """
    styles = policy_styles(delays["policy"], order)
    parts = groups(delays, by)
    figure, axes = panels(2 * len(parts), width_in, 2.1)
    for (title, own), whole, tail in zip(parts, axes[::2], axes[1::2], strict=True):
        draw_distribution(whole, own, styles)
        whole.set(xlabel="delay (s)", ylabel="fraction of rounds", ylim=(0, 1.01), xlim=(0, None))
        panel_title(whole, title)
        draw_distribution(tail, own, styles, complementary=True)
        tail.set(xlabel="delay (s)", ylabel="fraction later", yscale="log", ylim=(5e-4, 1.0), xlim=(0, None))
        panel_title(tail, f"{title}, tail".removeprefix(", "))
        plain_log_ticks(tail.yaxis)
    legend_above(figure, styles)
    return figure
