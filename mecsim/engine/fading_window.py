"""Bits over a fading channel: exact transfer times without an event per fading block."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mecsim.engine.gain_window import GainWindow
from mecsim.system.arrays import Floats, Ints
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

AHEAD_BLOCKS = 64
"""How far ahead the rates of many links at once are worked out where a next event is about to change them."""

_MANY = 24  # from here on work on whole arrays costs less than on one link after the other


class Transfer(NamedTuple):
    """The link of a user and a server, what it sends with, in which direction, and the bits it has left."""

    user: int
    server: int
    bandwidth_hz: float
    power_w: float
    is_downlink: bool
    bits: float


class FadingWindow:
    """Rates of the users' transfers over the present window of fading blocks.

    For each user a row of block rates under the grants in force, and the bits that these rates
    send from the moment the grants took effect, the anchor. Within a block the rate is constant,
    so the bits are a piecewise linear function of time that is read and inverted exactly.
    Rates are worked out as far as a transfer reaches.

    Parameters
    ----------
    world : World
    ahead_blocks : int
        How many blocks ahead the rates of many links at once are worked out; those of one are always worked
        out as far as its transfer reaches.

    Attributes
    ----------
    gains : GainWindow
    """

    def __init__(self, world: World, ahead_blocks: int = WINDOW_BLOCKS) -> None:
        self.gains = GainWindow(world)
        self._block_s, self._law, self._ahead_blocks = world.block_s, world.rate_law, ahead_blocks
        users = world.user_count
        self._rate = np.zeros((users, WINDOW_BLOCKS))
        self._bits = np.zeros((users, WINDOW_BLOCKS))  # sent from the anchor to the end of each block
        self._anchor_s, self._bits_left = np.zeros(users), np.zeros(users)  # what was left at the anchor
        self._bandwidth_hz, self._power_w = np.zeros(users), np.zeros(users)
        self._server, self._is_downlink = np.zeros(users, dtype=np.int64), np.zeros(users, dtype=np.bool_)
        self._rated = np.zeros(users, dtype=np.int64)  # the end of the blocks whose rates are known
        self._is_pending = np.zeros(users, dtype=np.bool_)  # whose end lies beyond those blocks

    @property
    def end_s(self) -> float:
        """End of the present window, the exact edge of its last block."""
        return self._start_s(WINDOW_BLOCKS)

    def load(self, links: Sequence[tuple[int, int]], times_s: Sequence[float]) -> None:
        """Get the gains of (user, server) links about times of this window; many at once cost less."""
        self.gains.load(links, [self._column(time_s) for time_s in times_s])

    def note(self, transfer: Transfer) -> None:
        """Take note of what a transfer is granted from its next beginning on."""
        n = transfer.user
        self._server[n], self._is_downlink[n] = transfer.server, transfer.is_downlink
        self._bandwidth_hz[n], self._power_w[n] = transfer.bandwidth_hz, transfer.power_w
        self._bits_left[n] = transfer.bits

    def note_shares(self, users: Ints, bandwidth_hz: Floats, time_s: float) -> Floats:
        """Take note of new bandwidths, (U,), of transfers in progress; return the bits sent by then, (U,)."""
        sent = self._sent(users, time_s)
        self._bandwidth_hz[users] = bandwidth_hz
        self._bits_left[users] -= sent
        return sent

    def begin(self, users: Sequence[int], now_s: float) -> None:
        """Put what was noted of some users in force at ``now_s``; bits count from here.

        The rates of a transfer are known until its bits are sent, to the end of the window, or as far ahead
        as asked for.
        """
        column, until = self._column(now_s), WINDOW_BLOCKS
        if len(users) >= _MANY:
            until = min(column + self._ahead_blocks, WINDOW_BLOCKS)
        rows = users[0] if len(users) == 1 else np.array(users)
        self._anchor_s[rows] = now_s
        self._work_out(rows, column, until, anchored=column)

    def known_until_s(self, user: int) -> float:
        """Return when the rates of a link that goes on sending end, if before the window; else infinity."""
        return self._start_s(self._rated.item(user)) if self._is_pending[user] else math.inf

    def look_further(self, users: Sequence[int]) -> None:
        """Work out the rates of links that were granted at one time, beyond where all of them end."""
        column = self._rated.item(users[0])
        until = min(column + self._ahead_blocks, WINDOW_BLOCKS)
        anchored = self._column(self._anchor_s.item(users[0]))
        self._work_out(np.array(users), column, until, anchored=anchored)

    def _work_out(self, rows: int | Ints, column: int, until: int, anchored: int) -> None:
        """Work out the rates of links from one block to another, or until their bits are sent.

        All were granted at one time, in the block ``anchored``. The row of one link is a view.
        """
        self._is_pending[rows] = False
        while column < until:
            end = min(until, self.gains.reach(rows, self._server[rows], column))
            rate = self._rate_until(rows, slice(column, end))
            self._rate[rows, column:end] = rate
            first = self._rate[rows, column]
            rate *= self._block_s
            if column == anchored:
                rate[..., 0] = first * (self._start_s(column + 1) - self._anchor_s[rows])
            else:
                rate[..., 0] += self._bits[rows, column - 1]
            self._bits[rows, column:end] = rate.cumsum(axis=-1, out=rate)
            self._rated[rows] = column = end
            is_open = self._bits[rows, end - 1] < self._bits_left[rows]
            if end == WINDOW_BLOCKS or not is_open.any():
                return
            if not isinstance(rows, int):
                rows = rows[is_open]
        self._is_pending[rows] = True

    def _rate_until(self, rows: int | Ints, blocks: slice) -> Floats:
        """Return the rates of links over some blocks: of one alone a row, of many a row each."""
        gain, factor = self.gains.gain[rows, blocks], self.gains.downlink_factor
        down = self._is_downlink[rows]
        if isinstance(rows, int):
            if down and factor is not None:
                gain = gain * factor[rows, blocks]
            law = self._law.down if down else self._law.up
            return law.rate(self._bandwidth_hz.item(rows), self._power_w.item(rows), gain)
        if factor is not None:
            gain *= np.where(down[:, None], factor[rows, blocks], 1.0)
        return self._law.rows(self._bandwidth_hz[rows], self._power_w[rows], gain, down.tolist())

    def bits(self, users: Sequence[int], time_s: float) -> list[float]:
        """Return the bits that each user sent from its anchor to a time in this window."""
        if len(users) > 1:
            many: list[float] = self._sent(np.array(users), time_s).tolist()
            return many
        (n,) = users
        column, anchor_s = self._column(time_s), self._anchor_s.item(n)
        start_s, rate = self._start_s(column), self._rate.item(n, column)
        if start_s <= anchor_s:
            return [rate * (time_s - anchor_s)]
        return [self._bits.item(n, column - 1) + rate * (time_s - start_s)]

    def _sent(self, users: Ints, time_s: float) -> Floats:
        column, anchor_s = self._column(time_s), self._anchor_s[users]
        start_s, rate = self._start_s(column), self._rate[users, column]
        before = self._bits[users, column - 1]
        sent: Floats = np.where(
            start_s <= anchor_s, rate * (time_s - anchor_s), before + rate * (time_s - start_s)
        )
        return sent

    def highest_rate(self, user: int) -> float:
        """Return the highest block rate from the anchor on, as far as rates are known, in bit/s."""
        anchored = self._column(self._anchor_s.item(user))
        return float(self._rate[user, anchored : self._rated.item(user)].max())

    def ends_s(self, users: Sequence[int]) -> list[float]:
        """Return when each user will have sent all its bits; see :meth:`times_of`."""
        if len(users) == 1:
            return [self._time_of(users[0], self._bits_left.item(users[0]))]
        return self.times_of(users, self._bits_left[users].tolist())

    def times_of(self, users: Sequence[int], bits: Sequence[float]) -> list[float]:
        """Return when each user will have sent so many bits, its grant's at most; infinite if not known.

        Many were granted at one time.
        """
        if len(users) == 1:
            return [self._time_of(users[0], bits[0])]
        rows, left = np.array(users), np.array(bits)
        rated = self._rated[rows]
        is_known = left <= self._bits[rows, rated - 1]
        if len(users) < _MANY:
            each = zip(users, bits, is_known.tolist(), strict=True)
            return [self._time_of(n, sent) if known else math.inf for n, sent, known in each]
        times_s = np.full(len(users), math.inf)
        if is_known.any():
            times_s[is_known] = self._times_of(rows[is_known], left[is_known], int(rated.max()))
        return times_s.tolist()

    def _times_of(self, rows: Ints, bits: Floats, end: int) -> Floats:
        """Return when users with one anchor will have sent so many bits, which all do before a block."""
        anchor_s = self._anchor_s.item(rows[0])
        first = self._column(anchor_s)
        column = first + (self._bits[rows, first:end] >= bits[:, None]).argmax(axis=1)
        start_s, end_s = self._starts_s(column), self._starts_s(column + 1)
        before, at_anchor = self._bits[rows, column - 1], column == first
        start_s[at_anchor], before[at_anchor] = anchor_s, 0.0
        times_s: Floats = np.minimum(start_s + (bits - before) / self._rate[rows, column], end_s)
        return times_s

    def _time_of(self, user: int, bits: float) -> float:
        anchor_s, rated = self._anchor_s.item(user), self._rated.item(user)
        first = self._column(anchor_s)
        column = first + int(self._bits[user, first:rated].searchsorted(bits))
        if column == rated:
            return math.inf
        start_s, before = anchor_s, 0.0
        if column > first:
            start_s, before = self._start_s(column), self._bits.item(user, column - 1)
        return min(start_s + (bits - before) / self._rate.item(user, column), self._start_s(column + 1))

    def _start_s(self, column: int) -> float:
        """Return when a block of this window starts."""
        return (self.gains.window * WINDOW_BLOCKS + column) * self._block_s

    def _starts_s(self, columns: Ints) -> Floats:
        return np.asarray((self.gains.window * WINDOW_BLOCKS + columns) * self._block_s)

    def _column(self, time_s: float) -> int:
        """Return the block of the window that holds a time; its end belongs to its last block."""
        block_s = self._block_s
        block = int(time_s / block_s)
        if (block + 1) * block_s <= time_s:
            block += 1
        elif block * block_s > time_s:
            block -= 1
        return min(block - self.gains.window * WINDOW_BLOCKS, WINDOW_BLOCKS - 1)
