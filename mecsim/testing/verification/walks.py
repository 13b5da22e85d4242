"""Gauss-Markov, Manhattan and group mobility in their stationary laws: rows R1 and R2.

Each law is checked at time 0 or, where a wrong start would show, later.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.stats import rice

from mecsim.system.arrays import Floats
from mecsim.testing.verification.finding import Check, Finding, Judge, Law, Setting, follows, mean, share
from mecsim.testing.verification.mobility import JUMPS
from mecsim.testing.verification.mutant import replaced, reused
from mecsim.world.mobility import gauss_markov, manhattan
from mecsim.world.mobility.gauss_markov import GaussMarkov
from mecsim.world.mobility.group import Group, followed_point
from mecsim.world.mobility.legs import Legs, held_velocities
from mecsim.world.mobility.manhattan import Manhattan, StreetGrid
from mecsim.world.mobility.trajectories import Trajectories

USERS, LATER_S = 3000, 60.0
WANDER = GaussMarkov(memory=0.8, mean_speed_mps=1.5, sigma_mps=1.0, step_s=1.0)
FIELD_M = np.array([100.0, 60.0])
_RICE = rice(WANDER.mean_speed_mps / WANDER.sigma_mps, scale=WANDER.sigma_mps)
SPEED = Law(_RICE.cdf, _RICE.ppf)
ALONG_X = Law(lambda x: np.clip(x / FIELD_M[0], 0.0, 1.0), lambda p: FIELD_M[0] * p)

# 3 x 2 blocks of 50 m: of the 17 sides of blocks 10 lie at the edge of the grid.
BLOCKS, BLOCK_M, EDGE_SHARE = (3, 2), 50.0, 10.0 / 17.0
SLOW, FAST = 2.0, 12.0
STREETS = Manhattan(
    street_spacing_m=BLOCK_M, speed_mps=(SLOW, FAST), pause_s=(0.0, 0.0), turn_probabilities=(0.6, 0.3, 0.1)
)
STREET_SPEED_MPS = (FAST - SLOW) / math.log(FAST / SLOW)

RADIUS_M, GROUPS = 20.0, 1500
GROUP = Group(groups=GROUPS, radius_m=RADIUS_M, speed_mps=(2.0, 6.0), member_speed_mps=(0.5, 1.5))
# Of the distance over the radius: E r^2 and E r^4 for the density ~ r (1 - r^2) E(r), by quadrature.
SQUARE, FOURTH = 0.314286, 0.151020
PARK_M = np.array([140.0, 140.0])


def _at(ways: Trajectories, time_s: float) -> Floats:
    """Return the places of all users."""
    return ways.position_m(np.arange(len(ways.first) - 1), np.array(time_s))


def _velocity(ways: Trajectories, time_s: float) -> Floats:
    found: Floats = ways.legs.velocity_mps[ways.leg(np.arange(len(ways.first) - 1), np.array(time_s))]
    return found


@reused
def wanderers(setting: Setting) -> Trajectories:
    """Return Gauss-Markov users between borders that are mirrors."""
    users = range(setting.count(USERS))
    return Trajectories.join([WANDER.legs(FIELD_M, 40 + setting.seed, n, LATER_S) for n in users])


def wandering_speed(setting: Setting) -> Finding:
    """Check Rice's law of the speed after a minute."""
    velocity = _velocity(wanderers(setting), LATER_S)
    return follows(np.hypot(*velocity.T), SPEED)


def wandering_memory(setting: Setting) -> Finding:
    """Check the correlation memory^2 of the velocity after two steps.

    Borders reverse a velocity, so they are far away here.
    """
    model = WANDER.model_copy(update={"mean_speed_mps": 0.0})
    users = range(setting.count(USERS))
    far_m = np.array([1e6, 1e6])
    ways = Trajectories.join([model.legs(far_m, 50 + setting.seed, n, 5.0) for n in users])
    rho = WANDER.memory**2
    product = _velocity(ways, 0.5) * _velocity(ways, 2.5)
    return mean(product, rho, math.sqrt(1.0 + rho**2))


def wandering_place(setting: Setting) -> Finding:
    """Check that x is uniform after a minute."""
    x_m = _at(wanderers(setting), LATER_S)[:, 0]
    return follows(x_m, ALONG_X)


@reused
def walkers(setting: Setting) -> Trajectories:
    """Return users of 3 x 2 blocks."""
    users, size_m = range(setting.count(USERS)), np.array(BLOCKS) * BLOCK_M
    return Trajectories.join([STREETS.legs(size_m, 60 + setting.seed, n, LATER_S) for n in users])


