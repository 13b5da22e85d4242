"""Outages, listed or random, and brown-outs: the resources that each server has at any time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.scenario.calendar import Failures
from mecsim.scenario.schema import Scenario

_CHUNK = 16


class ServerCondition(NamedTuple):
    """The resources that a server has.

    Parameters
    ----------
    up : bool
        False during an outage.
    bandwidth, gpu : float
        Available share of its bandwidth and of its GPU speed, in (0, 1].
    """

    up: bool = True
    bandwidth: float = 1.0
    gpu: float = 1.0


UNIMPAIRED = ServerCondition()

_Interval = tuple[float, float]


@dataclass(frozen=True, eq=False, slots=True)
class ServerConditions:
    """The conditions of M servers, constant from one change to the next.

    Parameters
    ----------
    starts_s : M lists of float
        When each condition of a server starts, the first at 0.
    values : M lists of ServerCondition
        These conditions.
    """

    starts_s: list[list[float]]
    values: list[list[ServerCondition]]

    @classmethod
    def draw(cls, scenario: Scenario, seed: int) -> ServerConditions:
        """Return the conditions of a run, up to its end."""
        calendar, count, until_s = scenario.calendar, scenario.servers.count, scenario.duration_s
        down: dict[int, list[_Interval]] = defaultdict(list)
        for outage in calendar.outages or ():
            down[outage.server].append((outage.from_s, outage.to_s))
        if calendar.failures is not None:
            for m in range(count):
                down[m] += failures_of(calendar.failures, seed, m, until_s)
        brownouts: dict[int, list[tuple[float, float, float, float]]] = defaultdict(list)
        for event in calendar.brownouts or ():
            for m in range(count) if event.server is None else (event.server,):
                brownouts[m].append((event.from_s, event.to_s, event.bandwidth, event.gpu))
        pairs = [_conditions(down[m], brownouts[m], until_s) for m in range(count)]
        return cls([starts_s for starts_s, _ in pairs], [values for _, values in pairs])

    @property
    def never_impaired(self) -> bool:
        """Whether no server is ever down or in a brown-out."""
        return all(value == UNIMPAIRED for values in self.values for value in values)

    def at(self, time_s: float) -> list[ServerCondition]:
        """Return the condition of each server at a time; at a change, the new one."""
        return [
            values[bisect_right(starts_s, time_s) - 1]
            for starts_s, values in zip(self.starts_s, self.values, strict=True)
        ]

    def changes(self) -> list[tuple[float, int, ServerCondition]]:
        """Return (time, server, condition) of every change after time 0, in order."""
        found = [
            (time_s, m, value)
            for m, (starts_s, values) in enumerate(zip(self.starts_s, self.values, strict=True))
            for time_s, value in zip(starts_s[1:], values[1:], strict=True)
        ]
        return sorted(found, key=lambda change: change[:2])


def failures_of(failures: Failures, seed: int, server: int, until_s: float) -> list[_Interval]:
    """Return the outages of one server, as intervals in order, up to a time at least.

    Times up and down are exponential. At time 0 the server is down with the stationary probability
    MTTR / (MTBF + MTTR), and the rest of that outage is exponential too.
    """
    rng = stream(seed, Purpose.FAILURES, server)
    starts_down = rng.random() * (failures.mtbf_s + failures.mttr_s) < failures.mttr_s
    means_s = np.array([failures.mtbf_s, failures.mttr_s])
    means_s = means_s[::-1] if starts_down else means_s
    draws = rng.random((_CHUNK, 2))
    while True:
        lasting = -np.log1p(-draws) * means_s
        edges_s = np.concatenate([[0.0], np.cumsum(lasting.ravel())])
        if edges_s[-1] >= until_s:
            break
        draws = np.concatenate([draws, rng.random(draws.shape)])
    edges_s = edges_s if starts_down else edges_s[1:]
    pairs = edges_s[: len(edges_s) // 2 * 2].reshape(-1, 2)
    return [(begin_s, end_s) for begin_s, end_s in pairs.tolist() if begin_s < until_s]


def _conditions(
    down: list[_Interval], brownouts: list[tuple[float, float, float, float]], until_s: float
) -> tuple[list[float], list[ServerCondition]]:
    """Return when the conditions of one server start, and what they are."""
    edges_s = {edge_s for each in (*down, *brownouts) for edge_s in each[:2] if 0 < edge_s < until_s}
    starts_s = np.array([0.0, *sorted(edges_s)])
    up, bandwidth, gpu = np.full(len(starts_s), True), np.ones(len(starts_s)), np.ones(len(starts_s))
    for begin_s, end_s in down:
        up[slice(*np.searchsorted(starts_s, (begin_s, end_s)))] = False
    for begin_s, end_s, bandwidth_left, gpu_left in brownouts:
        during = slice(*np.searchsorted(starts_s, (begin_s, end_s)))
        bandwidth[during] *= bandwidth_left
        gpu[during] *= gpu_left
    values = zip(up.tolist(), bandwidth.tolist(), gpu.tolist(), strict=True)
    return starts_s.tolist(), [ServerCondition(*value) for value in values]
