"""What figures share: panels, legends, the distribution of delays, logarithmic axes, titles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mecsim.analysis.stats import weighted_quantile
from mecsim.analysis.style import COLUMN_IN, WIDTH_IN, interval_ends, median_ends, policy_styles
from mecsim.analysis.tails import heavy_tails
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

WIDTHS_IN = {"column": COLUMN_IN, "page": WIDTH_IN}
MOST_PANELS = 24
TAIL = 0.95
_LETTERS_AN_INCH = 17


def panels(count: int, width_in: float, height_in: float, **grid: Any) -> tuple[Figure, list[Axes]]:
    """Return a figure and ``count`` axes, side by side as far as the width allows.

    Parameters
    ----------
    height_in : float
        Of one row.

    Raises
    ------
    MecsimError
        If there are too many to read.
    """
    from matplotlib.figure import Figure

    if count > MOST_PANELS:
        raise MecsimError(
            f"{count} panels: at most {MOST_PANELS} can be read; choose settings with --where KEY=VALUE"
        )
    columns = min(count, max(1, round(width_in / 1.9)))
    rows = -(-count // columns)
    figure = Figure(figsize=(width_in, rows * height_in), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, **grid).flat)
    for ax in axes[count:]:
        ax.set_axis_off()
    return figure, axes[:count]


def policy_handles(labels: Sequence[str], *, lines: bool = True) -> list[Line2D]:
    """Return the legend's entries: each policy as a line with its marker, or as the marker alone."""
    from matplotlib.lines import Line2D

    return [
        # Legends leave out what begins with an underscore.
        Line2D(
            [],
            [],
            label=f" {label}" if label.startswith("_") else label,
            ms=4,
            mec="white",
            mew=0.4,
            **(style.line if lines else style.point),
        )
        for label, style in policy_styles(labels).items()
    ]


def legend_above(figure: Figure, policies: Sequence[str], *, lines: bool = True) -> None:
    """Name the policies above all panels."""
    handles = policy_handles(policies, lines=lines)
    room = _LETTERS_AN_INCH * figure.get_figwidth()
    longest = max(map(len, policies), default=0) + (9 if lines else 5)
    columns = max(1, min(len(handles), int(room / longest)))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, handlelength=2.6)
    figure.set_figheight(figure.get_figheight() + 0.16 * -(-len(handles) // columns))


def draw_distribution(
    ax: Axes, delays: pd.DataFrame, policies: Sequence[str], *, complementary: bool = False
) -> None:
    """Draw the share of rounds within a delay, or later, with a mark at the 95th percentile of each policy.

    Parameters
    ----------
    delays : DataFrame
        ``policy``, ``delay_s`` and ``weight``.
    policies : sequence of str
        All of them, also those without any round.
    """
    import seaborn as sns

    height = 1 - TAIL if complementary else TAIL
    for policy, style in policy_styles(policies).items():
        own = delays[delays["policy"] == policy]
        if own.empty:
            continue
        sns.ecdfplot(
            data=own, x="delay_s", weights="weight", complementary=complementary, ax=ax,
            color=style.colour, linestyle=style.linestyle,
        )  # fmt: skip
        at = float(weighted_quantile(own["delay_s"].to_numpy(), own["weight"].to_numpy(), TAIL))
        ax.plot([at], [height], ms=4, mec="white", mew=0.4, zorder=3, clip_on=False, **style.point)
    ax.axhline(height, color="0.35", lw=0.6, ls=":", zorder=0)


def plain_log_ticks(axis: Axis) -> None:
    """Label a logarithmic axis at 1, 2 and 5 of every decade, without exponents."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_locator(NullLocator())


def groups(frame: pd.DataFrame, by: Sequence[str]) -> list[tuple[str, pd.DataFrame]]:
    """Return the parts of a frame for each setting, with a title that names what differs."""
    differing = [key for key in by if len(frame[key].unique()) > 1]
    if not differing:
        return [("", frame)]
    found = []
    for values, own in frame.groupby(differing, sort=False, dropna=False):
        named = zip(differing, values, strict=True)
        values_named = [
            str(value) if key == "scenario" else f"{short(key)} = {plain(value)}" for key, value in named
        ]
        found.append((", ".join(values_named), own))
    return found


def plain(value: Any) -> str:
    """Return a value as a string, a float without a trailing ``.0``."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def short(key: str) -> str:
    """Return the last part of a dotted key."""
    return key.rpartition(".")[2]


def heavy_in(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> set[str]:
    """Return the metrics that are heavy-tailed in any group: medians of all groups are shown then."""
    named = frame.assign(policy=frame.groupby(list(by)).ngroup())
    return set(heavy_tails(named, metrics))


def median_noted(label: str, is_heavy: bool) -> str:
    """Return the label of an axis, which says where medians are drawn."""
    return f"{label}, median" if is_heavy else label


def averaged(frame: pd.DataFrame, by: str, column: str) -> dict[str, Any]:
    """Return what seaborn draws of a column: means, or medians if it is heavy-tailed, with intervals."""
    if heavy_in(frame, list(dict.fromkeys((by, "policy"))), [column]):
        return {"estimator": "median", "errorbar": median_ends}
    return {"estimator": "mean", "errorbar": interval_ends}
