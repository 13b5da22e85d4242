"""The map of a scenario: the gain of the strongest server everywhere, and the trajectories of users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.figures.panels import wrapped
from mecsim.analysis.style import COLUMN_IN, STYLE, palette
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats
from mecsim.units import linear_to_db
from mecsim.world.world import World

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CELLS = 160
_SAMPLES = 400
_MOST_TRAJECTORIES = 40
_MOST_NUMBERS = 40
_SERVER = "#d55e00"
_HALO_PT = 1.6


def draw_map(scenario: Scenario, seed: int = 0, *, seconds: float = 600.0) -> Figure:
    """Return a figure of a scenario's map in one world, with a legend.

    Shading: the gain of the strongest server without fast fading. Triangles: servers with their numbers.
    Lines: the trajectories of up to 40 users over their first ``seconds``, with a dot at the start of each,
    in the colour of the user's class.

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
    inches = (COLUMN_IN, COLUMN_IN * min(max(0.8 * height_m / width_m + 0.15, 0.35), 1.3) + 0.3)
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
        _draw_servers(axis, world.server_position_m)
        axis.set(xlabel="x (m)", ylabel="y (m)", xlim=(0, width_m), ylim=(0, height_m))
        figure.colorbar(image, ax=axis, label="largest gain (dB)", shrink=0.9)
        handles, names = axis.get_legend_handles_labels()
        labels = [wrapped(name, 0.6 * COLUMN_IN, 7.0) for name in names]
        columns = 2 if max(map(len, labels)) < 30 else 1
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        figure.set_figheight(inches[1] + 0.16 * -(-len(handles) // columns))
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


def _draw_servers(axis: Any, places_m: Floats) -> None:
    from matplotlib.patheffects import withStroke

    axis.plot(
        places_m[:, 0], places_m[:, 1], "^", color=_SERVER, mec="white", ms=6, clip_on=False,
        label="server, with its number" if len(places_m) <= _MOST_NUMBERS else "server",
    )  # fmt: skip
    middle = 0.5 * sum(axis.get_xlim())
    for m, (x, y) in enumerate(places_m[:_MOST_NUMBERS] if len(places_m) <= _MOST_NUMBERS else ()):
        # On the side of the middle of the map, so that the number is on it.
        side = -1 if x > middle else 1
        axis.annotate(
            str(m), (x, y), (5 * side, 0), textcoords="offset points", va="center",
            ha="left" if side > 0 else "right", fontsize=7, fontweight="bold",
            path_effects=[withStroke(linewidth=_HALO_PT, foreground="white")],
        )  # fmt: skip


def _draw_trajectories(axis: Any, world: World, seconds: float) -> None:
    enters, leaves = world.population.enters_s, world.population.leaves_s
    users = np.flatnonzero(enters < world.scenario.duration_s)[:_MOST_TRAJECTORIES]
    ends = np.minimum(np.minimum(leaves[users], world.scenario.duration_s), enters[users] + seconds)
    times_s = enters[users, None] + (ends - enters[users])[:, None] * np.linspace(0.0, 1.0, _SAMPLES)
    places = world.position_m(users[:, None], times_s)
    places[world.is_away(users[:, None], times_s)] = np.nan  # a gap in the line
    classes = world.scenario.users.classes or ()
    kinds = world.population.kind[users] if classes else np.zeros(len(users), dtype=int)
    longest_s = float((ends - enters[users]).max(initial=0.0))
    for k, name in enumerate([f"user of class {one.name}" for one in classes] or ["user at the start"]):
        own = places[kinds == k]
        if not len(own):
            continue
        # Blue is first; the orange of the servers is passed over.
        colour = palette()[(0, 2, 4, 9, 5, 6, 7, 8)[k % 8]]
        axis.plot(own[..., 0].T, own[..., 1].T, color=colour, lw=0.9)
        axis.plot(own[:, 0, 0], own[:, 0, 1], "o", color=colour, mec="white", mew=0.4, ms=3.5, label=name)
    axis.set_title(wrapped(f"{world.scenario.name}, users' first {longest_s:g} s", 0.7 * COLUMN_IN))
