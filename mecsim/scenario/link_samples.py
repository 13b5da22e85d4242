"""Samples of links over time in a file: read, named, and put in order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.config.input_file import InputFile
from mecsim.config.table_file.fields import Fields, Table
from mecsim.config.table_file.problems import MOST_PROBLEMS, Problems
from mecsim.config.table_file.read import read_table
from mecsim.config.table_file.style import TableStyle
from mecsim.errors import TraceError
from mecsim.messages import nearest, shortened
from mecsim.system.arrays import Floats, Ints, frozen

LOWEST_DB, HIGHEST_DB = -400.0, 100.0
_MOST_NUMBER = 100_000

_QUANTITIES = ("gain", "loss", "rsrp", "snr")
_FIELDS = Fields(
    names={
        "time": ("t_s", "time_s", "time", "timestamp", "t", "t_ms", "time_ms"),
        "user": ("user", "user_id", "ue", "ue_id"),
        "server": ("server", "server_id", "cell", "cell_id", "bs", "bs_id"),
        "gain": ("gain_db", "path_gain_db", "channel_gain_db"),
        "loss": ("loss_db", "path_loss_db", "pathloss_db"),
        "rsrp": ("rsrp_dbm", "rsrp"),
        "snr": ("snr_db", "snr"),
    },
    choices=tuple(("time", "user", "server", quantity) for quantity in _QUANTITIES),
    texts=frozenset({"user", "server"}),
)


@dataclass(frozen=True, eq=False)
class LinkSamples:
    """The samples of all links in the order of user, server and time.

    Parameters
    ----------
    user, server : (S,) int
    time_s : (S,) float
        Strictly ascending for each link.
    value_db : (S,) float
        What the file has: gains in dB, losses with their sign changed, RSRP in dBm or SNR in dB.
    quantity : str
        ``"gain"``, ``"loss"``, ``"rsrp"`` or ``"snr"``.
    notes : tuple of str
        How the file was read.
    problems : tuple of str
        One line for each record that cannot be used, the first `MOST_PROBLEMS` of them.
    """

    user: Ints
    server: Ints
    time_s: Floats
    value_db: Floats
    quantity: str
    notes: tuple[str, ...]
    problems: tuple[str, ...]


@lru_cache(maxsize=4)
def read_links(
    file: InputFile, style: TableStyle, users: tuple[str, ...] | None, servers: tuple[str, ...] | None
) -> LinkSamples:
    """Return the samples of a file; ``users`` and ``servers`` are its names for them, in order."""
    problems = Problems(file.path.name)
    try:
        return _ordered(read_table(file.content(), _FIELDS, style, problems), users, servers, problems)
    except TraceError:
        none = np.empty(0)
        ids = np.empty(0, dtype=np.int64)
        return LinkSamples(ids, ids, none, none, "", (), problems.by_line[:MOST_PROBLEMS])


def _ordered(
    table: Table, users: tuple[str, ...] | None, servers: tuple[str, ...] | None, problems: Problems
) -> LinkSamples:
    quantity = next(role for role in _QUANTITIES if role in table.numbers)
    value_db = -table.numbers["loss"] if quantity == "loss" else table.numbers[quantity]
    user = _numbered(table, "user", users, problems)
    server = _numbered(table, "server", servers, problems)
    _check_values(table, quantity, value_db, problems)
    order = np.lexsort((table.numbers["time"], server, user))
    user, server, time_s = user[order], server[order], table.numbers["time"][order]
    value_db, line, record = value_db[order], table.line[order], table.record[order]
    same = (user[1:] == user[:-1]) & (server[1:] == server[:-1]) & (time_s[1:] == time_s[:-1])
    for i in (np.flatnonzero(same & (value_db[1:] != value_db[:-1])) + 1).tolist():
        what = f"another {quantity} of user {user[i]} and server {server[i]} at {time_s[i]:.12g} s"
        problems.add(int(line[i]), f"{what} than in line {line[i - 1]}", int(record[i]))
    if len(user) == 0 and not problems.found:
        problems.add(0, "holds no sample of any link")
    problems.raise_any()
    kept = np.concatenate([[True], ~same])
    return LinkSamples(
        frozen(user[kept], np.int64),
        frozen(server[kept], np.int64),
        frozen(time_s[kept]),
        frozen(value_db[kept]),
        quantity,
        tuple(table.notes),
        (),
    )


def _numbered(table: Table, role: str, names: tuple[str, ...] | None, problems: Problems) -> NDArray[Any]:
    """Return which user or server each record is about."""
    found, codes = table.texts[role]
    known = {name: n for n, name in enumerate(names or ())}
    numbers = np.zeros(len(found), dtype=np.int64)
    for n, name in enumerate(found):
        digits = name.removesuffix(".0")  # as whole numbers stand in a column of floats
        is_number = names is None and digits.isascii() and digits.isdecimal() and len(digits) <= 6
        number = int(digits) if is_number and int(digits) < _MOST_NUMBER else known.get(name)
        if number is None:
            first = int(np.flatnonzero(codes == n)[0])
            what = f'must be a number from 0 on, or give {role}s = ["..."], its names in order'
            if names is not None:
                what = f"is not in {role}s{nearest(name, names)}"
            line, record = int(table.line[first]), int(table.record[first])
            problems.add(line, f"{role} = {shortened(name)}: {what}", record)
        else:
            numbers[n] = number
    return np.asarray(numbers[codes]) if len(found) else np.zeros(0, dtype=np.int64)


def _check_values(table: Table, quantity: str, value_db: Floats, problems: Problems) -> None:
    out = (value_db < LOWEST_DB) | (value_db > HIGHEST_DB)
    for i in np.flatnonzero(out).tolist():
        shown = table.numbers[quantity][i]
        what = f"{quantity} = {shown:g}: must be in dB, a gain from {LOWEST_DB:g} to {HIGHEST_DB:g}"
        problems.add(int(table.line[i]), what, int(table.record[i]))
    if quantity == "gain" and len(value_db) and (value_db > 0.0).all() and (value_db < 1.0).all():
        problems.add(0, "its gains lie between 0 and 1: they must be in dB, 10 log10 of the gain")
