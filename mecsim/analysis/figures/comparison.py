"""The figure of a comparison, for a two-column IEEE paper: 7.16 in wide, in colour and in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.centres import centre, middle_runs
from mecsim.analysis.figures.panels import (
    averaged,
    draw_distribution,
    heavy_in,
    median_noted,
    plain_log_ticks,
    policy_handles,
)
from mecsim.analysis.stats import weighted_quantile
from mecsim.analysis.style import (
    WIDTH_IN,
    PolicyStyle,
    in_style,
    phase_fill,
    policy_styles,
)
from mecsim.results.metrics import METRIC, WINDOW_SCR, phase_spender, phase_user_energy
from mecsim.system.phases import PHASES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

HEIGHT_IN = 2.35
_ROOM_POLICIES, _ROOM_LETTERS, _LEGEND_LETTERS = 6, 14, 130


@in_style
def comparison_figure(
    per_run: pd.DataFrame,
    delays: pd.DataFrame,
    policies: Sequence[str],
    seeds: Sequence[int],
    headline: str = WINDOW_SCR,
    order: Sequence[str] = (),
) -> Figure:
    """Return the figure: SCR, distribution of the delay, energy of a round by where it is spent.

    The energy is a mean over users. Bars and whiskers are means over replications with 95 % t intervals;
    dots are replications. Where the title says median, the metric is heavy-tailed: medians with their
    intervals, and the bars are of the replication that has the median.

    Parameters
    ----------
    per_run : DataFrame
        One row a finished run: ``policy``, ``seed`` and every metric.
    delays : DataFrame
        ``policy``, ``delay_s`` and ``weight``.
    policies, seeds : sequence
        All of them in their order, also those without any run.
    headline : str
        Which SCR.
    order : sequence of str
        Every policy of the folder, which decides colours.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, HEIGHT_IN), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1.25, 1.15))
    styles = policy_styles(policies, order)
    _draw_scr(left, per_run, styles, seeds, headline)
    _draw_delays(middle, delays, styles)
    _draw_energy(right, per_run, policies, seeds)
    _policy_legend(figure, middle, styles)
    return figure


def _draw_scr(
    ax: Axes, per_run: pd.DataFrame, styles: Mapping[str, PolicyStyle], seeds: Sequence[int], headline: str
) -> None:
    import seaborn as sns

    order, drawn = list(styles), averaged(per_run, "policy", headline)
    # One line a replication: policies met the same world there, and parallel lines show it.
    values = _by_policy(per_run, headline, order, seeds)
    ax.plot(np.arange(len(order)), values, color="0.72", lw=0.5, marker=".", ms=2.2, zorder=1)
    sns.pointplot(
        data=per_run, x="policy", y=headline, order=order, hue="policy", hue_order=order,
        palette=[style.colour for style in styles.values()],
        markers=[style.marker for style in styles.values()],
        linestyle="none", markersize=3.5, **drawn,
        err_kws={"linewidth": 1.0}, capsize=0.3, legend=False, ax=ax,
    )  # fmt: skip
    is_heavy = drawn["estimator"] == "median"
    ax.set(ylabel=METRIC[headline].label, title=median_noted("(a) service-cost ratio", is_heavy))
    ends = [drawn["errorbar"](own)[1] for _, own in per_run.groupby("policy")[headline]]
    highest = max((end for end in (per_run[headline].max(), *ends) if end > 0), default=1.0 / 1.06)
    ax.set_ylim(0, 1.06 * highest)
    _policy_ticks(ax, order)


def _draw_delays(ax: Axes, delays: pd.DataFrame, styles: Mapping[str, PolicyStyle]) -> None:
    draw_distribution(ax, delays, styles)
    _delay_axis(ax, delays["delay_s"].to_numpy(), delays["weight"].to_numpy())
    ax.set(
        ylabel="fraction of rounds",
        title="(b) delay of a round",
        ylim=(0, 1.01),
        yticks=[0, 0.25, 0.5, 0.75, 0.95],
    )


