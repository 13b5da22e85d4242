"""Gains of the users' links over the present window of fading blocks, known as far as they are needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mecsim.system.arrays import Ints
from mecsim.world.channel.waves import FINE
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

PART_S = 128.0
"""Least time for which gains are worked out at once: few long parts cost less than many short ones."""

_LEAST_BLOCKS = 8


def part_blocks(block_s: float) -> int:
    """Return how many blocks a part has: a power of two, so that parts make up a window."""
    least = min(max(PART_S / block_s, _LEAST_BLOCKS), WINDOW_BLOCKS)
    return 1 << math.ceil(math.log2(least))


class GainWindow:
    """A row of gains for each user, of its link to one server, worked out part by part.

    Parameters
    ----------
    world : World

    Attributes
    ----------
    gain : (N, WINDOW_BLOCKS) float
        Rows of gains. Only blocks that :meth:`reach` has reached are filled.
    downlink_factor : (N, WINDOW_BLOCKS) float or None
        What turns them into gains of the downlink; None where both are the same.
    upcoming : callable
        Returns the links that will likely send before a time. Their gains of a part are loaded with the first
        ones of that part.
    """

    def __init__(self, world: World) -> None:
        users = world.user_count
        self._world = world
        self.gain = np.empty((users, WINDOW_BLOCKS))
        self.downlink_factor = np.empty((users, WINDOW_BLOCKS)) if world.interfered else None
        self.upcoming: Callable[[float], Iterable[tuple[int, int]]] = lambda until_s: ()
        self.window = 0
        self._server = np.full(users, -1)
        # Of each row the blocks from the first to before the second are known.
        self._begin, self._end = np.zeros(users, dtype=np.int64), np.zeros(users, dtype=np.int64)
        self._part_blocks = part_blocks(world.block_s)
        self._begun = -1  # the last part of this window that was begun

    def go_to(self, window: int) -> None:
        """Go to a window, of which nothing is known yet."""
        self.window, self._begun = window, -1
        self._begin[:] = self._end[:] = 0

    def load(self, links: Sequence[tuple[int, int]], columns: Sequence[int]) -> None:
        """Get the gains of (user, server) links for the parts that hold some blocks."""
        missing: dict[int, list[tuple[int, int]]] = {}
        first: dict[int, int] = {}
        for link, column in zip(links, columns, strict=True):
            if not self._knows(*link, column):
                part = column // self._part_blocks
                missing.setdefault(part, []).append(link)
                first[part] = min(column, first.get(part, column))
        for part, those in missing.items():
            self._load_from(first[part], those)

    def reach(self, users: int | Ints, servers: int | Ints, column: int) -> int:
        """Get the gains of links in a block; return the first later block that is not known of all."""
        if isinstance(users, int):
            if not self._knows(users, int(servers), column):
                self._load_from(column, [(users, int(servers))])
            return self._end.item(users)
        known = (self._begin[users] <= column) & (column < self._end[users])
        known &= self._server[users] == servers
        if not known.all():
            links = zip(users.tolist(), np.asarray(servers).tolist(), strict=True)
            missing = [link for link in links if not self._knows(*link, column)]
            self._load_from(column, missing)
        return int(self._end[users].min())

    def _knows(self, user: int, server: int, column: int) -> bool:
        """Return whether the gain of a link in a block is known, and forget what is of its user's others."""
        if self._server.item(user) != server:
            self._server[user] = server
            self._begin[user] = self._end[user] = 0
        return self._begin.item(user) <= column < self._end.item(user)

    def _load_from(self, column: int, links: Sequence[tuple[int, int]]) -> None:
        """Get the gains of links from a block to the end of its part.

        With the first ones of a part come those of the links that will likely send in it.
        """
        part = column // self._part_blocks
        begin = max(part * self._part_blocks, column - column % FINE)
        blocks = range(begin, (part + 1) * self._part_blocks)
        if self._begun < part:
            self._begun = part
            until_s = (self.window * WINDOW_BLOCKS + blocks.stop) * self._world.block_s
            ahead = [link for link in self.upcoming(until_s) if not self._knows(*link, blocks.stop - 1)]
            links = list({*links, *ahead})
        users, servers = np.array(links).T
        place = users, slice(blocks.start, blocks.stop)
        self.gain[place] = self._world.gain_window(users, servers, self.window, blocks)
        if self.downlink_factor is not None:
            self.downlink_factor[place] = self._world.downlink_window(users, servers, self.window, blocks)
        goes_on = self._end[users] == blocks.start
        self._begin[users] = np.where(goes_on, self._begin[users], blocks.start)
        self._end[users] = blocks.stop
