"""The figures of a comparison, drawn from what it holds and, where they need tables, from its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mecsim.analysis.figure_kinds import KINDS, FigureRequest, draw
from mecsim.analysis.figures.comparison import comparison_figure
from mecsim.analysis.frames import study_frames
from mecsim.analysis.inline import shown_inline
from mecsim.analysis.style import WIDTH_IN
from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.study.comparison import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPARISON = "comparison"


def comparison_axes(comparison: Comparison, kind: str, metrics: tuple[str, ...]) -> list[Axes]:
    """Draw a figure of a comparison, show it in a notebook, and return its axes.

    Raises
    ------
    MecsimError
        If there is no such kind, or the runs that it needs were not kept.
    """
    known = (COMPARISON, *KINDS)
    if kind not in known:
        raise MecsimError(f"kind = {kind}: must be {either(known)}{nearest(kind, known)}")
    if kind == COMPARISON:
        of = comparison
        figure = comparison_figure(of.per_run, of.delays, of.policies, of.seeds, of.headline)
    else:
        folder = comparison.folder(f"kind = {kind}")
        request = FigureRequest(metrics=metrics, key="", reference=None, width_in=WIDTH_IN)
        figure = draw(kind, study_frames(folder, list(comparison.policies)), request)
    return shown_inline(figure)
