"""The output contract: every table's columns in order, with dtype, unit and meaning.

The table ``allocations`` has a row for each user of each decision that took effect, as it was put in
force; it is empty where the scenario says ``record.allocations = false``. What a brown-out takes away
later, or shared service adds, is not in it.

Two columns set the predicted SCR beside the realised one. A round ends at
``start_s + delay_s``; an epoch lasts from its ``time_s`` to that of the next, the last one to the
end of the run. A periodic decision precedes a round that starts at the same time, a call for an event
follows it; ``rounds.epoch`` says which decision was the last before a round.

``generations.predicted_scr``
    The mean over users of ``epochs.scr`` of the last decision before the user's k-th round.
``epochs.realised_scr``
    The sum of the scores over ``w_t`` times the largest delay plus ``w_e`` times the sum of the
    energies, of one round for each user: its last one that ended by the end of the epoch. NaN
    as long as some user has none. It follows a decision only once every user has finished a
    round under it; where rounds outlast epochs it lags behind.

``epochs.upper_bound``, ``epochs.gap`` and the table ``worth`` are there only where the scenario says
``record.bound = true``; :data:`BOUND` has them. ``worth`` has a row for each server of each epoch.

Numbers are finite but for the columns of :data:`MAY_BE_INFINITE` and :data:`MAY_BE_NAN`: infinity means
never or without end (a round that a decision gives nothing to go on with has an infinite predicted delay and
energy, and an SCR of 0), and NaN means not defined (no decision, no round, no cost to divide by).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mecsim.errors import ResultStoreError
from mecsim.messages import nearest
from mecsim.system.phases import PHASES, PhaseSpec

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 4
"""Raised with every change of the columns. 4 added ``epochs.idle_j``, 3 ``epochs.predicted_scr``."""
KEYS = ("scenario", "policy", "seed")
MEASURED = frozenset({"decision_cpu_s"})
"""Columns that hold measured computing time: the only ones that differ when a run is repeated."""

MAY_BE_INFINITE = frozenset(
    f"epochs.{name}" for name in ("delay_s", "energy_j", "true_delay_s", "true_energy_j", "gap")
)
"""Columns in which infinity stands for a predicted round that never ends, or for the gap of one."""
MAY_BE_NAN = frozenset({
    *(f"epochs.{name}" for name in ("scr", "true_scr", "in_force_s", "realised_scr", "predicted_scr")),
    *(f"epochs.{name}" for name in ("upper_bound", "gap")),
    *(f"generations.{name}" for name in ("scr", "predicted_scr")),
    *(f"worth.{name}" for name in ("per_mhz", "per_w", "per_tflops")),
})  # fmt: skip
"""Columns in which NaN stands for what is not defined."""

Kind = Literal["int64", "int32", "int16", "float64", "float32", "str"]
"""Narrow where a table has a row for every user of every decision."""


class Column(NamedTuple):
    """One column: its name, dtype, unit (``1`` for a pure number) and meaning."""

    name: str
    dtype: Kind
    unit: str
    meaning: str


def _time_column(phase: PhaseSpec) -> Column:
    return Column(f"{phase.name}_s", "float64", "s", f"time in service, {phase.activity}")


def _energy_column(phase: PhaseSpec) -> Column:
    device = "GPUs" if phase.resource.medium == "gpu" else "radio"
    for_round = " for this round" if phase.payer == "server" else ""
    receiver = ", and of the receiver's electronics" if phase.resource.medium == "radio" else ""
    meaning = f"energy of the {phase.payer}'s {device}{for_round}{receiver}"
    return Column(f"{phase.name}_j", "float64", "J", meaning)


def round_columns(phases: Sequence[PhaseSpec]) -> tuple[Column, ...]:
    """Return the columns of the rounds table for the phases of a round."""
    return (
        Column("user", "int64", "1", "index of the user"),
        Column("round", "int64", "1", "number of the round at this user, from 0"),
        Column("server_first", "int64", "1", "server when the round started"),
        Column("server_last", "int64", "1", "server when the round ended"),
        Column("local_fraction", "float64", "1", "share of the adapter trained by the user, phi"),
        Column("start_s", "float64", "s", "when the round started"),
        *(_time_column(phase) for phase in phases),
        Column("stall_s", "float64", "s", "time without any grant for the phase"),
        Column("interruption_s", "float64", "s", "time lost to handovers"),
        Column("wait_s", "float64", "s", "wait before the start, not part of the delay"),
        Column("delay_s", "float64", "s", "phases, stalls and interruptions together"),
        *(_energy_column(phase) for phase in phases),
        Column("energy_j", "float64", "J", "the energies of all phases together"),
        Column("score", "float64", "1", "time average of the service score over the round"),
        Column("handovers", "int64", "1", "changes of server within the round"),
        Column("moved_bits", "float64", "bit", "bits moved between servers by handovers"),
        Column("outcome", "str", "", "finished, unfinished when the run ended, dropped or out_of_energy"),
        Column("restarts", "int64", "1", "times the round lost what its server did, and began anew"),
        Column("epoch", "int64", "1", "the last decision of the policy before the round started"),
    )


TABLES: Mapping[str, tuple[Column, ...]] = {
    "rounds": round_columns(PHASES),
    "epochs": (
        Column("epoch", "int64", "1", "number of the decision, from 0"),
        Column("time_s", "float64", "s", "when the policy was called"),
        Column("score", "float64", "1", "predicted total score of the decision"),
        Column("delay_s", "float64", "s", "predicted delay of the decision that the objective counts"),
        Column("energy_j", "float64", "J", "predicted energy of the decision that the objective counts"),
        Column("scr", "float64", "1", "predicted service-cost ratio of the decision"),
        Column(
            "decision_cpu_s", "float64", "s", "CPU time the policy took; measured, so never the same twice"
        ),
        Column("iterations", "int64", "1", "iterations the policy reports"),
        Column("status", "str", "", "how the decision came out"),
        Column("handovers", "int64", "1", "users moved to another server in mid-round"),
        Column("realised_energy_j", "float64", "J", "energy spent from this decision to the next"),
        Column("rounds_finished", "int64", "1", "rounds finished from this decision to the next"),
        Column("cause", "str", "", "why the policy was called: period, or an event"),
        Column("in_force_s", "float64", "s", "when the decision took effect; NaN if it did not"),
        Column("true_delay_s", "float64", "s", "the same delay with the true gains of the moment"),
        Column("true_energy_j", "float64", "J", "the same energy with the true gains of the moment"),
        Column("true_scr", "float64", "1", "service-cost ratio predicted with the true gains of the moment"),
        Column("idle_j", "float64", "J", "energy of idle power until the next decision, in no round"),
        Column(
            "realised_scr", "float64", "1", "service-cost ratio of each user's last round finished by the end"
        ),
        Column(
            "predicted_scr", "float64", "1", "service-cost ratio that the policy itself predicts; NaN if none"
        ),
    ),
    "generations": (
        Column("round", "int64", "1", "the k of the k-th rounds of all users"),
        Column("users", "int64", "1", "users in the generation"),
        Column("score", "float64", "1", "total score of the k-th rounds"),
        Column("delay_s", "float64", "s", "delay of the k-th rounds that the objective counts"),
        Column("energy_j", "float64", "J", "energy of the k-th rounds that the objective counts"),
        Column("scr", "float64", "1", "realised service-cost ratio"),
        Column("predicted_scr", "float64", "1", "predicted scr of the epochs its rounds started in, mean"),
    ),
    "positions": (
        Column("time_s", "float64", "s", "when the position was sampled"),
        Column("user", "int64", "1", "index of the user"),
        Column("x_m", "float64", "m", "position, first axis"),
        Column("y_m", "float64", "m", "position, second axis"),
    ),
    "allocations": (
        Column("epoch", "int32", "1", "the decision; it is in force from its epochs.in_force_s on"),
        Column("user", "int32", "1", "index of the user"),
        Column("server", "int16", "1", "server of the user"),
        Column("local_fraction", "float32", "1", "share of the adapter that the user trains, phi"),
        Column("bandwidth_hz", "float32", "Hz", "bandwidth of the user's link"),
        Column("user_power_w", "float32", "W", "transmit power of the user"),
        Column("server_power_w", "float32", "W", "transmit power of the server towards the user"),
        Column("user_gpu_flops", "float32", "FLOP/s", "speed of each of the user's GPUs"),
        Column("server_gpu_flops", "float32", "FLOP/s", "speed of each of the server's GPUs for the user"),
    ),
}

BOUND: Mapping[str, tuple[Column, ...]] = {
    "epochs": (
        Column(
            "upper_bound", "float64", "1",
            "proved upper bound of the scr on what the policy saw; NaN if nobody was there",
        ),
        Column("gap", "float64", "1", "how far scr can be from the best, upper_bound / scr - 1"),
    ),
    "worth": (
        Column("epoch", "int64", "1", "number of the decision, from 0"),
        Column("time_s", "float64", "s", "when the policy was called"),
        Column("server", "int64", "1", "index of the server"),
        Column("per_mhz", "float64", "1/MHz", "rise of upper_bound with one more MHz of its bandwidth"),
        Column("per_w", "float64", "1/W", "rise of upper_bound with one more W of its transmit power"),
        Column("per_tflops", "float64", "s/TFLOP", "rise of upper_bound with one more TFLOP/s of each GPU"),
    ),
}  # fmt: skip
"""What ``record.bound = true`` adds: columns at the end of a table, and a table of its own."""

ALL_TABLES = (*TABLES, *(name for name in BOUND if name not in TABLES))
"""The tables that a run may have, those that every run has first."""


def columns_of(table: str, present: Collection[str]) -> tuple[Column, ...]:
    """Return the contract of a table that has columns of these names.

    The columns of :data:`BOUND` belong to it if any of them is there.
    """
    more, always = BOUND.get(table, ()), TABLES.get(table, ())
    return always + more if not always or any(column.name in present for column in more) else always


def to_frame(table: str, columns: Mapping[str, ArrayLike]) -> pd.DataFrame:
    """Return the columns of one table as a frame, in the order and with the dtypes of the contract.

    Raises
    ------
    ResultStoreError
        Naming every column that is missing, unknown, of another length or of another kind.
    """
    import pandas as pd

    arrays = {name: np.asarray(values) for name, values in columns.items()}
    problems = table_problems(table, arrays)
    if problems:
        raise ResultStoreError("\n".join(problems))
    return pd.DataFrame({c.name: pd.array(arrays[c.name], dtype=c.dtype) for c in columns_of(table, columns)})


def table_problems(table: str, arrays: Mapping[str, NDArray[np.generic]]) -> list[str]:
    """Return one line for each way in which the arrays differ from the contract of the table."""
    expected = {column.name: column for column in columns_of(table, arrays)}
    problems = [f"{table}.{name}: missing" for name in expected if name not in arrays]
    problems += [
        f"{table}.{name}: not a column of this table{nearest(name, expected)}"
        for name in arrays
        if name not in expected
    ]
    known = {name: array for name, array in arrays.items() if name in expected}
    problems += [
        f"{table}.{name}: {array.dtype} of shape {array.shape}, must be {expected[name].dtype}, one dimension"
        for name, array in known.items()
        if array.ndim != 1 or not _fits(array, expected[name].dtype)
    ]
    lengths = {name: len(array) for name, array in known.items() if array.ndim == 1}
    if len(set(lengths.values())) > 1:
        problems.append(f"{table}: columns of different lengths: {lengths}")
    return problems


def _fits(array: NDArray[np.generic], dtype: Kind) -> bool:
    if dtype == "str":
        return array.dtype.kind in "UTO"
    return np.can_cast(array.dtype, np.dtype(dtype), "safe")