def _draw_energy(ax: Axes, per_run: pd.DataFrame, policies: Sequence[str], seeds: Sequence[int]) -> None:
    order = list(policies)
    is_heavy = bool(heavy_in(per_run, ["policy"], ["energy_user_j"]))
    means = _stacks(per_run, is_heavy).reindex(order)
    unit, scale = ("kJ", 1e-3) if means.sum(axis=1).max() >= 1000 else ("J", 1.0)
    x = np.arange(len(order))
    bottom = np.zeros(len(order))
    for place, phase in enumerate(PHASES):
        height = means[phase_user_energy(phase)].to_numpy() * scale
        colour, hatch = phase_fill(place)
        ax.bar(
            x, height, 0.62, bottom=bottom, color=colour, hatch=4 * hatch, edgecolor="black",
            label=phase_spender(phase),
        )  # fmt: skip
        bottom = bottom + np.nan_to_num(height)
    spent = scale * _by_policy(per_run, "energy_user_j", policies, seeds)
    total = [centre(own, is_heavy=is_heavy) for own in spent]
    heights, ends = [one.value for one in total], np.transpose([one.ends for one in total])
    ax.errorbar(x, heights, yerr=ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=2.5)
    highest = np.nanmax([0.0, *heights, *(one.high for one in total)])
    # Room above the bars for the legend.
    title = median_noted("(c) energy of a user's round", is_heavy)
    ax.set(ylabel=f"energy ({unit})", title=title, ylim=(0, 1.38 * highest or 1.0))
    _policy_ticks(ax, policies)
    # Top of the stack first, as in the bars.
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles[::-1], labels[::-1], ncols=2, loc="upper left", frameon=False,
        handlelength=1.3, handleheight=0.9, columnspacing=1.0, borderaxespad=0.1,
    )  # fmt: skip


def _stacks(per_run: pd.DataFrame, is_heavy: bool) -> pd.DataFrame:
    """Return the energy of each phase, policies down, so that it adds up to the centre of the energy."""
    import pandas as pd

    parts = [phase_user_energy(phase) for phase in PHASES]
    if is_heavy:
        runs = [own.iloc[middle_runs(own["energy_user_j"])] for _, own in per_run.groupby("policy")]
        return _stacks(pd.concat(runs), is_heavy=False)
    return per_run.groupby("policy")[parts].mean()


def _names(labels: Sequence[str]) -> list[str]:
    """Return what the axes call the policies: their labels, or numbers where those have no room."""
    if len(labels) <= _ROOM_POLICIES and max(map(len, labels)) <= _ROOM_LETTERS:
        return list(labels)
    return [str(i + 1) for i in range(len(labels))]


def _by_policy(
    per_run: pd.DataFrame, metric: str, policies: Sequence[str], seeds: Sequence[int]
) -> NDArray[np.float64]:
    """Return a metric as an array (policies, replications), NaN where a run failed."""
    wide = per_run.pivot_table(index="policy", columns="seed", values=metric, dropna=False)
    return wide.reindex(index=list(policies), columns=list(seeds)).to_numpy(np.float64)


def _policy_ticks(ax: Axes, policies: Sequence[str]) -> None:
    names = _names(policies)
    turned: dict[str, Any] = (
        {} if max(map(len, names)) <= 2 else {"rotation": 35, "ha": "right", "rotation_mode": "anchor"}
    )
    ax.set(xlabel="", xlim=(-0.6, len(names) - 0.4))
    ax.set_xticks(range(len(names)), names, **turned)
    ax.tick_params(axis="x", length=0, pad=2)
    ax.grid(visible=False, axis="x")


def _policy_legend(figure: Figure, ax: Axes, styles: Mapping[str, PolicyStyle]) -> None:
    """Name the lines in a corner of the panel or, where the axes hold numbers, above all panels."""
    policies = list(styles)
    names = _names(policies)
    inside = names == policies
    labels = names if inside else [f"{n}  {p}" for n, p in zip(names, policies, strict=True)]
    handles = policy_handles(dict(zip(labels, styles.values(), strict=True)))
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
    ax.set_xlabel("delay (s); marks: 95th percentile")
    if not len(delays):
        return
    low, high = weighted_quantile(delays, weights, (0.005, 0.998))
    if low > 0 and high / low > 30:
        ax.set_xscale("log")
        ax.set_xlim(0.9 * low, 1.1 * high)
        plain_log_ticks(ax.xaxis)
    else:
        ax.set_xlim(0, 1.05 * high)
