"""Random waypoint in its stationary law: rows R1 to R4 of docs/verification.md."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import count
from typing import Any

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.testing.verification.finding import (
    Check,
    Finding,
    Judge,
    Law,
    Setting,
    equal,
    follows,
    mean,
    no_difference,
    share,
)
from mecsim.testing.verification.mutant import replaced, reused
from mecsim.world.mobility import waypoint
from mecsim.world.mobility.legs import Legs
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint, mean_leg_m

SIZE_M = np.array([1000.0, 1000.0])
LOW, HIGH = 1.0, 20.0
MEAN_MPS = (HIGH - LOW) / math.log(HIGH / LOW)
SIGMA_MPS = math.sqrt((HIGH**2 - LOW**2) / (2.0 * math.log(HIGH / LOW)) - MEAN_MPS**2)
LATER_S = 600.0
SPEED = Law(lambda v: np.log(v / LOW) / math.log(HIGH / LOW), lambda p: LOW * (HIGH / LOW) ** p)


@reused
def walkers(setting: Setting, pause_s: tuple[float, float] = (0.0, 0.0)) -> Trajectories:
    """Return the ways of 5000 users in a square kilometre."""
    model = RandomWaypoint(speed_mps=(LOW, HIGH), pause_s=pause_s)
    users = range(setting.count(5000))
    seed = 2000 + setting.seed
    return Trajectories.join([model.legs(SIZE_M, seed, n, LATER_S) for n in users])


def speeds(ways: Trajectories, time_s: float) -> Floats:
    """Return the speed of every user at a time."""
    every = np.arange(len(ways.first) - 1)
    found: Floats = ways.legs.speed_mps[ways.leg(every, np.array(time_s))]
    return found


def mean_speed(time_s: float) -> Judge:
    """Return the check of the mean speed (v2 - v1) / ln(v2 / v1) at a time."""

    def judge(setting: Setting) -> Finding:
        return mean(speeds(walkers(setting), time_s), MEAN_MPS, SIGMA_MPS)

    return judge


def speed_law(setting: Setting) -> Finding:
    """Check that the density of the speed is 1 / (v ln(v2 / v1))."""
    return follows(speeds(walkers(setting), 0.0), SPEED)


def in_the_middle(time_s: float) -> Judge:
    """Return the check of the share of users in the middle quarter of the square."""

    def judge(setting: Setting) -> Finding:
        ways = walkers(setting)
        place_m = ways.position_m(np.arange(len(ways.first) - 1), np.array(time_s))
        return share((np.abs(place_m - 500.0) <= 250.0).all(axis=1), 0.454475)

    return judge


def mean_leg(setting: Setting) -> Finding:
    """Check that two points of 1000 x 600 m are 423.908167 m apart."""
    return equal(mean_leg_m(np.array([1000.0, 600.0])), 423.908167, rel=1e-8)


def paused(setting: Setting) -> Finding:
    """Check that P(paused) = E[P] / (E[P] + leg E[1/v])."""
    slowness = math.log(HIGH / LOW) / (HIGH - LOW)
    expected = 60.0 / (60.0 + 521.405433 * slowness)
    now = speeds(walkers(setting, (20.0, 100.0)), 0.0)
    return share(now == 0.0, expected)


def asked_in_any_order(setting: Setting) -> Finding:
    """Check that a position does not depend on earlier queries."""
    ways = walkers(setting)
    users, times_s = np.arange(200), np.arange(0.0, 300.0)
    forwards = np.stack([ways.position_m(users, np.array(t)) for t in times_s])
    backwards = np.stack([ways.position_m(users, np.array(t)) for t in times_s[::-1]])[::-1]
    return no_difference(forwards, backwards, tol=0.0)


def inside(setting: Setting) -> Finding:
    """Check that no user ever leaves the area."""
    ways = walkers(setting)
    users, times_s = np.arange(setting.count(5000))[:, None], np.linspace(0.0, LATER_S, 50)
    place_m = ways.position_m(users, times_s)
    outside_m = float(np.maximum(np.maximum(-place_m, place_m - SIZE_M), 0.0).max())
    return equal(outside_m, 0.0, tol=1e-9)


def _fresh_leg(start: Any) -> Any:
    def broken(model: RandomWaypoint, region: Any, rng: np.random.Generator) -> tuple[Any, ...]:
        here, target = region.points_m(rng.random(2)), region.points_m(rng.random(2))
        return here, 0.0, target, float(rng.uniform(*model.speed_mps))

    return broken


def _equal_times(alternating: Any) -> Any:
    def broken(points_m: Floats, speed_mps: Floats, pause_s: Floats) -> Legs:
        legs: Legs = alternating(points_m, np.full_like(speed_mps, MEAN_MPS), 0.0 * pause_s)
        return replace(legs, speed_mps=speed_mps)

    return broken


def _jumps(alternating: Any) -> Any:
    def broken(*args: Floats) -> Legs:
        legs: Legs = alternating(*args)
        return replace(legs, velocity_mps=np.zeros_like(legs.velocity_mps))

    return broken


def _straight_on(alternating: Any) -> Any:
    def broken(*args: Floats) -> Legs:
        legs: Legs = alternating(*args)
        velocity_mps = np.broadcast_to(legs.velocity_mps[0], legs.velocity_mps.shape)
        start_m = legs.start_m[0] + velocity_mps * legs.start_s[:, None]
        return replace(legs, start_m=start_m, velocity_mps=velocity_mps)

    return broken


def _drifting(position_m: Any) -> Any:
    queries = count()

    def broken(*args: Any) -> Floats:
        result: Floats = position_m(*args) + 1e-9 * next(queries)
        return result

    return broken


NAIVE = replaced("everyone starts a fresh leg", waypoint, "_stationary_start", _fresh_leg)
EQUAL_TIMES = replaced("legs that last equally long", waypoint, "alternating", _equal_times)
JUMPS = replaced("jumps from waypoint to waypoint", waypoint, "alternating", _jumps)
STRAIGHT_ON = replaced("straight on at a waypoint", waypoint, "alternating", _straight_on)
DRIFTING = replaced("positions that depend on earlier queries", Trajectories, "position_m", _drifting)
SQUARE = replaced(
    "a square of that area",
    sys.modules[__name__],
    "mean_leg_m",
    lambda mean: lambda size_m: mean(np.full(2, math.sqrt(size_m.prod()))),
)

CHECKS = (
    Check("R1 speed at 0", "m/s, U(1, 20)", mean_speed(0.0), NAIVE),
    Check("R1 speed later", "m/s after 600 s", mean_speed(LATER_S), EQUAL_TIMES),
    Check("R1 law", "density 1/(v ln 20)", speed_law, NAIVE),
    Check("R2 place at 0", "P(middle quarter)", in_the_middle(0.0), NAIVE),
    Check("R2 place later", "P(middle quarter)", in_the_middle(LATER_S), JUMPS),
    Check("R3 leg", "mean leg of 1000 x 600, m", mean_leg, SQUARE),
    Check("R3 pauses", "P(paused)", paused, NAIVE),
    Check("R4 pure", "asked forwards, backwards", asked_in_any_order, DRIFTING),
    Check("R4 inside", "metres outside", inside, STRAIGHT_ON),
)
