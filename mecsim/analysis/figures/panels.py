"""What figures share: panels, legends, the distribution of delays, logarithmic axes, titles."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mecsim.analysis.key_names import setting_text
from mecsim.analysis.stats import weighted_quantile
from mecsim.analysis.style import COLUMN_IN, WIDTH_IN, PolicyStyle, interval_ends, median_ends
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
_NARROWEST_IN = 1.15


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


def grid_of_panels(
    rows: int, columns: int, width_in: float, height_in: float
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and axes by row and column.

    Raises
    ------
    MecsimError
        If there are too many to read.
    """
    from matplotlib.figure import Figure

    most = max(1, round(width_in / _NARROWEST_IN))
    if columns > most or rows * columns > MOST_PANELS:
        raise MecsimError(
            f"{rows} x {columns} panels: at most {most} side by side and {MOST_PANELS} in all can be read at "
            "this width; choose values with --where KEY=VALUE, or exchange --key and --col"
        )
    figure = Figure(figsize=(width_in, rows * height_in), layout="constrained")
    return figure, [list(row) for row in figure.subplots(rows, columns, squeeze=False)]


def wrapped(text: str, width_in: float, size_pt: float = 8.0) -> str:
    """Return a text broken into lines that fit a width, at commas and spaces first."""
    room = max(6, int(_LETTERS_AN_INCH * width_in * 8.0 / size_pt))
    if len(text) <= room:
        return text
    lines: list[str] = []
    for part in text.split(", "):
        if lines and len(lines[-1]) + len(part) + 2 <= room:
            lines[-1] += f", {part}"
        else:
            lines += textwrap.wrap(part, room) or [part]
    return ",\n".join(lines) if len(lines) == text.count(", ") + 1 else "\n".join(lines)


def panel_title(ax: Axes, text: str) -> None:
    """Title a panel, on as many lines as it takes to stay over the panel; call it once the grid is fixed."""
    from matplotlib.figure import Figure

    columns = ax.get_subplotspec().get_gridspec().ncols  # type: ignore[union-attr]  # a subplot has one
    figure = ax.get_figure()
    assert isinstance(figure, Figure)
    ax.set_title(wrapped(text, 0.86 * figure.get_figwidth() / columns))


def policy_handles(styles: Mapping[str, PolicyStyle], *, lines: bool = True) -> list[Line2D]:
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
        for label, style in styles.items()
    ]


def legend_above(
    figure: Figure, styles: Mapping[str, PolicyStyle], *, lines: bool = True, more: Sequence[Line2D] = ()
) -> None:
    """Name the policies above all panels, and what else is drawn; a name without room is wrapped."""
    handles = [*policy_handles(styles, lines=lines), *more]
    for handle in handles:
        handle.set_label(wrapped(str(handle.get_label()), figure.get_figwidth() - 0.7, 7.0))
    room = _LETTERS_AN_INCH * figure.get_figwidth()
    names = [str(handle.get_label()).split("\n") for handle in handles]
    longest = max((len(line) for lines_of in names for line in lines_of), default=0) + (9 if lines else 5)
    columns = max(1, min(len(handles), int(room / longest)))
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, frameon=False, handlelength=2.6)
    deepest = max((len(lines_of) for lines_of in names), default=0)
    figure.set_figheight(figure.get_figheight() + 0.16 * deepest * -(-len(handles) // columns))


def draw_distribution(
    ax: Axes, delays: pd.DataFrame, styles: Mapping[str, PolicyStyle], *, complementary: bool = False
) -> None:
    """Draw the share of rounds within a delay, or later, with a mark at the 95th percentile of each policy.

    Parameters
    ----------
    delays : DataFrame
        ``policy``, ``delay_s`` and ``weight``.
    styles : mapping
        Of all policies, also those without any round.
    """
    import seaborn as sns

    height = 1 - TAIL if complementary else TAIL
    for policy, style in styles.items():
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
        found.append((", ".join(setting_text(key, value) for key, value in named), own))
    return found


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
