"""The rank of each policy in every scenario, and the confidence in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.centres import centre
from mecsim.analysis.figures.panels import groups, heavy_in, legend_above, panel_title, wrapped
from mecsim.analysis.key_names import in_words, value_text
from mecsim.analysis.style import COLUMN_IN, in_style, policy_styles
from mecsim.results.metrics import METRIC
from mecsim.rng import Purpose, stream

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESAMPLES = 1000
_APART = 0.07
_LONGEST_IN = 1.6


@in_style
def ranking_figure(
    per_run: pd.DataFrame,
    metric: str = "scr",
    by: Sequence[str] = ("scenario",),
    *,
    order: Sequence[str] = (),
    width_in: float = COLUMN_IN,
) -> Figure:
    """Return the rank of each policy in each setting; the larger a mark, the surer the rank.

    The area of a mark is the share of bootstrap samples of the replications in which the policy
    has that rank; ranks are those of means, or of medians where the metric is heavy-tailed. The title has
    Kendall's W: 1 if the order is the same everywhere, 0 if it is any.

    Parameters
    ----------
    per_run : DataFrame
        ``policy``, ``seed``, the columns ``by`` and the metric.
    metric : str
    by : sequence of str
        The columns that identify a setting.
    order : sequence of str
        Every policy of the folder, which decides colours.
    """
    from matplotlib.figure import Figure

    styles = policy_styles(per_run["policy"], order)
    policies = list(styles)
    parts = groups(per_run, by)
    shares = np.array([rank_shares(own, metric, policies) for _, own in parts])
    ranks = np.array([mean_ranks(own, metric, policies) for _, own in parts])
    figure = Figure(figsize=(width_in, 1.4 + 0.3 * len(policies)), layout="constrained")
    ax = figure.subplots()
    place = np.arange(len(parts))
    for k, (policy, style) in enumerate(styles.items()):
        ax.plot(place, ranks[:, k], color=style.colour, linestyle=style.linestyle, lw=1.0, zorder=1)
        for rank in range(len(policies)):
            ax.scatter(
                place + _APART * (k - (len(policies) - 1) / 2), np.full(len(parts), rank + 1),
                s=60 * shares[:, k, rank], marker=style.marker,
                color=style.colour, lw=0, zorder=2, alpha=0.9 if rank == 0 else 0.75, label=policy,
            )  # fmt: skip
    _name_settings(ax, parts, by, 0.8 * width_in)
    agreement = f", Kendall's W = {kendall_w(ranks):.2f}" if len(parts) > 1 and len(policies) > 1 else ""
    panel_title(ax, METRIC[metric].head + agreement)
    ax.set(ylabel="rank", yticks=range(1, len(policies) + 1))
    ax.set(ylim=(len(policies) + 0.5, 0.5), xlim=(-0.4, len(parts) - 0.6))
    legend_above(figure, styles)
    return figure


def _name_settings(
    ax: Axes, parts: Sequence[tuple[str, pd.DataFrame]], by: Sequence[str], room_in: float
) -> None:
    """Label each setting with its values, and the axis with what they are of."""
    firsts = [own.iloc[0] for _, own in parts]
    keys = [key for key in by if len({str(first[key]) for first in firsts}) > 1]
    names = [", ".join(value_text(key, first[key]) for key in keys) or "all runs" for first in firsts]
    turned: dict[str, Any] = {"rotation": 90, "fontsize": 6.5} if len(names) > 1 else {}
    ax.set_xticks(range(len(names)), [wrapped(name, _LONGEST_IN, 6.5) for name in names], **turned)
    ax.set_xlabel(wrapped(in_words(keys), room_in) if keys else "")


def mean_ranks(frame: pd.DataFrame, metric: str, policies: Sequence[str]) -> NDArray[np.float64]:
    """Return the rank of each policy by its mean or median, 1 the best, ties shared; NaN without a value."""
    from scipy import stats

    is_heavy, values = _is_heavy(frame, metric), [frame.loc[frame["policy"] == p, metric] for p in policies]
    centres = np.array([centre(own, is_heavy=is_heavy).value for own in values])
    return np.asarray(stats.rankdata(-METRIC[metric].sign * centres, nan_policy="omit"))


def rank_shares(frame: pd.DataFrame, metric: str, policies: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of bootstrap samples of the replications in which each policy has each rank.

    Returns
    -------
    (policies, ranks) float
        Replications are drawn for all policies at once, as they share their worlds.
    """
    wide = frame.pivot_table(index="seed", columns="policy", values=metric).reindex(columns=list(policies))
    values = -METRIC[metric].sign * wide.dropna(axis=1, how="all").dropna().to_numpy(np.float64)
    there = wide.notna().any().to_numpy()
    shares = np.zeros((len(policies), len(policies)))
    if len(values) == 0:
        return shares
    drawn = stream(0, Purpose.RESAMPLING).integers(len(values), size=(RESAMPLES, len(values)))
    average = np.median if _is_heavy(frame, metric) else np.mean
    order = average(values[drawn], axis=1).argsort(axis=1, kind="stable")
    for rank in range(values.shape[1]):
        shares[there, rank] = np.bincount(order[:, rank], minlength=values.shape[1]) / RESAMPLES
    return shares


def _is_heavy(frame: pd.DataFrame, metric: str) -> bool:
    return bool(heavy_in(frame, ["policy"], [metric]))


def kendall_w(ranks: NDArray[np.float64]) -> float:
    """Return Kendall's coefficient of concordance of ranks (settings, policies).

    References
    ----------
    Kendall and Babington Smith, "The problem of m rankings", Ann. Math. Stat. 10 (1939).
    """
    settings, count = ranks.shape
    total = ranks.sum(axis=0)
    return float(12.0 * ((total - total.mean()) ** 2).sum() / (settings**2 * (count**3 - count)))
