"""A map of the present moment as an array of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mecsim.rl.stepped_run import SteppedRun

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_PIXELS, _DPI = 480, 100


def frame(run: SteppedRun) -> NDArray[np.uint8]:
    """Return the map (height, width, 3): servers as triangles, users as dots of their server's colour."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    width_m, height_m = run.simulation.scenario.area.size_m
    tall = round(_PIXELS * min(max(height_m / width_m, 0.25), 2.0))
    figure = Figure(figsize=(_PIXELS / _DPI, tall / _DPI), dpi=_DPI)
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(0, width_m), ylim=(0, height_m), xticks=[], yticks=[])
    users_m, servers_m = run.positions_m()
    allocation = None if run.observation is None else run.observation.allocation
    if allocation is not None and len(allocation.server) == len(users_m):
        for place, m in zip(users_m, allocation.server.tolist(), strict=True):
            colour = _COLOURS[m % len(_COLOURS)]
            axis.plot([place[0], servers_m[m, 0]], [place[1], servers_m[m, 1]], "-", color=colour, lw=0.8)
            axis.plot(place[0], place[1], "o", color=colour, ms=5)
    else:
        axis.plot(users_m[:, 0], users_m[:, 1], "o", color="#555555", ms=5)
    for m, place in enumerate(servers_m):
        axis.plot(place[0], place[1], "^", color=_COLOURS[m % len(_COLOURS)], mec="black", ms=10)
    axis.text(0.01, 0.98, f"t = {run.now_s:g} s", transform=axis.transAxes, va="top")
    canvas: Any = FigureCanvasAgg(figure)  # its methods have no types
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, :3])
