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

_PAIRS_AT_ONCE = 32

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
        last_s = (window * WINDOW_BLOCKS + blocks.stop - 1) * self._block_s
        trajectories, values = self._trajectories.until(last_s), np.empty((len(users), len(blocks)))
        for i in range(0, len(users), _PAIRS_AT_ONCE):
            part = slice(i, i + _PAIRS_AT_ONCE)
            asked = of_leg, users[part], servers[part], window, blocks
            _fill(values[part], *asked, trajectories, self._block_s)
        return values


def _fill(
    filled: Floats,
    of_leg: OfLeg,
    users: Ints,
    servers: Ints,
    window: int,
    blocks: range,
    trajectories: Trajectories,
    block_s: float,
) -> None:
    first = window * WINDOW_BLOCKS
    start_s = first * block_s
    edges_s = (first + blocks.start) * block_s, (first + blocks.stop - 1) * block_s
    ids = users.tolist()
    first_leg, last_leg = (np.array(trajectories.leg_now(ids, edge_s)) for edge_s in edges_s)
    for later_leg in range(int((last_leg - first_leg).max()) + 1):
        # A user with several legs in these blocks is computed for each leg as if it had no end.
        rows = np.flatnonzero(first_leg + later_leg <= last_leg)
        leg = first_leg[rows] + later_leg
        values = of_leg(users[rows], servers[rows], leg, start_s, blocks)
        if later_leg == 0:
            filled[rows] = values
            continue
        begin = block_index(trajectories.legs.start_s[leg], block_s) - first
        begin += (begin + first) * block_s < trajectories.legs.start_s[leg]
        later = np.arange(blocks.start, blocks.stop) >= begin[:, None]
        filled[rows] = np.where(later, values, filled[rows])
