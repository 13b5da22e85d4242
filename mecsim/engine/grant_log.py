"""What every decision that took effect gave to whom, in columns."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import RunFailed
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints

MOST_BYTES = 2_000_000_000
"""Most memory that a table of a run may take."""

_BYTES_A_USER, _BYTES_A_DECISION = 32, 600

_NAMES = tuple(field.name for field in fields(Allocation))[1:]


def check_bytes(table: str, rows: int, size: int) -> None:
    """Raise `RunFailed` if a table is larger than memory may hold."""
    if size > MOST_BYTES:
        raise RunFailed(
            f"the table of {table} has {rows:,} rows and more than {MOST_BYTES // 10**6:,} MB, the most that "
            "a run may record; make duration_s shorter or reallocation.period_s longer, use fewer users, or "
            "set record.allocations = false"
        )


class GrantLog:
    """Takes allocations as they are put in force; 32 bytes a user and decision."""

    def __init__(self) -> None:
        self._rows = 0
        self._epochs: list[int] = []
        self._users: list[NDArray[np.int32]] = []
        self._servers: list[NDArray[np.int16]] = []
        self._grants: list[NDArray[np.float32]] = []

    def take(self, epoch: int, allocation: Allocation, users: Ints, present: Ints) -> None:
        """Take the allocation of a decision for some users, of whom those count who are still present."""
        servers, grants = allocation.server, np.array(allocation.columns, dtype=np.float32)
        if users is not present:  # else nobody has come or left since the decision was asked for
            there = np.isin(users, present, assume_unique=True)
            users, servers, grants = users[there], servers[there], grants[:, there]
        self._rows += len(users)
        size = self._rows * _BYTES_A_USER + len(self._epochs) * _BYTES_A_DECISION
        check_bytes("allocations", self._rows, size)
        self._epochs.append(epoch)
        self._users.append(users.astype(np.int32))
        self._servers.append(servers.astype(np.int16))
        self._grants.append(grants)

    def table(self) -> dict[str, NDArray[Any]]:
        """Return one row for each user of each decision, by decision, then user."""
        sizes = [len(users) for users in self._users]
        grants = np.concatenate([np.empty((len(_NAMES), 0), np.float32), *self._grants], axis=1)
        return {
            "epoch": np.repeat(np.array(self._epochs, dtype=np.int32), sizes),
            "user": np.concatenate([np.empty(0, np.int32), *self._users]),
            "server": np.concatenate([np.empty(0, np.int16), *self._servers]),
            **dict(zip(_NAMES, grants, strict=True)),
        }
