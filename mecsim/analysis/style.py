"""What all figures share: the look of an IEEE paper, in colour and in grey, and how they are saved."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.stats import t_interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_IN, COLUMN_IN = 7.16, 3.5
PNG_DPI = 300

# Type 42 keeps text as text in the PDF; STIX comes with matplotlib, so the figure is the same everywhere.
STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "0.88",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.3,
    "hatch.linewidth": 0.5,
    "patch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "savefig.dpi": PNG_DPI,
}
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")


def colours(count: int) -> list[Any]:
    """Return distinct colours for so many lines, the same for the same place in every figure."""
    import seaborn as sns

    # Yellow last of all: it is too light for a line on white.
    palette = sns.color_palette("colorblind")
    return cycle([*palette[:8], palette[9], palette[8]], count)


def cycle(items: Any, count: int) -> list[Any]:
    """Return the first ``count`` items, from the beginning again where there are fewer."""
    return [items[i % len(items)] for i in range(count)]


def interval_ends(samples: Any) -> tuple[float, float]:
    """Return the ends of the 95 % t interval of the mean, as seaborn's ``errorbar`` wants them."""
    interval = t_interval(np.asarray(samples))
    return float(interval.low), float(interval.high)


def save_figure(figure: Figure, path: str | Path) -> list[Path]:
    """Write a figure as PNG and PDF, the same bytes every time; return both paths."""
    from matplotlib import rc_context

    stem = Path(path)
    if stem.suffix.lower() in (".png", ".pdf"):
        stem = stem.with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    with rc_context(STYLE):
        figure.savefig(png, dpi=PNG_DPI)
        figure.savefig(pdf, metadata={"CreationDate": None})
    return [png, pdf]
