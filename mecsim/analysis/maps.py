"""The map of a scenario: the gain of the strongest server everywhere, and the trajectories of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.style import COLUMN_IN, STYLE
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats
from mecsim.units import linear_to_db
from mecsim.world.world import World

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELLS = 160
_SAMPLES = 400
_MOST_TRAJECTORIES = 40


def draw_map(scenario: Scenario, seed: int = 0, *, seconds: float = 600.0) -> Figure:
    """Return a figure of a scenario's map in one world.

    Shading: the gain of the strongest server without fast fading. Triangles: servers. Lines: the trajectories
    of up to 40 users over their first ``seconds``, with a dot at the start of each.

    Parameters
    ----------
    scenario : Scenario
    seed : int
        Which world.
    seconds : float
        Length of the trajectories drawn, in s.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    world = World(scenario, seed)
    width_m, height_m = scenario.area.size_m
    inches = (COLUMN_IN, COLUMN_IN * min(max(0.8 * height_m / width_m + 0.15, 0.35), 1.3))
    with rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=inches, layout="constrained")
        axis = figure.subplots()
        image = axis.imshow(
            _strongest_db(world, width_m, height_m),
            origin="lower",
            extent=(0, width_m, 0, height_m),
            cmap="Greys_r",
            aspect="equal" if 0.2 < height_m / width_m < 5 else "auto",
        )
        _draw_trajectories(axis, world, seconds)
        servers = world.server_position_m
        axis.plot(servers[:, 0], servers[:, 1], "^", color="#D55E00", mec="white", ms=6, clip_on=False)
        axis.set(xlabel="x (m)", ylabel="y (m)", xlim=(0, width_m), ylim=(0, height_m), title=scenario.name)
        figure.colorbar(image, ax=axis, label="largest gain (dB)", shrink=0.9)
    return figure


def _strongest_db(world: World, width_m: float, height_m: float) -> Floats:
    """Return the largest local mean of all servers on a grid, in dB."""
    x = (np.arange(_CELLS) + 0.5) / _CELLS * width_m
    y = (np.arange(_CELLS) + 0.5) / _CELLS * height_m
    places = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1)
    best = np.zeros((_CELLS, _CELLS))
    for m in range(world.server_count):
        best = np.maximum(best, world.mean_gain_at(np.array(m), places))
    strongest: Floats = linear_to_db(best)
    return strongest


def _draw_trajectories(axis: Any, world: World, seconds: float) -> None:
    enters, leaves = world.population.enters_s, world.population.leaves_s
    users = np.flatnonzero(enters < world.scenario.duration_s)[:_MOST_TRAJECTORIES]
    ends = np.minimum(np.minimum(leaves[users], world.scenario.duration_s), enters[users] + seconds)
    times_s = enters[users, None] + (ends - enters[users])[:, None] * np.linspace(0.0, 1.0, _SAMPLES)
    places = world.position_m(users[:, None], times_s)
    places[world.is_away(users[:, None], times_s)] = np.nan  # a gap in the line
    axis.plot(places[..., 0].T, places[..., 1].T, color="#56B4E9", lw=0.9)
    axis.plot(places[:, 0, 0], places[:, 0, 1], "o", color="#0072B2", mec="white", mew=0.4, ms=3.5)
