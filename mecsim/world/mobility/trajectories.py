"""The trajectories of all users as one pure function of time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from mecsim.errors import PluginError, RunFailed
from mecsim.rng import Purpose, stream
from mecsim.scenario.calendar import FlashCrowd
from mecsim.scenario.models import Model, ships_with_mecsim
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.channel.waves import GRID
from mecsim.world.mobility.followed import replay_of
from mecsim.world.mobility.legs import Legs, standing
from mecsim.world.mobility.model import MobilityModel, drawn_legs
from mecsim.world.mobility.replay import Replay, TraceReplay
from mecsim.world.population import Population

FIRST_S = 7200.0
"""Time until which trajectories are drawn at the start of a longer run."""

# Legs of a user to begin with, and for how long they are counted to see how many come.
_FIRST_LEGS, _TRIED_S = 20_000, 60.0
_MOST_TRIALS = 1000

MOST_LEGS = 20_000_000
"""Most legs that are kept, about 100 bytes each."""


@dataclass(frozen=True, eq=False, slots=True)
class Trajectories:
    """The trajectories of all users.

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
        """Draw the trajectories of all users until a time at least, each from the user's own streams.

        ``population`` and ``replayed`` are worked out from the scenario where they are not given.
        """
        replayed = replayed or replay_of(scenario)
        seen_s = None if replayed is None else (replayed.enters_s, replayed.leaves_s)
        population = population or Population.draw(scenario, seed, seen_s)
        size_m = np.array(scenario.area.size_m)
        followed = {} if replayed is None else dict(enumerate(replayed.legs))
        models = _models(scenario)
        return cls.join(
            [
                followed.get(n) or _legs(scenario, population, models, n, size_m, seed, until_s)
                for n in range(population.count)
            ]
        )

    @classmethod
    def join(cls, each: list[Legs]) -> Trajectories:
        """Return the trajectories of users 0, 1, ... from the legs of each."""
        names = ("start_s", "start_m", "velocity_mps", "travelled_m", "speed_mps")
        columns = [frozen(np.concatenate([getattr(legs, name) for legs in each])) for name in names]
        first = np.concatenate([[0], np.cumsum([len(legs.start_s) for legs in each])])
        legs = Legs(*columns)
        return cls(
            legs, frozen(first, np.int64), bool(legs.speed_mps.any()), legs.start_s.tolist(), first.tolist()
        )

    def leg(self, users: Ints, times_s: Floats) -> Ints:
        """Return the index of the leg that each user is on at each time; the arguments broadcast."""
        if np.ndim(times_s) == 0:
            now = self.leg_now(np.ravel(users).tolist(), float(times_s))
            return np.array(now, dtype=np.int64).reshape(np.shape(users))
        users, times_s = np.broadcast_arrays(users, times_s)
        low, high = self.first[users], self.first[users + 1] - 1
        start_s = self.legs.start_s
        while (low < high).any():
            middle = (low + high + 1) // 2
            reached = start_s[middle] <= times_s
            low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
        return low

    def leg_now(self, users: Iterable[int], time_s: float) -> list[int]:
        """Return the index of the leg that each user is on at one time, as :meth:`leg` does."""
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


class GrowingTrajectories:
    """The trajectories of all users, drawn as far as they have been asked for.

    When a later time is asked for, all trajectories are drawn again until twice the time. That gives the
    same legs and more, since the streams start again, so nothing depends on when that happens.

    Parameters
    ----------
    scenario : Scenario
    seed : int
    population : Population
    replayed : Replay or None
    """

    def __init__(
        self, scenario: Scenario, seed: int, population: Population, replayed: Replay | None
    ) -> None:
        end_s = scenario.duration_s + GRID * scenario.channel.fading.block_s  # the last time of a run
        self._draw = partial(Trajectories.draw, scenario, seed, population=population, replayed=replayed)
        self._is_checked = not all(ships_with_mecsim(model) for model in _models(scenario))
        self._end_s, self.until_s = end_s, min(end_s, _first_s(scenario, seed))
        self.drawn = self._draw(until_s=self.until_s)
        if _may_move(scenario):
            while not self.drawn.moving and self.until_s < end_s:
                self.until(2.0 * self.until_s)

    def reaching(self, times_s: Floats) -> Trajectories:
        """Return trajectories that reach all of some times."""
        return self.until(float(np.max(times_s, initial=0.0)))

    def until(self, time_s: float) -> Trajectories:
        """Return trajectories that reach a time.

        Raises
        ------
        RunFailed
            If they would have more than :data:`MOST_LEGS` legs.
        """
        if self.until_s < time_s < np.inf:
            until_s = max(time_s, 2.0 * self.until_s)
            until_s = min(until_s, self._end_s) if time_s <= self._end_s else until_s
            legs = len(self.drawn.legs.start_s)
            if legs * (until_s / self.until_s) > MOST_LEGS:
                raise RunFailed(
                    f"t = {time_s:g} s: the trajectories have {legs:,} legs until {self.until_s:g} s and "
                    f"would have more than {MOST_LEGS:,} until {until_s:g} s; make duration_s shorter or use "
                    "fewer or slower users"
                )
            drawn = self._draw(until_s=until_s)
            if self._is_checked:
                _check_same(self.drawn, drawn, self.until_s)
            self.until_s, self.drawn = until_s, drawn
        return self.drawn