def street_speed(setting: Setting) -> Finding:
    """Check the mean speed (v2 - v1) / ln(v2 / v1) at 0."""
    spread = (FAST**2 - SLOW**2) / (2.0 * math.log(FAST / SLOW)) - STREET_SPEED_MPS**2
    speed = np.hypot(*_velocity(walkers(setting), 0.0).T)
    return mean(speed, STREET_SPEED_MPS, math.sqrt(spread))


def at_the_edge(time_s: float) -> Judge:
    """Return the check of the share of users on streets at the edge."""

    def judge(setting: Setting) -> Finding:
        place = _at(walkers(setting), time_s) / BLOCK_M
        off = np.abs(place - np.round(place))
        along_x = off[:, 1] <= off[:, 0]
        across = np.where(along_x, np.round(place[:, 1]), np.round(place[:, 0]))
        return share((across == 0) | (across == np.where(along_x, BLOCKS[1], BLOCKS[0])), EDGE_SHARE)

    return judge


def about_the_point(setting: Setting) -> Finding:
    """Check the mean square of the distance from the point that is followed."""
    count = setting.count(GROUPS)
    model = GROUP.model_copy(update={"groups": count})
    seed, groups = 70 + setting.seed, range(count)
    points = Trajectories.join([followed_point(model, PARK_M, seed, g, LATER_S) for g in groups])
    members = Trajectories.join([model.legs(PARK_M, seed, g, LATER_S) for g in groups])
    square = ((_at(members, LATER_S) - _at(points, LATER_S)) ** 2).sum(axis=1) / RADIUS_M**2
    return mean(square, SQUARE, math.sqrt(FOURTH - SQUARE**2))


def _other_model(change: Callable[[GaussMarkov], dict[str, float]]) -> Callable[[Any], Any]:
    return lambda legs: lambda model, *rest: legs(model.model_copy(update=change(model)), *rest)


def _held(mirrored: Any) -> Any:
    def broken(start_s: Floats, start_m: Floats, velocity_mps: Floats, size_m: Floats) -> Legs:
        return held_velocities(start_s, np.clip(start_m, 0.0, size_m), np.zeros_like(velocity_mps))

    return broken


def _fresh_speed(stationary_speed_mps: Any) -> Any:
    return lambda speed_mps, rng: float(rng.uniform(*speed_mps))


def _crossings_alike(directed_block: Any) -> Any:
    def broken(grid: StreetGrid, number: int) -> tuple[int, int, int]:
        x, y = number % (BLOCKS[0] + 1), number // (BLOCKS[0] + 1) % (BLOCKS[1] + 1)
        return x, y, next(heading for heading in range(4) if grid.exists(x, y, heading))

    return broken


def _inwards(turn_law: Any) -> Any:
    def broken(ways: tuple[bool, bool, bool], probabilities: Any) -> Any:
        # Where a way is missing, nobody goes straight on who can turn.
        straight, left, right = ways
        only = ways if all(ways) else (straight and not (left or right), left, right)
        return turn_law(only, probabilities)

    return broken


SMALL_PUSHES = replaced(
    "pushes of 1 - a",
    GaussMarkov,
    "legs",
    _other_model(lambda m: {"sigma_mps": m.sigma_mps * math.sqrt((1.0 - m.memory) / (1.0 + m.memory))}),
)
LONG_MEMORY = replaced(
    "the memory of half a step",
    GaussMarkov,
    "legs",
    _other_model(lambda m: {"memory": math.sqrt(m.memory)}),
)
HELD = replaced("borders that hold", gauss_markov, "mirrored", _held)
FRESH_SPEED = replaced("everyone starts a fresh block", manhattan, "stationary_speed_mps", _fresh_speed)
CROSSINGS = replaced("crossings, not streets, alike", StreetGrid, "directed_block", _crossings_alike)
INWARDS = replaced("turns inwards at the edge", manhattan, "turn_law", _inwards)

CHECKS = (
    Check("R1 Gauss-Markov", "speed ~ Rice after 60 s", wandering_speed, SMALL_PUSHES),
    Check("R1 memory", "correlation after 2 steps", wandering_memory, LONG_MEMORY, bug_size=1),
    Check("R2 Gauss-Markov", "x uniform after 60 s", wandering_place, HELD),
    Check("R1 streets", "m/s, U(2, 12)", street_speed, FRESH_SPEED),
    Check("R2 streets at 0", "share at the edge", at_the_edge(0.0), CROSSINGS, bug_size=0.5),
    Check("R2 streets later", "share at the edge", at_the_edge(LATER_S), INWARDS),
    Check("R2 group", "(distance / radius)^2", about_the_point, JUMPS),
)
