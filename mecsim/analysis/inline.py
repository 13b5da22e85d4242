"""Figures that a notebook shows where they were asked for."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

from mecsim.analysis.style import PNG_DPI

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def shown_inline(figure: Figure) -> list[Axes]:
    """Show a figure if this is a notebook, and return its axes."""
    display = notebook_display()
    if display is not None:
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=PNG_DPI // 2)
        display.display(display.Image(data=picture.getvalue()))
    return list(figure.axes)


def notebook_display() -> Any:
    """Return ``IPython.display`` where a notebook runs this process; else None."""
    shell = sys.modules.get("IPython")
    running = None if shell is None else shell.get_ipython()
    if running is None or getattr(running, "kernel", None) is None:
        return None
    import IPython.display

    return IPython.display
