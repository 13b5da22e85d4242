"""Random waypoint, started in its stationary law, in a rectangle or a disc."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from mecsim.config.base import key
from mecsim.rng import Purpose, stream
from mecsim.system.arrays import Floats
from mecsim.world.mobility.legs import Legs, alternating
from mecsim.world.mobility.model import MODEL, MobilityModel, Pauses, Speeds, pause_key, speed_key

_CHUNK = 64


@dataclass(frozen=True)
class Region:
    """Where waypoints lie, uniformly.

    Parameters
    ----------
    points_m : callable
        Maps uniform numbers (..., 2) into points (..., 2).
    mean_leg_m, longest_leg_m : float
        Mean and largest distance of two points.
    """

    points_m: Callable[[Floats], Floats]
    mean_leg_m: float
    longest_leg_m: float

    @classmethod
    def rectangle(cls, size_m: Floats, corner_m: Floats | float = 0.0) -> Region:
        """Return a rectangle with its lower left corner at (0, 0), or elsewhere."""
        mean_m, longest_m = _leg_lengths_m(*size_m.tolist())
        return cls(lambda drawn: drawn * size_m + corner_m, mean_m, longest_m)

    @classmethod
    def disc(cls, radius_m: float) -> Region:
        """Return a disc about (0, 0); two points of it are 128/(45 pi) radii apart on average."""

        def points_m(drawn: Floats) -> Floats:
            away_m, angle = radius_m * np.sqrt(drawn[..., 0]), 2.0 * np.pi * drawn[..., 1]
            return np.stack([away_m * np.cos(angle), away_m * np.sin(angle)], axis=-1)

        return cls(points_m, 128.0 / (45.0 * np.pi) * radius_m, 2.0 * radius_m)


@lru_cache(maxsize=64)
def _leg_lengths_m(width_m: float, height_m: float) -> tuple[float, float]:
    """Return the mean and the largest distance of two points of a rectangle."""
    return mean_leg_m(np.array([width_m, height_m])), float(np.hypot(width_m, height_m))


def mean_leg_m(size_m: Floats) -> float:
    """Return the mean distance of two uniform points of an a x b rectangle.

    Source: Ghosh (1951); the unit square gives 0.521405433.
    """
    long, short = float(np.max(size_m)), float(np.min(size_m))
    # In units of the long side, and free of the cancellation that strips would suffer.
    r = short / long
    d = np.sqrt(1.0 + r * r)
    straight = r**3 - 1.0 / (1.0 + d) + d * (3.0 - r * r)
    bent = r * r * np.arcsinh(1.0 / r) + np.arcsinh(r) / r
    return long * float(straight / 15.0 + bent / 6.0)


class RandomWaypoint(MobilityModel):
    """Users go straight from one uniformly random point to the next."""

    model: Literal["random_waypoint"] = key(MODEL, default="random_waypoint")
    speed_mps: Speeds = speed_key()
    pause_s: Pauses = pause_key()

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the legs of a user of a rectangle who starts in the stationary law.

        Speeds are uniform and pauses uniform at each waypoint; at time 0 the user is paused or in the
        middle of a leg with the probabilities that hold at any later time.

        References
        ----------
        Navidi and Camp (2004), "Stationary distributions for the random waypoint mobility model".
        """
        start = stream(seed, Purpose.MOBILITY_START, user)
        legs = stream(seed, Purpose.MOBILITY_LEGS, user)
        return waypoints(self, Region.rectangle(size_m), start, legs, until_s)

    def fastest_mps(self) -> float:
        """Return the upper end of `speed_mps`."""
        return self.speed_mps[1]


def waypoints(
    model: RandomWaypoint,
    region: Region,
    start_rng: np.random.Generator,
    legs_rng: np.random.Generator,
    until_s: float,
) -> Legs:
    """Return the legs of a random-waypoint user in a region, from the streams of start and legs."""
    start, paused_s, target, speed = _stationary_start(model, region, start_rng)
    draws = legs_rng.random((_CHUNK, 4))
    while True:
        slowest, fastest = model.speed_mps
        shortest, longest = model.pause_s
        points = np.concatenate([[start, target], region.points_m(draws[:, :2])])
        speeds = np.concatenate([[speed], slowest + (fastest - slowest) * draws[:, 2]])
        pauses = np.concatenate([[paused_s], shortest + (longest - shortest) * draws[:, 3]])
        legs = alternating(points, speeds, pauses)
        if legs.start_s[-1] > until_s:
            return legs
        draws = np.concatenate([draws, legs_rng.random(draws.shape)])


def residual_pause_s(pause_s: tuple[float, float], rng: np.random.Generator) -> float:
    """Return the residual of a pause at a random time."""
    shortest, longest = pause_s
    # Its density is proportional to its length.
    pause = np.sqrt(shortest**2 + rng.random() * (longest**2 - shortest**2))
    return float(pause * rng.random())


def stationary_speed_mps(speed_mps: tuple[float, float], rng: np.random.Generator) -> float:
    """Return the speed of the leg at a random time: its density is proportional to 1/v."""
    slowest, fastest = speed_mps
    return float(slowest * (fastest / slowest) ** rng.random())


def mean_slowness(speed_mps: tuple[float, float]) -> float:
    """Return the mean of 1/v, in s/m, of a uniform speed."""
    slowest, fastest = speed_mps
    if fastest > slowest:
        return float(np.log(fastest / slowest)) / (fastest - slowest)
    return 1.0 / slowest


def _stationary_start(
    model: RandomWaypoint, region: Region, rng: np.random.Generator
) -> tuple[Floats, float, Floats, float]:
    """Return where the user is at time 0, how long it still pauses, where it goes, and how fast."""
    slowest, fastest = model.speed_mps
    mean_pause_s = sum(model.pause_s) / 2.0
    mean_move_s = region.mean_leg_m * mean_slowness(model.speed_mps)
    if rng.random() * (mean_pause_s + mean_move_s) < mean_pause_s:
        shortest, longest = model.pause_s
        pause = np.sqrt(shortest**2 + rng.random() * (longest**2 - shortest**2))
        speed = slowest + (fastest - slowest) * rng.random()
        here, target = region.points_m(rng.random(2)), region.points_m(rng.random(2))
        return here, float(pause * rng.random()), target, float(speed)
    # The leg at a random time is drawn with a density proportional to its length.
    while True:
        origin, target = region.points_m(rng.random(2)), region.points_m(rng.random(2))
        if rng.random() * region.longest_leg_m < np.hypot(*(target - origin)):
            break
    speed = stationary_speed_mps(model.speed_mps, rng)
    here = origin + (target - origin) * rng.random()
    return here, 0.0, target, speed
