"""The order of runs: the longest first, by the times that finished runs took."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from statistics import fmean
from typing import NamedTuple

from mecsim.study.plan import Run
from mecsim.study.run_status import RunStatus
from mecsim.study.shared_world import world_key

_Group = tuple[str, str]


class WorkEstimate(NamedTuple):
    """Estimated time of some runs: for how many it is known, and the sum of these in s."""

    known: int
    unknown: int
    wall_s: float


class RunTimes:
    """Measured wall times, and estimates from them for other runs.

    A run takes as long as the finished runs of the same scenario and policy did on average; without
    any, as long as those of the same scenario name and policy, in proportion to users times duration.
    """

    def __init__(self) -> None:
        self._exact: dict[_Group, list[float]] = defaultdict(list)
        self._alike: dict[_Group, list[float]] = defaultdict(list)

    def learn(self, run: Run, wall_s: float) -> None:
        """Add the time that a run took."""
        if math.isfinite(wall_s):
            self._exact[_group(run)].append(wall_s)
            self._alike[run.scenario.name, run.policy.label].append(wall_s / _user_seconds(run))

    @classmethod
    def of(cls, states: Iterable[RunStatus]) -> RunTimes:
        """Return the times of the runs whose manifest could be read."""
        times = cls()
        for state in states:
            if state.manifest is not None:
                times.learn(state.run, state.manifest["wall_s"])
        return times

    def wall_s(self, run: Run) -> float:
        """Return the estimated time of a run in s; NaN if no similar run has been measured."""
        if exact := self._exact.get(_group(run)):
            return fmean(exact)
        if alike := self._alike.get((run.scenario.name, run.policy.label)):
            return fmean(alike) * _user_seconds(run)
        return math.nan

    def work(self, runs: Iterable[Run]) -> WorkEstimate:
        """Return the estimated time of runs one after the other."""
        times = [self.wall_s(run) for run in runs]
        known = [time for time in times if math.isfinite(time)]
        return WorkEstimate(len(known), len(times) - len(known), sum(known))


class RunQueue:
    """The runs of a study that have not started, the longest first.

    Runs without an estimate come before all others, so that their time is known while there are still
    runs to put in order. Similar runs come by replication, so that a study that is stopped half-way
    has complete pairs. A worker goes on with the world that it has, as long as there is a run in it.
    """

    def __init__(self, runs: Sequence[Run], times: RunTimes) -> None:
        self.times = times
        self._groups: dict[_Group, list[Run]] = defaultdict(list)
        for run in reversed(runs):
            self._groups[_group(run)].append(run)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def __iter__(self) -> Iterator[Run]:
        return chain.from_iterable(self._groups.values())

    def take(self, last: Run | None = None) -> Run:
        """Return the next run for a worker that has made a last one."""
        group = max(self._groups, key=lambda group: self._urgency(self._groups[group][-1], last))
        run = self._groups[group].pop()
        if not self._groups[group]:
            del self._groups[group]
        return run

    def _urgency(self, run: Run, last: Run | None) -> tuple[bool, bool, float]:
        wall_s = self.times.wall_s(run)
        is_met = last is not None and world_key(run) == world_key(last)
        return (True, is_met, _user_seconds(run)) if math.isnan(wall_s) else (False, is_met, wall_s)


def _group(run: Run) -> _Group:
    return run.scenario_sha256, run.policy.label


def _user_seconds(run: Run) -> float:
    return run.scenario.users.count * run.scenario.duration_s
