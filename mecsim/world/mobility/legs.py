"""Straight legs at constant speed, of which every trajectory is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats


@dataclass(frozen=True, eq=False, slots=True)
class Legs:
    """Straight legs of one or more users, in order of time.

    Parameters
    ----------
    start_s : (L,) float
        When the leg starts; it lasts until the next one does.
    start_m, velocity_mps : (L, 2) float
        Where it starts, and its velocity.
    travelled_m : (L,) float
        Distance travelled before the leg.
    speed_mps : (L,) float
    """

    start_s: Floats
    start_m: Floats
    velocity_mps: Floats
    travelled_m: Floats
    speed_mps: Floats


def standing(point_m: Floats) -> Legs:
    """Return the one leg of a user who stays at a point (2,)."""
    zero = np.zeros(1)
    return Legs(zero, point_m[None, :], np.zeros((1, 2)), zero, zero)


def held_velocities(start_s: Floats, start_m: Floats, velocity_mps: Floats) -> Legs:
    """Return legs with given times (L,) and places (L, 2) of their starts, and velocities (L, 2)."""
    speed_mps = np.hypot(velocity_mps[:, 0], velocity_mps[:, 1])
    length_m = speed_mps[:-1] * np.diff(start_s)
    travelled_m = np.concatenate([[0.0], np.cumsum(length_m)])
    return Legs(start_s, start_m, velocity_mps, travelled_m, speed_mps)


def alternating(points_m: Floats, speed_mps: Floats, pause_s: Floats) -> Legs:
    """Return the legs: pause at a point, move to the next, pause there, and so on.

    Parameters
    ----------
    points_m : (K + 1, 2) float
    speed_mps, pause_s : (K,) float
        Speed to the next point, and the pause before.
    """
    step = np.diff(points_m, axis=0)
    length = np.hypot(step[:, 0], step[:, 1])
    moving_s = length / speed_mps
    moves = len(step)
    duration, speed = np.empty(2 * moves), np.zeros(2 * moves)
    duration[::2], duration[1::2], speed[1::2] = pause_s, moving_s, speed_mps
    velocity = np.zeros((2 * moves, 2))
    np.divide(step, moving_s[:, None], out=velocity[1::2], where=moving_s[:, None] > 0)
    travelled, start_s = np.zeros(moves), np.zeros(2 * moves)
    length[:-1].cumsum(out=travelled[1:])
    duration[:-1].cumsum(out=start_s[1:])
    lasting = duration > 0
    lasting[-1] = True
    return Legs(
        start_s=start_s[lasting],
        start_m=points_m[:-1].repeat(2, axis=0)[lasting],
        velocity_mps=velocity[lasting],
        travelled_m=travelled.repeat(2)[lasting],
        speed_mps=speed[lasting],
    )


def sum_of(one: Legs, other: Legs) -> Legs:
    """Return the trajectory whose position is the sum of two others', for as long as both are known."""
    times_s = np.union1d(one.start_s, other.start_s)
    start_m = np.zeros((len(times_s), 2))
    velocity_mps = np.zeros((len(times_s), 2))
    for legs in (one, other):
        leg = np.searchsorted(legs.start_s, times_s, side="right") - 1
        since_s = times_s - legs.start_s[leg]
        start_m += legs.start_m[leg] + legs.velocity_mps[leg] * since_s[:, None]
        velocity_mps += legs.velocity_mps[leg]
    return held_velocities(times_s, start_m, velocity_mps)
