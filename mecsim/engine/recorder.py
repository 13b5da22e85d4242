"""What happened, in columns: one row a round, an epoch, a generation, a position, a grant."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.grant_log import GrantLog
from mecsim.engine.guard import CAUSES, STATUSES
from mecsim.engine.round import RoundLog
from mecsim.scenario.schema import Scenario
from mecsim.system.equations import service_cost_ratio
from mecsim.world.world import World

Table = dict[str, NDArray[Any]]
Stays = tuple[NDArray[np.float64], NDArray[np.float64]]
"""When each user came and left, (N,) in s: infinite if it never did."""

Outcome = Literal["finished", "unfinished", "dropped", "out_of_energy"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

_PHASES = ("local", "uplink", "server", "downlink")
_CHUNK_ROWS = 1024

# 145 bytes a round; the delay and the energy are sums of other columns and made at the end.
_ROUND: list[tuple[str, str]] = [
    *[("user", "i4"), ("round", "i4"), ("server_first", "i2"), ("server_last", "i2")],
    *[("local_fraction", "f8"), ("start_s", "f8")],
    *[(f"{phase}_s", "f8") for phase in _PHASES],
    *[("stall_s", "f8"), ("interruption_s", "f8"), ("wait_s", "f8")],
    *[(f"{phase}_j", "f8") for phase in _PHASES],
    *[("score", "f8"), ("handovers", "i4"), ("moved_bits", "f8"), ("outcome", "i1")],
    *[("restarts", "i4"), ("epoch", "i4")],
]
_EPOCH: list[tuple[str, str]] = [
    *[("epoch", "i4"), ("time_s", "f8"), ("score", "f8"), ("delay_s", "f8"), ("energy_j", "f8")],
    *[("scr", "f8"), ("decision_cpu_s", "f8"), ("iterations", "i4"), ("status", "i1")],
    *[("handovers", "i4"), ("realised_energy_j", "f8"), ("rounds_finished", "i4")],
    *[("cause", "i1"), ("in_force_s", "f8")],
]
_CODES = {
    "outcome": np.array(OUTCOMES),
    "status": np.array(STATUSES),
    "cause": np.array(CAUSES),
}


@dataclass(frozen=True, eq=False, slots=True)
class RunRecord:
    """Everything one run recorded; :mod:`mecsim.tables` lists the columns.

    Parameters
    ----------
    rounds, epochs, generations, positions, allocations : dict of arrays
        The five tables.
    ledger : dict of arrays
        Work and energy of the whole run, for conservation: ``work_started``, ``work_served``,
        ``work_left`` and ``work_dropped``, which was still left when a round lost it, (N, 4) by phase
        in FLOP and bit; ``user_meter_j`` (N,), ``server_meter_j`` (M,).
    counts : dict
        ``events`` scheduled, ``epochs``, ``holds``, ``late`` decisions, ``handovers``, ``rounds``
        finished.
    """

    rounds: Table
    epochs: Table
    generations: Table
    positions: Table
    allocations: Table
    ledger: Table
    counts: dict[str, int]


class EpochRow(NamedTuple):
    """One row of the epochs table.

    ``status`` counts in :data:`~mecsim.engine.guard.STATUSES`, ``cause`` in
    :data:`~mecsim.engine.guard.CAUSES`.
    """

    epoch: int
    time_s: float
    score: float
    delay_s: float
    energy_j: float
    scr: float
    decision_cpu_s: float
    iterations: int
    status: int
    handovers: int
    realised_energy_j: float
    rounds_finished: int
    cause: int
    in_force_s: float


class Recorder:
    """Takes rounds and epochs as they end, and ``grants`` as they are put in force."""

    def __init__(self) -> None:
        self.grants = GrantLog()
        self._rounds = _Rows(_ROUND)
        self._epochs = _Rows(_EPOCH)

    def round(self, log: RoundLog, outcome: Outcome) -> None:
        """Take one round, finished or not."""
        self._rounds.append(
            (
                log.user, log.index, log.server_first, log.server_last, log.local_fraction, log.start_s,
                *log.time_s, log.stall_s, log.interruption_s, log.start_s - log.arrival_s,
                *log.energy_j, log.mean_score(), log.handovers, log.moved_bits, OUTCOMES.index(outcome),
                log.restarts, log.epoch,
            )
        )  # fmt: skip

    def epoch(self, row: EpochRow) -> None:
        """Take one epoch, once it is over."""
        self._epochs.append(row)

    def tables(self, world: World, stays_s: Stays | None = None) -> dict[str, Table]:
        """Return the five tables; ``stays_s`` says who was there when, by default everybody always."""
        rounds, epochs = _with_sums(self._rounds.table()), self._epochs.table()
        realised_scr = realised(rounds, epochs["time_s"], world.scenario, stays_s)
        residents = None if stays_s is None else world.population.residents
        return {
            "rounds": rounds,
            "epochs": epochs | {"realised_scr": realised_scr},
            "generations": generations(rounds, epochs, world.scenario, residents),
            "positions": positions(world, stays_s),
            "allocations": self.grants.table(),
        }


class _Rows:
    """A table that grows by rows, without moving those it has."""

    def __init__(self, columns: list[tuple[str, str]]) -> None:
        self._dtype = np.dtype(columns)
        self._chunks: list[NDArray[np.void]] = []
        self._count = 0

    def append(self, row: tuple[Any, ...]) -> None:
        at = self._count % _CHUNK_ROWS
        if at == 0:
            self._chunks.append(np.zeros(_CHUNK_ROWS, dtype=self._dtype))
        self._chunks[-1][at] = row
        self._count += 1

    def table(self) -> Table:
        rows = np.concatenate([*self._chunks, np.zeros(0, dtype=self._dtype)])[: self._count]
        columns = {name: np.ascontiguousarray(rows[name]) for name in self._dtype.names or ()}
        return {name: _CODES[name][column] if name in _CODES else column for name, column in columns.items()}


def _with_sums(rounds: Table) -> Table:
    """Return the rounds with the delay before the energies, and the energy before the score."""
    table: Table = {}
    for name, column in rounds.items():
        if name == "local_j":
            parts = [*(f"{phase}_s" for phase in _PHASES), "stall_s", "interruption_s"]
            table["delay_s"] = sum_columns(table, parts)
        if name == "score":
            table["energy_j"] = sum_columns(table, [f"{phase}_j" for phase in _PHASES])
        table[name] = column
    return table


def sum_columns(table: Table, names: list[str]) -> NDArray[np.float64]:
    """Return the sum of some columns, added in the given order."""
    total = table[names[0]].copy()
    for name in names[1:]:
        total += table[name]
    return total


def generations(
    rounds: Table, epochs: Table, scenario: Scenario, residents: NDArray[np.bool_] | None = None
) -> Table:
    """Return one row for each k whose k-th round every user has finished, docs/model.md section 13.

    Where users come and go, the generations are those of the ``residents``, (N,) bool.
    """
    finished = rounds["outcome"] == "finished"
    count = scenario.users.count
    if residents is not None:
        finished = finished & residents[rounds["user"]]
        count = int(residents.sum())
    index = rounds["round"][finished]
    users = np.bincount(index)
    score = np.bincount(index, weights=rounds["score"][finished])
    energy_j = np.bincount(index, weights=rounds["energy_j"][finished])
    delay_s = np.zeros(len(users))
    np.maximum.at(delay_s, index, rounds["delay_s"][finished])
    # A round starts after the decision of the same instant.
    epoch = np.searchsorted(epochs["time_s"], rounds["start_s"][finished], side="right") - 1
    promised = np.bincount(index, weights=epochs["scr"][epoch])
    whole = np.flatnonzero(users == count)
    weights = (scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j)
    scr = [service_cost_ratio(score[k], delay_s[k], energy_j[k], *weights) for k in whole]
    return {
        "round": whole,
        "users": users[whole],
        "score": score[whole],
        "delay_s": delay_s[whole],
        "energy_j": energy_j[whole],
        "scr": np.array(scr, dtype=np.float64),
        "predicted_scr": promised[whole] / users[whole],
    }


def realised(
    rounds: Table, decided_s: NDArray[np.float64], scenario: Scenario, stays_s: Stays | None = None
) -> NDArray[np.float64]:
    """Return for each epoch the SCR of every user's last round that ended by its end, or NaN.

    ``decided_s`` (E,) are the times of the decisions, increasing; the last epoch ends with the run.
    Where users come and go, those count who are there at the end of the epoch and have finished a
    round by then.
    """
    ends_s = np.append(decided_s[1:], np.inf)[: len(decided_s)]
    score, delay_s, energy_j = (np.zeros(len(ends_s)) for _ in range(3))
    complete = np.full(len(ends_s), stays_s is None)
    done = np.flatnonzero(rounds["outcome"] == "finished")
    done = done[np.lexsort((rounds["round"][done], rounds["user"][done]))]
    count = scenario.users.count if stays_s is None else len(stays_s[0])
    edges = np.searchsorted(rounds["user"][done], np.arange(count + 1))
    for n, (first, beyond) in enumerate(pairwise(edges)):
        own = done[first:beyond]
        last = np.searchsorted(rounds["start_s"][own] + rounds["delay_s"][own], ends_s, side="right") - 1
        counts = np.full(len(ends_s), True)
        if stays_s is None:
            complete &= last >= 0
        else:
            counts = (stays_s[0][n] < ends_s) & (stays_s[1][n] >= ends_s) & (last >= 0)
            complete |= counts
        if len(own) > 0:
            score += np.where(counts, rounds["score"][own][last], 0.0)
            energy_j += np.where(counts, rounds["energy_j"][own][last], 0.0)
            np.maximum(delay_s, np.where(counts, rounds["delay_s"][own][last], 0.0), out=delay_s)
    weights = (scenario.objective.delay_weight_per_s, scenario.objective.energy_weight_per_j)
    each = zip(score, delay_s, energy_j, strict=True)
    scr = np.array([service_cost_ratio(*sums, *weights) for sums in each], dtype=np.float64)
    return np.where(complete, scr, np.nan)


def positions(world: World, stays_s: Stays | None = None) -> Table:
    """Return where everybody who was there was, every ``record.positions_s`` seconds, in order of time."""
    scenario = world.scenario
    count = int(np.ceil(scenario.duration_s / scenario.record.positions_s))
    times_s = np.arange(count, dtype=np.float64) * scenario.record.positions_s
    shape = (count, world.user_count)
    there = np.full(shape, True)
    if stays_s is not None:
        there = (stays_s[0] <= times_s[:, None]) & (stays_s[1] > times_s[:, None])
    sample, users = np.nonzero(there)
    place = world.position_m(users, times_s[sample])
    return {"time_s": times_s[sample], "user": users, "x_m": place[:, 0], "y_m": place[:, 1]}
