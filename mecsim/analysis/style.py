"""The style of all figures and charts: that of an IEEE paper, readable in colour and in grey."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec

import numpy as np

from mecsim.analysis.stats import median_interval, t_interval
from mecsim.results.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH_IN, COLUMN_IN = 7.16, 3.5
PNG_DPI = 300

# Type 42 keeps text as text in the PDF; STIX comes with matplotlib, so the figure is the same everywhere.
STYLE: dict[Any, Any] = {
    "font.family": "STIXGeneral",
    "mathtext.fontset": "stix",
    # A label is text: neither mathematics, which may not parse, nor LaTeX, which runs.
    "text.parse_math": False,
    "text.usetex": False,
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
# Eight of each: of the ten colours, those that share a dash or a marker also differ in grey.
# Dashes on and off, in line widths; markers as matplotlib and as plotly call them.
DASHES: tuple[tuple[float, ...], ...] = (
    (), (5, 1.5), (1.2, 1), (6, 1.5, 1, 1.5), (3, 1, 1, 1, 1, 1), (8, 3), (2.5, 4), (8, 2, 2.5, 2),
)  # fmt: skip
MARKERS = (
    ("o", "circle"), ("s", "square"), ("^", "triangle-up"), ("D", "diamond"), ("v", "triangle-down"),
    ("P", "cross"), ("X", "x"), ("*", "star"),
)  # fmt: skip
COLOURS = (
    "#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#56b4e9",
    "#ece133",
)  # fmt: skip
"""Of policies: seaborn's "colorblind", whose import takes a second; yellow, too light for a line, is last."""
SERVER_COLOURS = (
    "#182c61", "#999933", "#661100", "#8bd3c7", "#aa4499", "#b9f18c", "#6200ea", "#303030", "#117733",
    "#b33771",
)  # fmt: skip
"""Of servers on maps: apart from each other, also without red or green cones, and from the policies."""
# Light to dark, so that a grey print keeps the order; hatches tell apart what is next to each other.
PHASE_FILLS = (("#f0e442", ""), ("#56b4e9", "/"), ("#009e73", ""), ("#4a3a78", "."))


class PolicyStyle(NamedTuple):
    """How a policy is drawn in every figure and chart, readable without colour too.

    Parameters
    ----------
    colour : tuple of float
        Red, green and blue, from 0 to 1.
    dash : tuple of float
        Lengths on and off, in line widths; empty for a solid line.
    marker, symbol : str
        The same marker as matplotlib and as plotly call it.
    """

    colour: tuple[float, float, float]
    dash: tuple[float, ...]
    marker: str
    symbol: str

    @property
    def linestyle(self) -> Any:
        """The dash as matplotlib wants it."""
        return (0, self.dash) if self.dash else "-"

    @property
    def html_colour(self) -> str:
        """The colour as HTML writes it, such as ``#0173b2``."""
        return "#" + "".join(f"{round(255 * part):02x}" for part in self.colour)

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of a matplotlib line with markers."""
        return {"color": self.colour, "linestyle": self.linestyle, "marker": self.marker}

    @property
    def point(self) -> dict[str, Any]:
        """Arguments of matplotlib markers without a line."""
        return self.line | {"linestyle": "none"}


@cache
def palette() -> tuple[tuple[float, float, float], ...]:
    """Return the ten colours of all figures, each as red, green and blue from 0 to 1."""
    red, green, blue = ([int(colour[i : i + 2], 16) / 255 for colour in COLOURS] for i in (1, 3, 5))
    return tuple(zip(red, green, blue, strict=True))


def policy_style(place: int) -> PolicyStyle:
    """Return the style of the policy at a place, from 0, in the order of a study."""
    colour, dash = palette()[place % len(palette())], DASHES[place % len(DASHES)]
    return PolicyStyle(colour, dash, *MARKERS[place % len(MARKERS)])


def policy_styles(policies: Iterable[str], order: Sequence[str] = ()) -> dict[str, PolicyStyle]:
    """Return the style of each policy, once each, by its place in ``order``; those not in it come after."""
    shown = dict.fromkeys(policies)
    places = {policy: place for place, policy in enumerate(dict.fromkeys([*order, *shown]))}
    return {policy: policy_style(places[policy]) for policy in shown}


def phase_fill(place: int) -> tuple[str, str]:
    """Return colour and hatch of the bar of a phase, from 0, in the order of a round."""
    return PHASE_FILLS[place % len(PHASE_FILLS)]


@contextmanager
def _our_style() -> Iterator[None]:
    """Forget what a ``matplotlibrc`` says: one in the present folder may be of others, and import modules."""
    from matplotlib import rc_context, rcdefaults, rcParams

    with rc_context():
        rcdefaults()
        rcParams.update(STYLE)
        yield


P = ParamSpec("P")


def in_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw everything, legends included, under the style of all figures."""

    @wraps(draw)
    def styled(*arguments: P.args, **named: P.kwargs) -> Figure:
        with _our_style():
            return draw(*arguments, **named)

    return styled


def interval_ends(samples: Any) -> tuple[float, float]:
    """Return the ends of the 95 % t interval of the mean, as seaborn's ``errorbar`` wants them."""
    interval = t_interval(np.asarray(samples))
    return float(interval.low), float(interval.high)


def median_ends(samples: Any) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the median, as seaborn's ``errorbar`` wants them."""
    found = median_interval(np.asarray(samples))
    return (found.median, found.median) if np.isnan(found.low) else (found.low, found.high)


def save_figure(figure: Figure, path: str | Path) -> list[Path]:
    """Write a figure as PNG and PDF, the same bytes every time; return both paths.

    Raises
    ------
    ResultStoreError
        If a file cannot be written.
    """
    stem = Path(path)
    if stem.suffix.lower() in (".png", ".pdf"):
        stem = stem.with_suffix("")
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, pdf = stem.with_name(f"{stem.name}.png"), stem.with_name(f"{stem.name}.pdf")
    with _our_style():
        write_atomically(png, lambda part: figure.savefig(part, format="png", dpi=PNG_DPI))
        write_atomically(
            pdf, lambda part: figure.savefig(part, format="pdf", metadata={"CreationDate": None})
        )
    return [png, pdf]
