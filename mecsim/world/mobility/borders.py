"""Borders of the area that reflect users."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs, held_velocities


def mirrored(start_s: Floats, start_m: Floats, velocity_mps: Floats, size_m: Floats) -> Legs:
    """Return a trajectory of the whole plane, reflected at the borders of an area.

    Parameters
    ----------
    start_s : (K,) float
        Times at which the velocity changes.
    start_m, velocity_mps : (K, 2) float
        Where the user is then, and the velocity until the next time; the last is held for
        ever and not reflected.
    size_m : (2,) float
    """
    end_m = np.concatenate([start_m[1:], start_m[-1:]])
    crossings = [
        _crossings(start_s, start_m[:, axis], end_m[:, axis], velocity_mps[:, axis], size_m[axis])
        for axis in (0, 1)
    ]
    times_s = np.unique(np.concatenate([start_s, *crossings]))
    step = np.searchsorted(start_s, times_s, side="right") - 1
    since_s = (times_s - start_s[step])[:, None]
    here = start_m[step] + velocity_mps[step] * since_s
    # Between two crossings the copy of the area is the one that holds the middle.
    until_s = np.append(times_s[1:], times_s[-1])
    middle = here + velocity_mps[step] * ((until_s - times_s) / 2.0)[:, None]
    copy = np.floor(middle / size_m)
    odd = copy % 2.0 == 1.0
    inside = np.clip(here - copy * size_m, 0.0, size_m)
    return held_velocities(
        times_s,
        np.where(odd, size_m - inside, inside),
        np.where(odd, -velocity_mps[step], velocity_mps[step]),
    )


def _crossings(
    start_s: Floats, start_m: Floats, end_m: Floats, velocity_mps: Floats, side_m: float
) -> Floats:
    """Return the times at which a coordinate crosses a multiple of the side."""
    first, last = np.floor(start_m / side_m), np.floor(end_m / side_m)
    count = np.abs(last - first).astype(np.int64)
    step = np.repeat(np.arange(len(start_s)), count)
    nth = np.arange(len(step)) - np.repeat(np.cumsum(count) - count, count)
    border = np.where(velocity_mps[step] > 0.0, first[step] + 1.0 + nth, first[step] - nth)
    times_s: Floats = start_s[step] + (border * side_m - start_m[step]) / velocity_mps[step]
    return times_s
