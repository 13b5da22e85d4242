"""Tables of a run in the making: rows of rounds, epochs and grants, kept in columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mecsim.engine.grant_log import GrantLog, check_bytes
from mecsim.engine.round import RoundLog
from mecsim.system.phases import PHASES, PhaseSpec
from mecsim.tables import TABLES, Column, round_columns

Table = dict[str, NDArray[Any]]
RoundOutcome = Literal["finished", "unfinished", "dropped", "out_of_energy"]

_CHUNK_ROWS = 1024
# Rows are kept this narrow, 149 bytes a round; the contract's own types are for those who read them.
_STORED = {"int64": "i4", "float64": "f8", "str": "i1"}
_AFTER_THE_RUN = ("true_delay_s", "true_energy_j", "true_scr", "realised_scr")
"""Columns of the epochs that are worked out later, from many epochs at once."""


@dataclass(frozen=True, eq=False, slots=True)
class RunRecord:
    """Everything one run recorded; :mod:`mecsim.tables` lists the columns.

    Parameters
    ----------
    rounds, epochs, allocations : dict of arrays
        Tables; the epochs without ``realised_scr``. What follows from them and the world is in
        :mod:`mecsim.results.derive`.
    ledger : dict of arrays
        Work and energy of the whole run, for conservation: ``work_started``, ``work_served``,
        ``work_left`` and ``work_dropped``, which was still left when a round lost it, (N, K) by phase
        in FLOP and bit; ``user_meter_j`` (N,) and ``server_meter_j`` (M,) of rounds, ``idle_j`` (N,) and
        ``server_idle_j`` (M,) of idle power. Where users come and go also ``entered_s``, ``left_s`` and
        ``status``, (N,).
    counts : dict
        ``events`` scheduled, cancelled ones included, ``epochs``, ``holds``, ``late`` decisions,
        ``handovers``, ``rounds`` finished. Where users come and go also ``arrived``, ``left``, ``done``,
        ``refused``, ``out_of_energy`` and ``user_seconds``; ``observations_changed``, in how many calls
        the policy wrote into what it was shown, if in any.
    remarks, irreproducible : tuple of str
        What the policy did that a reader must know of, and why another run may give other bits.
    worth : dict of arrays or None
        The table ``worth``; None where no bounds are recorded.
    """

    rounds: Table
    epochs: Table
    allocations: Table
    ledger: Table
    counts: dict[str, int]
    remarks: tuple[str, ...] = ()
    irreproducible: tuple[str, ...] = ()
    worth: Table | None = None


class Recorder:
    """Takes rounds and epochs as they end, and ``grants`` as they are put in force.

    ``on_finished`` is called with the log of each round that was finished, if it is set.

    Parameters
    ----------
    phases : sequence of PhaseSpec
    """

    def __init__(self, phases: Sequence[PhaseSpec] = PHASES) -> None:
        self.grants = GrantLog()
        self.on_finished: Callable[[RoundLog], None] | None = None
        self._times = [f"{phase.name}_s" for phase in phases]
        self._energies = [f"{phase.name}_j" for phase in phases]
        self._sums = {"delay_s": [*self._times, "stall_s", "interruption_s"], "energy_j": self._energies}
        self._columns = round_columns(phases)
        self._rounds = _Rows("rounds", [c for c in self._columns if c.name not in self._sums])
        self._epochs = _Rows("epochs", [c for c in TABLES["epochs"] if c.name not in _AFTER_THE_RUN])

    def round(self, log: RoundLog, outcome: RoundOutcome) -> None:
        """Take one round, finished or not."""
        row = {
            "user": log.user,
            "round": log.index,
            "server_first": log.server_first,
            "server_last": log.server_last,
            "local_fraction": log.terms.local_fraction,
            "start_s": log.start_s,
            "stall_s": log.stall_s,
            "interruption_s": log.interruption_s,
            "wait_s": log.start_s - log.arrival_s,
            "score": log.mean_score(),
            "handovers": log.handovers,
            "moved_bits": log.moved_bits,
            "outcome": outcome,
            "restarts": log.restarts,
            "epoch": log.epoch,
        }
        row.update(zip(self._times, log.time_s, strict=True))
        row.update(zip(self._energies, log.energy_j, strict=True))
        self._rounds.append(row)
        if self.on_finished is not None and outcome == "finished":
            self.on_finished(log)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Take one epoch, once it is over."""
        self._epochs.append(row)

    def rounds(self) -> Table:
        """Return the rounds, with the sums over their phases."""
        stored = self._rounds.table()
        sums = {name: sum_columns(stored, parts) for name, parts in self._sums.items()}
        columns = stored | sums
        return {column.name: columns[column.name] for column in self._columns}

    def epochs(self) -> Table:
        """Return the epochs, as far as they are known when they end."""
        return self._epochs.table()


class _Rows:
    """A table that grows by rows, without moving those it has; strings are kept as codes."""

    def __init__(self, name: str, columns: Sequence[Column]) -> None:
        self._name = name
        self._names = tuple(column.name for column in columns)
        self._values_of = itemgetter(*self._names)
        self._codes: dict[str, dict[str, int]] = {c.name: {} for c in columns if c.dtype == "str"}
        self._dtype = np.dtype([(column.name, _STORED[column.dtype]) for column in columns])
        self._chunks: list[NDArray[np.void]] = []
        self._count = 0

    def append(self, row: Mapping[str, Any]) -> None:
        at = self._count % _CHUNK_ROWS
        if at == 0:
            check_bytes(self._name, self._count, self._count * self._dtype.itemsize)
            self._chunks.append(np.zeros(_CHUNK_ROWS, dtype=self._dtype))
        codes = {name: known.setdefault(row[name], len(known)) for name, known in self._codes.items()}
        self._chunks[-1][at] = self._values_of({**row, **codes})
        self._count += 1

    def table(self) -> Table:
        rows = np.concatenate([*self._chunks, np.zeros(0, dtype=self._dtype)])[: self._count]
        columns = {name: np.ascontiguousarray(rows[name]) for name in self._names}
        words = {name: _strings(list(known)) for name, known in self._codes.items()}
        return {name: words[name][column] if name in words else column for name, column in columns.items()}


def _strings(words: list[str]) -> NDArray[np.str_]:
    """Return words as an array of one width, whichever of them a run has met."""
    return np.array(words, dtype=f"U{max([16, *map(len, words)])}")


def sum_columns(table: Table, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the sum of some columns, added in the given order."""
    total = table[names[0]].copy()
    for name in names[1:]:
        total += table[name]
    return total
