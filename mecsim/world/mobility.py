"""Where users are: ways made of straight legs at constant speed, one list of legs a user.

Every mobility model only makes legs; position and distance travelled are then pure functions of
time. A pause is a leg of speed zero.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.mobility import RandomWaypoint
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen

_CHUNK = 64


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


@dataclass(frozen=True, eq=False, slots=True)
class Trajectories:
    """The ways of all users.

    Parameters
    ----------
    legs : Legs
        The legs of user 0, then those of user 1, and so on.
    first : (N + 1,) int
        Index of each user's first leg; the last entry is the number of legs.
    moving : bool
        False if no leg has a speed: nobody ever moves.
    """

    legs: Legs
    first: Ints
    moving: bool
    _starts_s: list[float]
    _firsts: list[int]

    @classmethod
    def draw(cls, scenario: Scenario, seed: int, until_s: float) -> Trajectories:
        """Draw the ways of all users until a time at least, each from the user's own streams."""
        mobility, area = scenario.users.mobility, np.array(scenario.area.size_m)
        if isinstance(mobility, RandomWaypoint):
            ways = [random_waypoint(mobility, area, seed, n, until_s) for n in range(scenario.users.count)]
        else:
            ways = [_standing(point) for point in _placement(scenario, area, seed)]
        return cls.join(ways)

    @classmethod
    def join(cls, ways: list[Legs]) -> Trajectories:
        """Put the ways of users 0, 1, ... together."""
        names = ("start_s", "start_m", "velocity_mps", "travelled_m", "speed_mps")
        columns = [frozen(np.concatenate([getattr(way, name) for way in ways])) for name in names]
        first = np.concatenate([[0], np.cumsum([len(way.start_s) for way in ways])])
        legs = Legs(*columns)
        return cls(
            legs, frozen(first, np.int64), bool(legs.speed_mps.any()), legs.start_s.tolist(), first.tolist()
        )

    def leg(self, users: Ints, times_s: Floats) -> Ints:
        """Return the index of the leg that each user is on at each time; the arguments broadcast."""
        users, times_s = np.broadcast_arrays(users, times_s)
        low, high = self.first[users], self.first[users + 1] - 1
        start_s = self.legs.start_s
        while (low < high).any():
            middle = (low + high + 1) // 2
            reached = start_s[middle] <= times_s
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        return low

    def leg_now(self, users: Iterable[int], time_s: float) -> list[int]:
        """Return the index of the leg that each user is on at one time; ``leg`` for few users."""
        starts, first = self._starts_s, self._firsts
        return [bisect_right(starts, time_s, first[n] + 1, first[n + 1]) - 1 for n in users]

    def position_m(self, users: Ints, times_s: Floats) -> Floats:
        """Return positions in m, shape S + (2,), for users and times that broadcast to S."""
        leg = self.leg(users, times_s)
        since = (times_s - self.legs.start_s[leg])[..., None]
        position: Floats = self.legs.start_m[leg] + self.legs.velocity_mps[leg] * since
        return position

    def travelled_m(self, users: Ints, times_s: Floats) -> Floats:
        """Return the path length in m since time 0, for users and times that broadcast."""
        leg = self.leg(users, times_s)
        since = times_s - self.legs.start_s[leg]
        travelled: Floats = self.legs.travelled_m[leg] + self.legs.speed_mps[leg] * since
        return travelled


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


def random_waypoint(model: RandomWaypoint, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
    """Return the legs of a random-waypoint user who starts in the stationary law.

    Speeds are uniform and pauses uniform at each waypoint; at time 0 the user is paused or in the
    middle of a leg with the probabilities that hold at any later time.

    References
    ----------
    Navidi and Camp (2004), "Stationary distributions for the random waypoint mobility model".
    """
    start, paused_s, target, speed = _stationary_start(model, size_m, seed, user)
    rng = stream(seed, Purpose.MOBILITY_LEGS, user)
    draws = np.empty((0, 4))
    while True:
        draws = np.concatenate([draws, rng.random((_CHUNK, 4))])
        slowest, fastest = model.speed_mps
        shortest, longest = model.pause_s
        points = np.concatenate([[start, target], draws[:, :2] * size_m])
        speeds = np.concatenate([[speed], slowest + (fastest - slowest) * draws[:, 2]])
        pauses = np.concatenate([[paused_s], shortest + (longest - shortest) * draws[:, 3]])
        legs = _alternate(points, speeds, pauses)
        if legs.start_s[-1] > until_s:
            return legs


def _alternate(points: Floats, speeds: Floats, pauses: Floats) -> Legs:
    """Return the legs: pause at a point, move to the next, pause there, and so on."""
    way = np.diff(points, axis=0)
    length = np.hypot(way[:, 0], way[:, 1])
    moving_s = length / speeds
    moves = len(way)
    duration = np.stack([pauses, moving_s], axis=1).ravel()
    velocity = np.zeros((2 * moves, 2))
    velocity[1::2] = np.divide(way, moving_s[:, None], out=np.zeros_like(way), where=moving_s[:, None] > 0)
    travelled = np.concatenate([[0.0], np.cumsum(length)[:-1]])
    start_s = np.concatenate([[0.0], np.cumsum(duration)[:-1]])
    lasting = duration > 0
    lasting[-1] = True
    return Legs(
        start_s=start_s[lasting],
        start_m=np.repeat(points[:-1], 2, axis=0)[lasting],
        velocity_mps=velocity[lasting],
        travelled_m=np.repeat(travelled, 2)[lasting],
        speed_mps=np.stack([np.zeros(moves), speeds], axis=1).ravel()[lasting],
    )


def _stationary_start(
    model: RandomWaypoint, size_m: Floats, seed: int, user: int
) -> tuple[Floats, float, Floats, float]:
    """Return where the user is at time 0, how long it still pauses, where it goes, and how fast."""
    rng = stream(seed, Purpose.MOBILITY_START, user)
    slowest, fastest = model.speed_mps
    shortest, longest = model.pause_s
    mean_pause_s = (shortest + longest) / 2.0
    mean_slowness = 1.0 / slowest
    if fastest > slowest:
        mean_slowness = float(np.log(fastest / slowest)) / (fastest - slowest)
    mean_move_s = mean_leg_m(size_m) * mean_slowness
    if rng.random() * (mean_pause_s + mean_move_s) < mean_pause_s:
        # The pause met at a random moment has a density proportional to its length.
        pause = np.sqrt(shortest**2 + rng.random() * (longest**2 - shortest**2))
        speed = slowest + (fastest - slowest) * rng.random()
        here, target = rng.random(2) * size_m, rng.random(2) * size_m
        return here, float(pause * rng.random()), target, float(speed)
    # So has the leg; and its speed a density proportional to 1/v.
    while True:
        origin, target = rng.random(2) * size_m, rng.random(2) * size_m
        if rng.random() * np.hypot(*size_m) < np.hypot(*(target - origin)):
            break
    speed = slowest * (fastest / slowest) ** rng.random()
    here = origin + (target - origin) * rng.random()
    return here, 0.0, target, float(speed)


def _standing(point: Floats) -> Legs:
    zero = np.zeros(1)
    return Legs(zero, point[None, :], np.zeros((1, 2)), zero, zero)


def _placement(scenario: Scenario, size_m: Floats, seed: int) -> Floats:
    if scenario.users.positions_m is not None:
        return np.array(scenario.users.positions_m, dtype=np.float64)
    draws = [stream(seed, Purpose.PLACEMENT, n).random(2) for n in range(scenario.users.count)]
    return np.array(draws) * size_m
