"""The values that columns may hold, so that a table from elsewhere is nothing that no run can record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import ResultStoreError
from mecsim.messages import either, shortened
from mecsim.results.manifest import ADVICE
from mecsim.scenario.layout import MOST_SERVERS
from mecsim.tables import Column, columns_of

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.results.result import Results

OUTCOMES = ("finished", "unfinished", "dropped", "out_of_energy")
MOST_USERS_EVER = 1_000_000
MOST_WORDS, MOST_LETTERS = 100, 200
_TINY = 1e-6


class Range(NamedTuple):
    """Bounds of a column, both included; ``open_ended`` values may be NaN or infinite as well."""

    low: float
    high: float
    open_ended: bool = False


_WHOLE, _TIME = Range(0, 2**31 - 1), Range(-_TINY, 1e10)
_FINITE, _ANY = Range(-1e300, 1e300), Range(-np.inf, np.inf, open_ended=True)
_BY_NAME = {
    "user": Range(0, MOST_USERS_EVER - 1),
    "users": Range(0, MOST_USERS_EVER),
    "server": Range(-1, MOST_SERVERS - 1),
    "server_first": Range(-1, MOST_SERVERS - 1),
    "server_last": Range(-1, MOST_SERVERS - 1),
    "local_fraction": Range(-_TINY, 1 + _TINY),
    "moved_bits": Range(0.0, 1e300),
}
# What a decision predicts is infinite where a grant is missing; an epoch may come to nothing.
_BY_TABLE: dict[str, dict[str, Range]] = {
    "epochs": dict.fromkeys(
        (
            *("score", "delay_s", "energy_j", "scr", "predicted_scr", "realised_scr", "in_force_s"),
            *("true_delay_s", "true_energy_j", "true_scr", "upper_bound", "gap"),
        ),
        _ANY,
    ),
    "generations": {"scr": _ANY, "predicted_scr": _ANY},
    "worth": dict.fromkeys(("per_mhz", "per_w", "per_tflops"), _ANY),
}


def range_of(table: str, column: Column) -> Range:
    """Return the bounds of a column of numbers."""
    known = _BY_TABLE.get(table, {}).get(column.name) or _BY_NAME.get(column.name)
    if known is not None:
        return known
    if column.dtype.startswith("int"):
        return _WHOLE
    return _TIME if column.name.endswith("_s") else _FINITE


def check_values(results: Results, name_file: Callable[[str], str]) -> None:
    """Check the values of every column of one run.

    Parameters
    ----------
    results : Results
    name_file : callable
        Returns the file of a table, for messages.

    Raises
    ------
    ResultStoreError
        Listing every column that holds what no run records.
    """
    problems = [
        f"{name_file(name)}: {problem}; {ADVICE}"
        for name, frame in results.tables.items()
        for problem in value_problems(name, frame)
    ]
    if problems:
        raise ResultStoreError("\n".join(problems))


def value_problems(table: str, frame: pd.DataFrame, starts: NDArray[np.int64] | None = None) -> list[str]:
    """Return one line for each column of a table that holds what no run records.

    Parameters
    ----------
    table : str
    frame : DataFrame
        Of one run, or of several one after the other.
    starts : (R,) int, optional
        The first row of each run; one run if left out.
    """
    problems = []
    for column in columns_of(table, frame.columns):
        values = frame[column.name]
        if column.dtype == "str":
            problems += [f"{table}.{column.name}{problem}" for problem in _word_problems(column.name, values)]
        elif len(values) and (problem := _range_problem(values.to_numpy(), range_of(table, column))):
            problems.append(f"{table}.{column.name}: {problem}")
    if table == "epochs" and not problems:
        problems += _numbering_problems(frame["epoch"].to_numpy(), starts)
    return problems


def _range_problem(values: NDArray[Any], allowed: Range) -> str:
    """Return what is wrong with a column of numbers, with the first such row; empty if nothing is."""
    if allowed.open_ended:
        return ""
    # The comparison is false for a NaN too.
    if float(values.min()) >= allowed.low and float(values.max()) <= allowed.high:
        return ""
    wide = values.astype(np.float64)
    row = int(np.flatnonzero(~((wide >= allowed.low) & (wide <= allowed.high)))[0])
    return f"row {row} has {values[row]!s}, must be {allowed.low:g} to {allowed.high:g}"


def _word_problems(name: str, values: pd.Series[Any]) -> Iterator[str]:
    words = values.unique()
    if name == "outcome":
        for word in words:
            if word not in OUTCOMES:
                yield f": '{shortened(str(word))}': must be {either(OUTCOMES)}"
    elif len(words) > MOST_WORDS:
        yield f": has {len(words)} different values, must have at most {MOST_WORDS}"
    elif wrong := [
        w for w in words if not (isinstance(w, str) and len(w) <= MOST_LETTERS and w.isprintable())
    ]:
        yield f": '{shortened(str(wrong[0]))}': must be one line of at most {MOST_LETTERS} characters"


def _numbering_problems(epoch: NDArray[np.int64], starts: NDArray[np.int64] | None) -> list[str]:
    expected = np.arange(len(epoch))
    if starts is not None:
        expected = expected - np.repeat(starts, np.diff(np.append(starts, len(epoch))))
    wrong = np.flatnonzero(epoch != expected)
    if len(wrong) == 0:
        return []
    row = int(wrong[0])
    return [f"epochs.epoch: row {row} has {epoch[row]}, must be {expected[row]}: epochs are numbered from 0"]