def _check_same(shorter: Trajectories, longer: Trajectories, until_s: float) -> None:
    """Raise `PluginError` if trajectories drawn until a later time have another past."""
    for n, (first, beyond) in enumerate(pairwise(shorter.first.tolist())):
        count = int(np.searchsorted(shorter.legs.start_s[first:beyond], until_s, side="right"))
        one, other = (slice(k, k + count) for k in (first, int(longer.first[n])))
        for name in ("start_s", "start_m", "velocity_mps", "travelled_m", "speed_mps"):
            if not np.array_equal(getattr(shorter.legs, name)[one], getattr(longer.legs, name)[other]):
                raise PluginError(
                    f"mobility model of user {n}: until a later time than {until_s:g} s it gives other legs "
                    "before that time too; a later time must give the same legs and more"
                )


def _first_s(scenario: Scenario, seed: int) -> float:
    """Return until when to draw at first: less than :data:`FIRST_S` if users turn very often."""
    size_m, most = np.array(scenario.area.size_m), 1
    for model in _models(scenario):
        assert isinstance(model, MobilityModel)
        if not isinstance(model, TraceReplay):
            most = max(most, len(drawn_legs(model, size_m, seed, 0, _TRIED_S).start_s))
    return float(np.clip(_TRIED_S * _FIRST_LEGS / most, _TRIED_S, FIRST_S))


def _may_move(scenario: Scenario) -> bool:
    """Return whether anybody may move later who stands at first, those of a trace left out."""
    return any(
        not ships_with_mecsim(model)
        or (
            not isinstance(model, TraceReplay)
            and isinstance(model, MobilityModel)
            and model.fastest_mps() != 0
        )
        for model in _models(scenario)
    )


def _models(scenario: Scenario) -> list[Model]:
    """Return the mobility of each class of users, and as the last one that of users without a class.

    A model that others wrote is a copy, whatever it does to itself.
    """
    users = scenario.users
    models = [each.mobility or users.mobility for each in users.classes or ()]
    return [m if ships_with_mecsim(m) else m.model_copy(deep=True) for m in (*models, users.mobility)]


def _legs(
    scenario: Scenario,
    population: Population,
    models: list[Model],
    user: int,
    size_m: Floats,
    seed: int,
    until_s: float,
) -> Legs:
    """Return the legs of a user who is in no trace."""
    users, crowd = scenario.users, int(population.crowd[user])
    if crowd >= 0:
        return standing(_place_in((scenario.calendar.flash_crowds or ())[crowd], size_m, seed, user))
    kind = int(population.kind[user])
    has_own = users.classes is not None and users.classes[kind].mobility is not None
    if not has_own and users.places_m is not None and user < users.count:
        return standing(np.array(users.places_m[user], dtype=np.float64))
    model = models[kind]
    assert isinstance(model, MobilityModel)
    return drawn_legs(model, size_m, seed, user, until_s)


def _place_in(crowd: FlashCrowd, size_m: Floats, seed: int, user: int) -> Floats:
    """Return a uniformly random place of a crowd's disc, as far as it lies in the area."""
    rng, centre_m = stream(seed, Purpose.CROWD_PLACE, user), np.array(crowd.at_m, dtype=np.float64)
    for _ in range(_MOST_TRIALS):
        away = 2.0 * rng.random(2) - 1.0
        place: Floats = centre_m + crowd.radius_m * away
        if np.hypot(*away) <= 1.0 and (place >= 0).all() and (place <= size_m).all():
            return place
    # The disc is far larger than the area: draw in the part of its square that lies in the area.
    low_m = np.maximum(centre_m - crowd.radius_m, 0.0)
    high_m = np.minimum(centre_m + crowd.radius_m, size_m)
    while True:
        place = low_m + (high_m - low_m) * rng.random(2)
        if np.hypot(*(place - centre_m)) <= crowd.radius_m:
            return place
