"""The ways of all users as one pure function of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.calendar import FlashCrowd
from mecsim.scenario.mobility import GaussMarkov, Group, Manhattan, Mobility, RandomWaypoint, TraceReplay
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.mobility.gauss_markov import gauss_markov
from mecsim.world.mobility.group import group_member
from mecsim.world.mobility.legs import Legs, standing
from mecsim.world.mobility.manhattan import manhattan
from mecsim.world.mobility.replay import Replay, replay
from mecsim.world.mobility.waypoint import random_waypoint
from mecsim.world.population import Population


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
    def draw(
        cls,
        scenario: Scenario,
        seed: int,
        until_s: float,
        population: Population | None = None,
        replayed: Replay | None = None,
    ) -> Trajectories:
        """Draw the ways of all users until a time at least, each from the user's own streams.

        ``population`` and ``replayed`` are worked out from the scenario where they are not given.
        """
        replayed = replayed or replay_of(scenario)
        seen_s = None if replayed is None else (replayed.enters_s, replayed.leaves_s)
        population = population or Population.draw(scenario, seed, seen_s)
        size_m = np.array(scenario.area.size_m)
        ways = [] if replayed is None else list(replayed.ways)
        ways += [
            _way(scenario, population, n, size_m, seed, until_s) for n in range(len(ways), population.count)
        ]
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


def replay_of(scenario: Scenario) -> Replay | None:
    """Return the trace of a scenario's users, or None if their ways are drawn."""
    users = scenario.users
    if not isinstance(users.mobility, TraceReplay):
        return None
    return replay(users.mobility, scenario.area, users.count)


def _way(
    scenario: Scenario, population: Population, user: int, size_m: Floats, seed: int, until_s: float
) -> Legs:
    """Return the way of a user who is in no trace."""
    users, crowd = scenario.users, int(population.crowd[user])
    if crowd >= 0:
        return standing(_place_in((scenario.calendar.flash_crowds or ())[crowd], size_m, seed, user))
    own = users.classes[int(population.kind[user])].mobility if users.classes else None
    if own is None and users.positions_m is not None and user < users.count:
        return standing(np.array(users.positions_m[user], dtype=np.float64))
    return way_of(own or users.mobility, size_m, seed, user, until_s)


def _place_in(crowd: FlashCrowd, size_m: Floats, seed: int, user: int) -> Floats:
    """Return a uniformly random place of a crowd's disc, as far as it lies in the area."""
    rng, centre_m = stream(seed, Purpose.CROWD_PLACE, user), np.array(crowd.at_m, dtype=np.float64)
    while True:
        away = 2.0 * rng.random(2) - 1.0
        place: Floats = centre_m + crowd.radius_m * away
        if np.hypot(*away) <= 1.0 and (place >= 0).all() and (place <= size_m).all():
            return place


def way_of(mobility: Mobility, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
    """Return the way of one user by a mobility model, from the user's own streams.

    Parameters
    ----------
    mobility : Mobility
        Any model but a trace, whose users are not drawn.
    size_m : (2,) float
        The area.
    seed, user : int
    until_s : float
        Time until which the way is asked for; at time 0 the user is in the stationary law.
    """
    if isinstance(mobility, RandomWaypoint):
        return random_waypoint(mobility, size_m, seed, user, until_s)
    if isinstance(mobility, GaussMarkov):
        return gauss_markov(mobility, size_m, seed, user, until_s)
    if isinstance(mobility, Manhattan):
        return manhattan(mobility, size_m, seed, user, until_s)
    if isinstance(mobility, Group):
        return group_member(mobility, size_m, seed, user, until_s)
    return standing(stream(seed, Purpose.PLACEMENT, user).random(2) * size_m)
