"""Rows of values of links over windows, kept for the next run in the same world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecsim.system.arrays import Floats, Ints

OfLinks = Callable[[Ints, Ints], Floats]
"""From users and servers (U,) to rows of values, (U, B)."""

_Key = tuple[str, int, int, int, int, int]


class KeptRows:
    """Rows that are computed once and then looked up.

    A row is a function of what it is of, its link, its window and its blocks, so that it makes no difference
    to any bit who asked for it first. Once the room is full, rows that are not kept are computed each time.

    Parameters
    ----------
    most_bytes : int
        How much the rows may hold; 8 bytes a value.
    """

    def __init__(self, most_bytes: int) -> None:
        self._room = most_bytes
        self._rows: dict[_Key, Floats] = {}

    def of(
        self, name: str, users: Ints, servers: Ints, window: int, blocks: range, compute: OfLinks
    ) -> Floats:
        """Return rows of values by name, (U, len(blocks)); ``compute`` gives those that are not kept."""
        links = zip(users.tolist(), servers.tolist(), strict=True)
        keys = [(name, window, blocks.start, blocks.stop, n, m) for n, m in links]
        rows = [self._rows.get(key) for key in keys]
        missing = [i for i, row in enumerate(rows) if row is None]
        if missing:
            computed = compute(users[missing], servers[missing])
            self._keep([keys[i] for i in missing], computed)
            if len(missing) == len(keys):
                return computed
            for i, row in zip(missing, computed, strict=True):
                rows[i] = row
        return np.stack([row for row in rows if row is not None])

    def _keep(self, keys: list[_Key], rows: Floats) -> None:
        if rows.nbytes <= self._room:
            self._room -= rows.nbytes
            self._rows.update(zip(keys, rows, strict=True))
