"""The figure of a training: the SCR of its worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mecsim.analysis.style import COLUMN_IN, STYLE

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def draw_curve(curve: pd.DataFrame) -> Figure:
    """Return a figure of ``scr``, and of ``best_scr`` where it is there, over ``worlds``."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=(COLUMN_IN, 0.7 * COLUMN_IN), layout="constrained")
        axis = figure.subplots()
        axis.plot(curve["worlds"], curve["scr"], "o-", ms=3, color="#0072B2", label="mean")
        if "best_scr" in curve:
            axis.plot(curve["worlds"], curve["best_scr"], "s--", ms=3, color="#D55E00", label="best")
            axis.legend(frameon=False)
        axis.set(xlabel="training worlds", ylabel="realised SCR")
    return figure
