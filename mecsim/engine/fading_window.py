"""Bits over a fading channel: exact transfer times without an event per fading block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World


class FadingWindow:
    """Rates of the users' links over the present window of fading blocks.

    For each user a row of block rates under the grants in force, and the bits that these rates
    send from the moment the grants took effect, the anchor. Within a block the rate is constant,
    so the bits are a piecewise linear function of time that is read and inverted exactly.

    Parameters
    ----------
    world : World
    """

    def __init__(self, world: World) -> None:
        self._world = world
        shape = (world.user_count, WINDOW_BLOCKS)
        self._gain = np.empty(shape)
        self._downlink_factor = np.empty(shape) if world.interfered else None
        self._rate = np.zeros(shape)
        self._bits = np.zeros(shape)  # sent from the anchor to the end of each block
        self._anchor_s = [0.0] * world.user_count
        self._held = [(-1, -1)] * world.user_count  # (window, server) of each row of gains
        self.window = 0

    @property
    def end_s(self) -> float:
        """End of the present window, the exact edge of its last block."""
        return (self.window + 1) * WINDOW_BLOCKS * self._world.block_s

    def load(self, links: Sequence[tuple[int, int]]) -> None:
        """Get the gains of (user, server) links for this window; many at once cost less than one by one."""
        missing = [(n, m) for n, m in links if self._held[n] != (self.window, m)]
        if not missing:
            return
        users, servers = np.array(missing).T
        self._gain[users] = self._world.gain_window(users, servers, self.window)
        if self._downlink_factor is not None:
            self._downlink_factor[users] = self._world.downlink_window(users, servers, self.window)
        for n, m in missing:
            self._held[n] = (self.window, m)

    def grant(
        self,
        links: Sequence[tuple[int, int]],
        bandwidth_hz: Sequence[float],
        power_w: Sequence[float],
        now_s: float,
        downlink: Sequence[bool],
    ) -> None:
        """Put new grants in force at ``now_s`` on some (user, server) links; bits count from here.

        ``downlink`` says which of them send downwards.
        """
        self.load(links)
        first = self._column(now_s)
        edge_s = (self.window * WINDOW_BLOCKS + first + 1) * self._world.block_s
        rows: int | Ints
        if len(links) == 1:  # a row is a view, and most grants come alone
            rows = user = links[0][0]
            rate = self._rate_of_one(user, first, bandwidth_hz[0], power_w[0], is_downlink=downlink[0])
        else:
            rows = np.array([n for n, _ in links])
            rate = self._rates(rows, first, np.array(bandwidth_hz), np.array(power_w), downlink)
        bits = rate * self._world.block_s
        bits[..., 0] = rate[..., 0] * (edge_s - now_s)
        self._rate[rows, first:] = rate
        self._bits[rows, first:] = bits.cumsum(axis=-1)
        for n, _ in links:
            self._anchor_s[n] = now_s

    def _rate_of_one(
        self, user: int, first: int, bandwidth_hz: float, power_w: float, *, is_downlink: bool
    ) -> Floats:
        """Return the block rates of one link from block ``first`` on."""
        gain = self._gain[user, first:]
        if is_downlink and self._downlink_factor is not None:
            gain = gain * self._downlink_factor[user, first:]
        law = self._world.rate_law.towards("down" if is_downlink else "up")
        return law.rate(bandwidth_hz, power_w, gain)

    def _rates(
        self, rows: Ints, first: int, bandwidth_hz: Floats, power_w: Floats, downlink: Sequence[bool]
    ) -> Floats:
        """Return the block rates of some links from block ``first`` on, a row each."""
        gain = self._gain[rows, first:]
        if self._downlink_factor is not None:
            gain *= np.where(np.array(downlink)[:, None], self._downlink_factor[rows, first:], 1.0)
        return self._world.rate_law.rows(bandwidth_hz, power_w, gain, downlink)

    def bits(self, user: int, time_s: float) -> float:
        """Return the bits sent from the anchor to a time in this window."""
        anchor_s = self._anchor_s[user]
        column = self._column(time_s)
        start_s = (self.window * WINDOW_BLOCKS + column) * self._world.block_s
        if start_s <= anchor_s:
            return float(self._rate[user, column]) * (time_s - anchor_s)
        before = float(self._bits[user, column - 1])
        return before + float(self._rate[user, column]) * (time_s - start_s)

    def highest_rate(self, user: int) -> float:
        """Return the highest block rate from the anchor to the end of this window, in bit/s."""
        return float(self._rate[user, self._column(self._anchor_s[user]) :].max())

    def time_of(self, user: int, bits: float) -> float:
        """Return when so many bits have been sent since the anchor; infinite if after this window."""
        anchor_s = self._anchor_s[user]
        first = self._column(anchor_s)
        column = first + int(self._bits[user, first:].searchsorted(bits))
        if column == WINDOW_BLOCKS:
            return float("inf")
        start_s = (self.window * WINDOW_BLOCKS + column) * self._world.block_s
        before = 0.0
        if column == first:
            start_s = anchor_s
        else:
            before = float(self._bits[user, column - 1])
        end_s = (self.window * WINDOW_BLOCKS + column + 1) * self._world.block_s
        return min(start_s + (bits - before) / float(self._rate[user, column]), end_s)

    def _column(self, time_s: float) -> int:
        """Return the block of the window that holds a time; its end belongs to its last block."""
        block_s, first = self._world.block_s, self.window * WINDOW_BLOCKS
        block = int(time_s / block_s)
        if (block + 1) * block_s <= time_s:
            block += 1
        elif block * block_s > time_s:
            block -= 1
        return min(block - first, WINDOW_BLOCKS - 1)
