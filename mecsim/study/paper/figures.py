"""The figures: seaborn, at the widths of an IEEE paper, readable in grey."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.figures.panels import averaged, panels, plain_log_ticks, policy_handles
from mecsim.analysis.style import (
    COLUMN_IN,
    WIDTH_IN,
    PolicyStyle,
    in_style,
    interval_ends,
    policy_styles,
)
from mecsim.study.paper.convergence import PART_1, PART_2, WHOLE, padded
from mecsim.study.paper.snapshots import BEST_PHI, DRAWN, POLICIES, WEIGHTS
from mecsim.study.snapshot import USES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

_HEIGHT_IN = 2.2
_CONVERGENCE = (
    (PART_1, "(a) part 1: association and ϕ", "relaxations solved"),
    (PART_2, "(b) part 2: resources", "resource problems solved"),
    (WHOLE, "(c) DASHF", "steps of Dinkelbach's y"),
)
# A baseline with its best constant phi is drawn in the colour of the baseline: hatched, or dotted and thin.
_HATCH, _DOTS = "////", (0, (1, 1.2))
_USE_NAMES = ("band-\nwidth", "server\npower", "server\nGPU", "user\npower", "user\nGPU")


@in_style
def convergence_figure(frame: pd.DataFrame, names: Mapping[str, str]) -> Figure:
    """Return figure 2: part 1, part 2 and DASHF, SCR against iteration; ``names`` of the systems."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = panels(3, WIDTH_IN, _HEIGHT_IN)
    for ax, (part, title, iterations) in zip(axes, _CONVERGENCE, strict=True):
        column, label = ("scr", "SCR") if part == WHOLE else ("relative", "SCR / SCR at the end")
        _draw_convergence(ax, _long(frame[frame["part"] == part], column, names), column)
        ax.set(ylabel=label, title=title, xlabel=iterations)
        ax.set_ylim(0, None if part == WHOLE else 1.04)
    for ax in axes:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(axes[2], list(names.values()))
    return figure


@in_style
def policies_figure(frame: pd.DataFrame) -> Figure:
    """Return figure 3(a) for one system: resource use, largest delay, energy and SCR of each policy."""
    figure, axes = panels(4, WIDTH_IN, _HEIGHT_IN, width_ratios=(1.9, 1, 1, 1))
    _draw_use(axes[0], frame)
    shown = (("delay_s", "largest delay (s)"), ("energy_j", "energy (J)"), ("scr", "SCR"))
    for ax, (column, label) in zip(axes[1:], shown, strict=True):
        _draw_bars(ax, frame, column)
        ax.set(ylabel=_label(frame, "policy", column, label), xlabel="")
    return figure


@in_style
def bandwidth_figure(frame: pd.DataFrame) -> Figure:
    """Return figure 3(b): SCR against the bandwidth of a server."""
    figure, (ax,) = panels(1, COLUMN_IN, 2.4)
    _draw_lines(ax, frame, "bandwidth_mhz", "scr")
    ax.set(xlabel="bandwidth of a server (MHz)", ylabel="SCR", xticks=sorted(set(frame["bandwidth_mhz"])))
    # Room above the lines for the legend.
    ax.set_ylim(0, 1.25 * ax.get_ylim()[1])
    ax.legend(
        handles=_handles(), loc="upper left", ncols=3, frameon=False, handlelength=2.6, borderaxespad=0.2
    )
    return figure


@in_style
def weights_figure(frame: pd.DataFrame) -> Figure:
    """Return figure 3(c): SCR, largest delay and energy under each pair of weights."""
    figure, axes = panels(3, WIDTH_IN, _HEIGHT_IN + 0.2)
    place = {pair: k for k, pair in enumerate(WEIGHTS)}
    pairs = zip(frame["delay_per_s"], frame["energy_per_j"], strict=True)
    placed = frame.assign(place=[place[pair] for pair in pairs])
    for ax, column, label in zip(
        axes, ("scr", "delay_s", "energy_j"), ("SCR", "largest delay (s)", "energy (J)"), strict=True
    ):
        _draw_lines(ax, placed, "place", column)
        ax.set_xticks(range(len(WEIGHTS)), [f"{delay:g}\n{energy:g}" for delay, energy in WEIGHTS])
        label = _label(placed, "place", column, label)
        ax.set(ylabel=label, xlabel="weight of the delay (1/s)\nand of the energy (1/J)")
        if column != "scr":
            _log_energy(ax)
    axes[0].set_ylim(bottom=0)
    handles = _handles()
    figure.legend(
        handles=handles, loc="outside upper center", ncols=len(handles), frameon=False, handlelength=2.6
    )
    return figure


def _label(frame: pd.DataFrame, by: str, column: str, label: str) -> str:
    """Return the label of an axis, which says that it has medians."""
    return label + (", median" if averaged(frame, by, column)["estimator"] == "median" else "")


