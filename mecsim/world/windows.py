"""Windows of fading blocks: values of links along the legs of their users, many blocks at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.world.channel.waves import GRID, WHOLE
from mecsim.world.kept_rows import KeptRows
from mecsim.world.mobility.trajectories import GrowingTrajectories, Trajectories

WINDOW_BLOCKS = GRID
WINDOW = WHOLE
"""All blocks of a window."""

_PAIRS_AT_ONCE = 64

OfLeg = Callable[[Ints, Ints, Ints, float, range], Floats]
"""From users, servers and legs (P,), the start of a window and B of its blocks, to values (P, B)."""


def block_index(times_s: Floats, block_s: float) -> Ints:
    """Return the index of the fading block that holds each time."""
    index = np.floor(np.asarray(times_s) / block_s).astype(np.int64)
    # The quotient may round across a block's edge; the edge itself is index * block_s.
    index += (index + 1) * block_s <= times_s
    index -= index * block_s > times_s
    return index


class Windows:
    """The windows of a world, computed anew for each who asks, or kept for the next one.

    Parameters
    ----------
    trajectories : GrowingTrajectories
    block_s : float
    """

    def __init__(self, trajectories: GrowingTrajectories, block_s: float) -> None:
        self._trajectories, self._block_s = trajectories, block_s
        self._kept: KeptRows | None = None

    def keep(self, most_bytes: int) -> None:
        """Keep the values of links from now on, as far as there is room."""
        self._kept = KeptRows(most_bytes)

    def values(self, of_leg: OfLeg, users: Ints, servers: Ints, window: int, blocks: range) -> Floats:
        """Return the values of U links over some blocks of a window, (U, len(blocks))."""

        def compute(users: Ints, servers: Ints) -> Floats:
            return self._computed(of_leg, users, servers, window, blocks)

        if self._kept is None:
            return compute(users, servers)
        return self._kept.of(of_leg.__name__, users, servers, window, blocks, compute)

    def _computed(self, of_leg: OfLeg, users: Ints, servers: Ints, window: int, blocks: range) -> Floats:
        first = window * WINDOW_BLOCKS
        start_s, last_s = first * self._block_s, (first + blocks.stop - 1) * self._block_s
        trajectories, values = self._trajectories.until(last_s), np.empty((len(users), len(blocks)))
        row, leg = _legs_of_rows(trajectories, users.tolist(), (first + blocks.start) * self._block_s, last_s)
        # Each leg is computed as if it had no end, and the next one of its user comes over it from its begin.
        later_s = trajectories.legs.start_s[leg[len(users) :]]
        begins = [0] * len(users) + self._first_blocks(later_s, window, blocks)
        for i in range(0, len(row), _PAIRS_AT_ONCE):
            part = slice(i, i + _PAIRS_AT_ONCE)
            rows = row[part]
            found = of_leg(users[rows], servers[rows], leg[part], start_s, blocks)
            if i + len(rows) <= len(users):
                values[rows] = found
                continue
            for n, begin, own in zip(rows.tolist(), begins[part], found, strict=True):
                values[n, begin:] = own[begin:]
        return values

    def _first_blocks(self, times_s: Floats, window: int, blocks: range) -> list[int]:
        """Return which of some blocks of a window is the first to start at each time or after it."""
        block = block_index(times_s, self._block_s)
        block += block * self._block_s < times_s
        first: list[int] = (block - window * WINDOW_BLOCKS - blocks.start).tolist()
        return first


def _legs_of_rows(
    trajectories: Trajectories, users: list[int], first_s: float, last_s: float
) -> tuple[Ints, Ints]:
    """Return all legs of users between two times with the row of their user, first legs first, (L,) each."""
    first, last = (np.array(trajectories.leg_now(users, time_s)) for time_s in (first_s, last_s))
    rows = [np.flatnonzero(first + k <= last) for k in range(int((last - first).max()) + 1)]
    return np.concatenate(rows), np.concatenate([first[row] + k for k, row in enumerate(rows)])
