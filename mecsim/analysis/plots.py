"""The figure of a comparison, for a two-column IEEE paper: 7.16 in wide, in colour and in grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.stats import t_interval
from mecsim.analysis.style import DASHES, MARKERS, STYLE, WIDTH_IN, colours, cycle, interval_ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from mecsim.study.comparison import Comparison

HEIGHT_IN = 2.35
_ROOM_POLICIES, _ROOM_LETTERS, _LEGEND_LETTERS = 6, 14, 130

# Light to dark, so that a grey print keeps the order; hatches tell apart what is next to each other.
_ENERGY = (
    ("local_j", "user GPU", "#f0e442", ""),
    ("uplink_j", "uplink", "#56b4e9", "////"),
    ("server_j", "server GPU", "#009e73", ""),
    ("downlink_j", "downlink", "#4a3a78", "...."),
)


def comparison_figure(comparison: Comparison) -> Figure:
    """Return the figure: SCR, distribution of the delay, energy of a round by where it is spent.

    Bars and whiskers are means over replications with 95 % t intervals; dots are replications.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.25, 1.15))
        _draw_scr(left, comparison)
        _draw_delays(middle, comparison)
        _draw_energy(right, comparison)
        _policy_legend(figure, middle, comparison)
    return figure


def _draw_scr(ax: Axes, comparison: Comparison) -> None:
    import seaborn as sns

    order, palette = list(comparison.policies), colours(len(comparison.policies))
    frame = comparison.per_run
    # One line a replication: policies met the same world there, and parallel lines show it.
    ax.plot(
        np.arange(len(order)),
        _by_policy(comparison, "scr"),
        color="0.72",
        lw=0.5,
        marker=".",
        ms=2.2,
        zorder=1,
    )
    sns.pointplot(
        data=frame, x="policy", y="scr", order=order, hue="policy", hue_order=order, palette=palette,
        errorbar=interval_ends, linestyle="none", markers=list(cycle(MARKERS, len(order))), markersize=3.5,
        err_kws={"linewidth": 1.0}, capsize=0.3, legend=False, ax=ax,
    )  # fmt: skip
    ax.set(ylabel="SCR", title="(a) service-cost ratio")
    ends = [interval_ends(own)[1] for _, own in frame.groupby("policy")["scr"]]
    highest = max((end for end in (frame["scr"].max(), *ends) if end > 0), default=1.0 / 1.06)
    ax.set_ylim(0, 1.06 * highest)
    _policy_ticks(ax, comparison)


def _draw_delays(ax: Axes, comparison: Comparison) -> None:
    import seaborn as sns

    palette = colours(len(comparison.policies))
    delays = comparison.delays
    for i, policy in enumerate(comparison.policies):
        own = delays[delays["policy"] == policy]
        if own.empty:
            continue
        sns.ecdfplot(
            data=own, x="delay_s", weights="weight", ax=ax,
            color=palette[i], linestyle=DASHES[i % len(DASHES)],
        )  # fmt: skip
        ax.plot(
            [_weighted_quantile(own["delay_s"].to_numpy(), own["weight"].to_numpy(), 0.95)], [0.95],
            marker=MARKERS[i % len(MARKERS)], ms=4, mec="white", mew=0.4,
            color=palette[i], linestyle="none", zorder=3, clip_on=False,
        )  # fmt: skip
    ax.axhline(0.95, color="0.35", lw=0.6, ls=":", zorder=0)
    _delay_axis(ax, delays["delay_s"].to_numpy(), delays["weight"].to_numpy())
    ax.set(
        ylabel="fraction of rounds",
        title="(b) delay of a round",
        ylim=(0, 1.01),
        yticks=[0, 0.25, 0.5, 0.75, 0.95],
    )


