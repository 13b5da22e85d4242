"""Users who walk: R1 to R4 of VERIFICATION, random waypoint in its stationary law."""

from __future__ import annotations

import math
from functools import lru_cache

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
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint, mean_leg_m

SIZE_M = np.array([1000.0, 1000.0])
LOW, HIGH = 1.0, 20.0
MEAN_MPS = (HIGH - LOW) / math.log(HIGH / LOW)
SIGMA_MPS = math.sqrt((HIGH**2 - LOW**2) / (2.0 * math.log(HIGH / LOW)) - MEAN_MPS**2)
LATER_S = 600.0
SPEED = Law(lambda v: np.log(v / LOW) / math.log(HIGH / LOW), lambda p: LOW * (HIGH / LOW) ** p)


@lru_cache(maxsize=4)
def walkers(setting: Setting, pause_s: tuple[float, float] = (0.0, 0.0)) -> Trajectories:
    """Return the ways of 5000 users in a square kilometre."""
    model = RandomWaypoint(speed_mps=(LOW, HIGH), pause_s=pause_s)
    users = range(5000 * setting.size)
    seed = 2000 + setting.seed
    return Trajectories.join([model.legs(SIZE_M, seed, n, LATER_S) for n in users])


def speeds(ways: Trajectories, time_s: float) -> Floats:
    """Return the speed of every user at a time."""
    every = np.arange(len(ways.first) - 1)
    found: Floats = ways.legs.speed_mps[ways.leg(every, np.array(time_s))]
    return found


def fresh_legs(setting: Setting) -> Floats:
    """Return speeds at time 0 of users who all start a leg then: the naive start."""
    return np.random.default_rng(setting.seed).uniform(LOW, HIGH, 5000 * setting.size)


def mean_speed(time_s: float) -> Judge:
    """Return the check of the mean speed (v2 - v1) / ln(v2 / v1) at a time."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        sample = fresh_legs(setting) if wrong else speeds(walkers(setting), time_s)
        return mean(sample, MEAN_MPS, SIGMA_MPS)

    return judge


def speed_law(setting: Setting, wrong: bool) -> Finding:
    """Check that the density of the speed is 1 / (v ln(v2 / v1))."""
    return follows(fresh_legs(setting) if wrong else speeds(walkers(setting), 0.0), SPEED)


def in_the_middle(time_s: float) -> Judge:
    """Return the check of the share of users in the middle quarter of the square."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        ways = walkers(setting)
        place_m = ways.position_m(np.arange(len(ways.first) - 1), np.array(time_s))
        if wrong:
            place_m = np.random.default_rng(setting.seed).random(place_m.shape) * SIZE_M
        return share((np.abs(place_m - 500.0) <= 250.0).all(axis=1), 0.454475)

    return judge


def mean_leg(setting: Setting, wrong: bool) -> Finding:
    """Check that two points of 1000 x 600 m are 423.908167 m apart; the mutant takes a square."""
    size_m = np.sqrt([6e5, 6e5]) if wrong else np.array([1000.0, 600.0])
    return equal(mean_leg_m(size_m), 423.908167, rel=1e-8)


def paused(setting: Setting, wrong: bool) -> Finding:
    """Check that P(paused) = E[P] / (E[P] + leg E[1/v]); the mutant starts everyone on the move."""
    slowness = math.log(HIGH / LOW) / (HIGH - LOW)
    expected = 60.0 / (60.0 + 521.405433 * slowness)
    now = fresh_legs(setting) if wrong else speeds(walkers(setting, (20.0, 100.0)), 0.0)
    return share(now == 0.0, expected)


def asked_in_any_order(setting: Setting, wrong: bool) -> Finding:
    """Check that a position does not depend on when else it is asked for; the mutant adds up steps of 1 s."""
    ways = walkers(setting)
    users, times_s = np.arange(200), np.arange(0.0, 300.0)
    forwards = np.stack([ways.position_m(users, np.array(t)) for t in times_s])
    if wrong:
        moved = np.stack([ways.legs.velocity_mps[ways.leg(users, np.array(t))] for t in times_s[:-1]])
        forwards[1:] = forwards[0] + np.cumsum(moved, axis=0)
    backwards = np.stack([ways.position_m(users, np.array(t)) for t in times_s[::-1]])[::-1]
    return no_difference(forwards, backwards, tol=0.0)


def inside(setting: Setting, wrong: bool) -> Finding:
    """Check that nobody ever leaves the area; the mutant walks straight on."""
    ways = walkers(setting)
    users, times_s = np.arange(2000)[:, None], np.linspace(0.0, LATER_S, 50)
    place_m = ways.position_m(users, times_s)
    if wrong:
        velocity_mps = ways.legs.velocity_mps[ways.first[:2000]]
        place_m = place_m[:, :1] + velocity_mps[:, None] * times_s[:, None]
    outside_m = float(np.maximum(np.maximum(-place_m, place_m - SIZE_M), 0.0).max())
    return equal(outside_m, 0.0, tol=1e-9)


_NAIVE = "everyone starts a fresh leg"
CHECKS = (
    Check("R1 speed at 0", "m/s, U(1, 20)", _NAIVE, mean_speed(0.0)),
    Check("R1 speed later", "m/s after 600 s", "the mean of a fresh leg", mean_speed(LATER_S)),
    Check("R1 law", "density 1/(v ln 20)", _NAIVE, speed_law),
    Check("R2 place at 0", "P(middle quarter)", "a uniform start", in_the_middle(0.0)),
    Check("R2 place later", "P(middle quarter)", "a uniform place", in_the_middle(LATER_S)),
    Check("R3 leg", "mean leg of 1000 x 600, m", "a square of that area", mean_leg),
    Check("R3 pauses", "P(paused)", "nobody paused at the start", paused),
    Check("R4 pure", "asked forwards, backwards", "positions added up step by step", asked_in_any_order),
    Check("R4 inside", "metres outside", "straight on at a waypoint", inside),
)
