"""The replay's data: positions, rounds and grants of a run as columns of numbers, compressed into text."""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mecsim.system.phases import PHASES
from mecsim.system.resources import GRANTS

if TYPE_CHECKING:
    from mecsim.results.result import Results

OUTCOMES = ("finished", "unfinished", "dropped", "out_of_energy")
_FLOATS = (
    *("start_s", *(f"{phase.name}_s" for phase in PHASES), "stall_s", "interruption_s", "wait_s"),
    *("local_fraction", *(f"{phase.name}_j" for phase in PHASES), "score"),
)
_GRANTS = ("local_fraction", *(grant.field for grant in GRANTS))
_WHOLE = ("round", "server_first", "server_last", "handovers", "restarts")


@dataclass(frozen=True, slots=True)
class Packed:
    """Columns of a table as text.

    Parameters
    ----------
    layout : list of dict
        Name, dtype (as JavaScript's typed arrays call it), first byte and length of each column.
    text : str
        Base64 of the gzipped columns, one after the other, little-endian.
    """

    layout: list[dict[str, Any]]
    text: str


def pack_positions(results: Results, until_s: float) -> Packed:
    """Return the positions of users, by user, then time; ``first`` has each user's first row and the end."""
    frame = results.positions[results.positions["time_s"] <= until_s].sort_values(["user", "time_s"])
    columns = {"first": _first_rows(frame, _users(results))}
    columns |= {name: frame[name].to_numpy(np.float32) for name in ("time_s", "x_m", "y_m")}
    return pack(columns)


def pack_rounds(results: Results, until_s: float) -> Packed:
    """Return every round that starts by ``until_s``, by user, then start.

    Besides columns of the table: ``switch_s``, when the server changed, taken from the epochs.
    """
    frame = results.rounds[results.rounds["start_s"] <= until_s].sort_values(["user", "start_s", "round"])
    columns: dict[str, NDArray[Any]] = {"first": _first_rows(frame, _users(results))}
    columns |= {name: frame[name].to_numpy(np.float32) for name in _FLOATS}
    columns |= {name: frame[name].to_numpy(np.uint32) for name in _WHOLE}
    columns["outcome"] = frame["outcome"].map({name: i for i, name in enumerate(OUTCOMES)}).to_numpy(np.uint8)
    columns["switch_s"] = switch_times(frame, results.epochs).astype(np.float32)
    return pack(columns)


def pack_grants(results: Results, until_s: float) -> Packed | None:
    """Return the grants of users up to ``until_s``, by user, then time; None if they are not recorded.

    A row holds until the user's next one; a decision that leaves a user's grants unchanged adds no row.
    Grants are NaN from the first decision that takes them from the user.
    """
    if results.allocations.empty:
        return None
    decided = results.epochs.loc[results.epochs["in_force_s"] <= until_s, ["epoch", "in_force_s"]]
    decided = decided.assign(turn=np.arange(len(decided)))
    frame = results.allocations.merge(decided, on="epoch").sort_values(["user", "turn"])
    before = frame.shift()
    goes_on = frame["user"].eq(before["user"]) & frame["turn"].eq(before["turn"] + 1)
    same = frame[["server", *_GRANTS]].eq(before[["server", *_GRANTS]]).all(axis=1)
    ended = frame[~goes_on.shift(-1, fill_value=False) & (frame["turn"] + 1 < len(decided))]
    ends = ended[["user"]].assign(turn=ended["turn"] + 1, server=0)
    ends["in_force_s"] = decided["in_force_s"].to_numpy()[ends["turn"]]
    rows = pd.concat([frame[~(goes_on & same)], ends]).sort_values(["user", "turn"])
    columns: dict[str, NDArray[Any]] = {"first": _first_rows(rows, _users(results))}
    columns |= {name: rows[name].to_numpy(np.float32) for name in ("in_force_s", *_GRANTS)}
    columns["server"] = rows["server"].to_numpy(np.uint32)
    return pack(columns)


def switch_times(rounds: pd.DataFrame, epochs: pd.DataFrame) -> NDArray[np.float64]:
    """Return when each round changed its server: NaN if it did not.

    The tables hold how often a round changed its server, and the decisions at which users were moved. Of
    the decisions with a handover that took effect within the round the last one is taken.
    """
    moved = epochs[(epochs["handovers"] > 0) & epochs["in_force_s"].notna()]["in_force_s"].to_numpy()
    moved = np.sort(moved)
    start_s = rounds["start_s"].to_numpy()
    last = np.searchsorted(moved, start_s + rounds["delay_s"].to_numpy(), side="right") - 1
    at = np.append(moved, np.nan)[last]
    return np.where((rounds["handovers"].to_numpy() > 0) & (last >= 0) & (at >= start_s), at, np.nan)


def pack(columns: dict[str, NDArray[Any]]) -> Packed:
    """Return columns as text; widest first, so that each begins at a multiple of its item size."""
    layout, parts, at = [], [], 0
    for name, column in sorted(columns.items(), key=lambda item: -item[1].dtype.itemsize):
        data = column.astype(column.dtype.newbyteorder("<")).tobytes()
        layout.append({"name": name, "type": str(column.dtype), "at": at, "length": len(column)})
        parts.append(data)
        at += len(data)
    return Packed(layout, squeeze(b"".join(parts)))


def squeeze(data: bytes) -> str:
    """Return bytes as base64 of their gzip, the same text every time."""
    return base64.b64encode(gzip.compress(data, compresslevel=6, mtime=0)).decode()


def _users(results: Results) -> int:
    highest = [int(frame["user"].max()) for frame in (results.rounds, results.positions) if len(frame)]
    return max([int(results.manifest["users"]), *(one + 1 for one in highest)])


def _first_rows(frame: pd.DataFrame, users: int) -> NDArray[np.uint32]:
    return np.searchsorted(frame["user"].to_numpy(), np.arange(users + 1)).astype(np.uint32)