def _draw_energy(ax: Axes, comparison: Comparison) -> None:
    frame = comparison.per_run
    order = list(comparison.policies)
    means = frame.groupby("policy")[[name for name, *_ in _ENERGY]].mean().reindex(order)
    unit, scale = ("kJ", 1e-3) if means.sum(axis=1).max() >= 1000 else ("J", 1.0)
    x = np.arange(len(order))
    bottom = np.zeros(len(order))
    for name, label, colour, hatch in _ENERGY:
        height = means[name].to_numpy() * scale
        ax.bar(x, height, 0.62, bottom=bottom, color=colour, hatch=hatch, edgecolor="black", label=label)
        bottom = bottom + np.nan_to_num(height)
    total = t_interval(scale * _by_policy(comparison, "energy_j").T)
    ends = np.array([total.mean - total.low, total.high - total.mean])
    ax.errorbar(x, total.mean, yerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2.5)
    highest = np.nanmax([0.0, *total.mean, *total.high])
    # Room above the bars for the legend.
    ax.set(ylabel=f"energy ({unit})", title="(c) energy of a round", ylim=(0, 1.38 * highest or 1.0))
    _policy_ticks(ax, comparison)
    # Top of the stack first, as in the bars.
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[3::-1], labels[3::-1], ncols=2, loc="upper left", frameon=False,
        handlelength=1.3, handleheight=0.9, columnspacing=1.0, borderaxespad=0.1,
    )  # fmt: skip


def _names(comparison: Comparison) -> list[str]:
    """Return what the axes call the policies: their labels, or numbers where those have no room."""
    labels = comparison.policies
    if len(labels) <= _ROOM_POLICIES and max(map(len, labels)) <= _ROOM_LETTERS:
        return list(labels)
    return [str(i + 1) for i in range(len(labels))]


def _by_policy(comparison: Comparison, metric: str) -> NDArray[np.float64]:
    """Return a metric as an array (policies, replications), NaN where a run failed."""
    wide = comparison.per_run.set_index(["policy", "seed"])[metric].unstack()
    return wide.reindex(index=list(comparison.policies), columns=list(comparison.seeds)).to_numpy(np.float64)


def _policy_ticks(ax: Axes, comparison: Comparison) -> None:
    names = _names(comparison)
    turned: dict[str, Any] = (
        {} if max(map(len, names)) <= 2 else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    )
    ax.set(xlabel="", xlim=(-0.6, len(names) - 0.4))
    ax.set_xticks(range(len(names)), names, **turned)
    ax.tick_params(axis="x", length=0, pad=2)
    ax.grid(visible=False, axis="x")


def _policy_legend(figure: Figure, ax: Axes, comparison: Comparison) -> None:
    """Name the lines in a corner of the panel or, where the axes hold numbers, above all panels."""
    from matplotlib.lines import Line2D

    names = _names(comparison)
    inside = names == list(comparison.policies)
    labels = names if inside else [f"{n}  {p}" for n, p in zip(names, comparison.policies, strict=True)]
    handles = [
        Line2D(
            [], [], color=colour, linestyle=DASHES[i % len(DASHES)], label=label,
            marker=MARKERS[i % len(MARKERS)], ms=4, mec="white", mew=0.4,
        )
        for i, (label, colour) in enumerate(zip(labels, colours(len(comparison.policies)), strict=True))
    ]  # fmt: skip
    if inside:
        ax.legend(handles=handles, loc="lower right", frameon=False, handlelength=2.6, borderaxespad=0.1)
        return
    columns = _columns_that_fit([len(label) for label in labels])
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, handlelength=2.6)
    rows = -(-len(handles) // columns)
    figure.set_figheight(HEIGHT_IN + 0.15 * rows)


def _columns_that_fit(letters: list[int]) -> int:
    """Return the most legend columns that fit the figure; a column is filled from top to bottom."""
    for columns in range(len(letters), 1, -1):
        rows = -(-len(letters) // columns)
        even = -(-len(letters) // rows)
        widths = [max(letters[i : i + rows]) + 8 for i in range(0, len(letters), rows)]
        if sum(widths) <= _LEGEND_LETTERS:
            return even
    return 1


def _delay_axis(ax: Axes, delays: NDArray[np.float64], weights: NDArray[np.float64]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    ax.set_xlabel("delay (s); marks: 95th percentile")
    if not len(delays):
        return
    low, high = (_weighted_quantile(delays, weights, q) for q in (0.005, 0.998))
    if low > 0 and high / low > 30:
        ax.set_xscale("log")
        ax.set_xlim(0.9 * low, 1.1 * high)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda delay_s, _: f"{delay_s:g}"))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.set_xlim(0, 1.05 * high)


def _weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], q: float) -> float:
    """Return the smallest value with at least the share ``q`` of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    at = int(np.searchsorted(share, q))
    return float(values[order][min(at, len(values) - 1)])
