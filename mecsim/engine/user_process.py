"""The life of a user as a SimPy process: one for each way in which rounds follow each other."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from itertools import dropwhile

import numpy as np
from simpy import Event

from mecsim.engine.clock import Clock, EventKind
from mecsim.engine.roster import Roster
from mecsim.engine.round_barrier import RoundBarrier
from mecsim.engine.round_runner import RoundRunner
from mecsim.errors import RunFailed
from mecsim.scenario.workload import Continuous, Synchronous
from mecsim.world.world import World

_SHORTEST_S = 1e-9

Process = Generator[Event, None, None]


class UserProcesses:
    """Starts the processes of users, docs/model.md section 10.

    Parameters
    ----------
    clock : Clock
    world : World
    roster : Roster
    runner : RoundRunner
    barrier : RoundBarrier
        Where users of `synchronous` rounds wait for each other.
    leave : callable
        Called with a user who has done all its rounds.
    """

    def __init__(
        self,
        clock: Clock,
        world: World,
        roster: Roster,
        runner: RoundRunner,
        barrier: RoundBarrier,
        leave: Callable[[int], None],
    ) -> None:
        self._clock, self._world, self._roster = clock, world, roster
        self._runner, self._barrier, self._leave = runner, barrier, leave
        self._begun = np.full(world.user_count, -1)
        self._next_round = [0] * world.user_count
        self._round_limit: list[int] = world.population.round_limit.tolist()
        rounds = world.scenario.workload.rounds
        self._think_s = rounds.think_s if isinstance(rounds, Continuous | Synchronous) else 0.0
        kinds = {Continuous: self._continuous, Synchronous: self._synchronous}
        self._process = kinds.get(type(rounds), self._arriving)

    def begin(self, users: Iterable[int]) -> None:
        """Let users start their rounds who have been given an allocation for the first time in their stay."""
        given, stay = np.asarray(users), np.array(self._roster.stay)
        for n in given[self._begun[given] < stay[given]].tolist():
            if self._roster.is_present[n]:
                self._begun[n] = stay[n]
                self._clock.process(self._process(n))

    def _continuous(self, user: int) -> Process:
        """Run round after round, with time to think between them."""
        stay, first = self._roster.stay[user], self._next_round[user]
        yield self._clock.event_at(self._clock.now, EventKind.START, user)
        arrival_s = self._roster.since_s[user]
        for index in range(first, self._round_limit[user]):
            if index > first:
                yield from self._think(user)
                arrival_s = self._clock.now
            if not self._roster.is_on(user, stay):
                return
            yield from self._chained_round(user, index, arrival_s)
        self._leave(user)

    def _synchronous(self, user: int) -> Process:
        """Run rounds that start together with those of all other users."""
        stay, first = self._roster.stay[user], self._next_round[user]
        yield self._clock.event_at(self._clock.now, EventKind.START, user)
        if self._barrier.is_under_way:
            yield self._barrier.next_start()
            yield from self._think(user)
        arrival_s = self._roster.since_s[user]
        for index in range(first, self._round_limit[user]):
            if index > first:
                yield self._barrier.finished(user)
                yield from self._think(user)
                arrival_s = self._clock.now
            if not self._roster.is_on(user, stay):
                return
            self._barrier.join(user)
            yield from self._chained_round(user, index, arrival_s)
        self._leave(user)

    def _arriving(self, user: int) -> Process:
        """Run rounds that arrive by themselves; one that finds another in progress waits for it."""
        stay, since_s = self._roster.stay[user], self._roster.since_s[user]
        arrivals_s = self._world.workload.arrivals(user, self._world.scenario.duration_s)
        yield self._clock.event_at(self._clock.now, EventKind.START, user)
        coming = dropwhile(lambda time_s: time_s < since_s, arrivals_s)
        for index, arrival_s in enumerate(coming, start=self._next_round[user]):
            if arrival_s > self._clock.now:
                yield self._clock.event_at(arrival_s, EventKind.START, user)
            if not self._roster.is_on(user, stay):
                return
            self._next_round[user] = index + 1
            yield from self._runner.run(user, index, arrival_s)
            if index + 1 >= self._round_limit[user]:
                self._leave(user)
                return

    def _think(self, user: int) -> Process:
        if self._think_s > 0:
            yield self._clock.event_at(self._clock.now + self._think_s, EventKind.START, user)

    def _chained_round(self, user: int, index: int, arrival_s: float) -> Process:
        """Run a round that leads to the next.

        Raises
        ------
        RunFailed
            If the next follows at once and this one takes next to no time: the run would never end.
        """
        started_s = self._clock.now
        self._next_round[user] = index + 1
        yield from self._runner.run(user, index, arrival_s)
        if self._think_s == 0 and self._clock.now - started_s < _SHORTEST_S:
            raise RunFailed(
                f"round {index} of user {user} at t = {started_s!r} s takes less than {_SHORTEST_S:g} s: "
                "too little work, or rates too large, for rounds that follow one another"
            )