def _long(frame: pd.DataFrame, column: str, names: Mapping[str, str]) -> pd.DataFrame:
    """Return one row a system, seed and iteration, runs that have ended going on at their last value."""
    import pandas as pd

    parts = []
    for system, name in names.items():
        wide = padded(frame[frame["system"] == system], column)
        parts.append(wide.reset_index().melt("seed", value_name=column).assign(name=name))
    return pd.concat(parts).astype({"iteration": int})


def _draw_convergence(ax: Axes, frame: pd.DataFrame, column: str) -> None:
    names = list(dict.fromkeys(frame["name"]))
    for name, style in policy_styles(names).items():
        _draw_line(
            ax, frame[frame["name"] == name], "iteration", column,
            errorbar=interval_ends, markersize=3.5, **style.line,
        )  # fmt: skip
    ax.set_xlim(-0.2 if frame["iteration"].max() < 10 else -0.5, None)


def _styles() -> dict[str, PolicyStyle]:
    """Return the style of everything drawn: a baseline with its best phi has that of the baseline."""
    styles = policy_styles(POLICIES)
    return {name: styles[name] for name in POLICIES} | {best: styles[name] for name, best in BEST_PHI.items()}


def _handles() -> list[Line2D]:
    from matplotlib.lines import Line2D

    best = Line2D([], [], label="with the best constant ϕ", color="0.4", linestyle=_DOTS, linewidth=0.9)
    return [*policy_handles(policy_styles(POLICIES)), best]


def _draw_lines(ax: Axes, frame: pd.DataFrame, x: str, y: str) -> None:
    drawn = averaged(frame, x, y)
    for name, style in _styles().items():
        look = style.line | {"markersize": 4}
        if name not in POLICIES:
            look |= {"linestyle": _DOTS, "linewidth": 0.9, "markersize": 2.5}
        _draw_line(ax, frame[frame["policy"] == name], x, y, **drawn, **look)


def _draw_line(ax: Axes, frame: pd.DataFrame, x: str, y: str, **line: Any) -> None:
    import seaborn as sns

    sns.lineplot(
        data=frame, x=x, y=y, ax=ax, markeredgewidth=0,
        err_style="band", err_kws={"alpha": 0.18, "linewidth": 0}, **line,
    )  # fmt: skip


def _draw_use(ax: Axes, frame: pd.DataFrame) -> None:
    import seaborn as sns

    use = frame.melt(["policy", "seed"], list(USES), "resource", "share")
    use["share"] *= 100.0
    # What an equal split grants does not depend on phi.
    styles = policy_styles(POLICIES).values()
    sns.pointplot(
        data=use, x="resource", y="share", order=list(USES), hue="policy", hue_order=list(POLICIES),
        palette=[style.colour for style in styles], errorbar=interval_ends, dodge=0.6, linestyle="none",
        markers=[style.marker for style in styles], markersize=3.2, err_kws={"linewidth": 0.9}, ax=ax,
    )  # fmt: skip
    ax.set(xlabel="", ylabel="share granted (%)", ylim=(0, 104))
    ax.set_xticks(range(len(USES)), _USE_NAMES)
    ax.tick_params(axis="x", length=0)
    ax.legend(loc="lower left", frameon=False, handletextpad=0.2, borderaxespad=0.1)


def _draw_bars(ax: Axes, frame: pd.DataFrame, column: str) -> None:
    import seaborn as sns

    styles, order = _styles(), list(DRAWN)
    sns.barplot(
        data=frame, x="policy", y=column, order=order, hue="policy", hue_order=order, legend=False,
        palette=[styles[name].colour for name in order], saturation=1, width=0.66,
        edgecolor="black", linewidth=0.5,
        err_kws={"linewidth": 0.8, "color": "black"}, capsize=0.3, ax=ax,
        **averaged(frame, "policy", column),
    )  # fmt: skip
    for name, bars in zip(order, ax.containers, strict=True):
        for bar in bars if name not in POLICIES else ():
            bar.set_hatch(_HATCH)
    ax.set_ylim(bottom=0)
    ax.set_xticks(range(len(order)), order, rotation=55, ha="right", rotation_mode="anchor")
    ax.tick_params(axis="x", length=0, pad=2)
    ax.grid(visible=False, axis="x")


def _log_energy(ax: Axes) -> None:
    ax.set_yscale("log", nonpositive="clip")
    lines = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in ax.get_lines()])
    # The lower ends of the widest intervals would stretch a logarithmic axis.
    ax.set_ylim(0.7 * lines.min(), 2.0 * lines.max())
    plain_log_ticks(ax.yaxis)


def _legend(ax: Axes, labels: Sequence[str], **place: Any) -> None:
    ax.legend(
        handles=policy_handles(policy_styles(labels)), frameon=False, handlelength=2.6, borderaxespad=0.2,
        **({"loc": "lower right"} | place),
    )  # fmt: skip
