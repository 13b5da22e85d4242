"""Bits over a fading channel: exact transfer times without an event per fading block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

PART_S = 128.0
"""Least time for which gains are worked out at once: few long parts cost less than many short ones."""

AHEAD_BLOCKS = 64
"""How far ahead the rates of many links at once are worked out where a next event is about to change them."""

_LEAST_BLOCKS = 8
_MANY = 24  # from here on work on whole arrays costs less than on one link after the other


class Transfer(NamedTuple):
    """The link of a user and a server, what it sends with, in which direction, and the bits it has left."""

    user: int
    server: int
    bandwidth_hz: float
    power_w: float
    is_downlink: bool
    bits: float


def part_blocks(block_s: float) -> int:
    """Return how many blocks a part has: a power of two, so that parts make up a window."""
    least = min(max(PART_S / block_s, _LEAST_BLOCKS), WINDOW_BLOCKS)
    return 1 << math.ceil(math.log2(least))


class FadingWindow:
    """Rates of the users' links over the present window of fading blocks.

    For each user a row of block rates under the grants in force, and the bits that these rates
    send from the moment the grants took effect, the anchor. Within a block the rate is constant,
    so the bits are a piecewise linear function of time that is read and inverted exactly.
    Gains and rates are worked out part by part, as far as a transfer reaches.

    Parameters
    ----------
    world : World
    ahead_blocks : int
        How many blocks ahead the rates of many links at once are worked out; those of one are always worked
        out as far as its transfer reaches.

    Attributes
    ----------
    upcoming : callable
        Returns the links that will likely send before a time. Their gains of a part are loaded with the first
        ones of that part.
    """

    def __init__(self, world: World, ahead_blocks: int = WINDOW_BLOCKS) -> None:
        self._world, self._law, self._ahead_blocks = world, world.rate_law, ahead_blocks
        shape = (world.user_count, WINDOW_BLOCKS)
        self._gain = np.empty(shape)
        self._downlink_factor = np.empty(shape) if world.interfered else None
        self._rate = np.zeros(shape)
        self._bits = np.zeros(shape)  # sent from the anchor to the end of each block
        self._anchor_s = [0.0] * world.user_count
        self._held = [(-1, -1)] * world.user_count  # (window, server) of each row of gains
        self._known = [(0, 0)] * world.user_count  # the blocks of the row whose gains are known
        self._rated = [0] * world.user_count  # the end of the blocks whose rates are known
        self._sending: dict[int, Transfer] = {}  # by user, those whose rates are not known to their end
        self._part_blocks = part_blocks(world.block_s)
        self._begun = (-1, -1)  # the last part that was begun, after its window
        self.upcoming: Callable[[float], Iterable[tuple[int, int]]] = lambda until_s: ()
        self.window = 0

    @property
    def end_s(self) -> float:
        """End of the present window, the exact edge of its last block."""
        return (self.window + 1) * WINDOW_BLOCKS * self._world.block_s

    def load(self, links: Sequence[tuple[int, int]], times_s: Sequence[float]) -> None:
        """Get the gains of (user, server) links about times of this window; many at once cost less."""
        missing: dict[int, list[tuple[int, int]]] = {}
        for link, time_s in zip(links, times_s, strict=True):
            column = self._column(time_s)
            if not self._knows(*link, column):
                missing.setdefault(column // self._part_blocks, []).append(link)
        for part, those in missing.items():
            self._load(part, those)

    def _load(self, part: int, links: Sequence[tuple[int, int]]) -> None:
        """Get the gains of links for one part, and with the first ones those of the links to come."""
        if self._begun < (self.window, part):
            self._begun = self.window, part
            end = (part + 1) * self._part_blocks
            until_s = (self.window * WINDOW_BLOCKS + end) * self._world.block_s
            ahead = [link for link in self.upcoming(until_s) if not self._knows(*link, end - 1)]
            links = list({*links, *ahead})
        blocks = range(part * self._part_blocks, (part + 1) * self._part_blocks)
        users, servers = np.array(links).T
        place = users, slice(blocks.start, blocks.stop)
        self._gain[place] = self._world.gain_window(users, servers, self.window, blocks)
        if self._downlink_factor is not None:
            self._downlink_factor[place] = self._world.downlink_window(users, servers, self.window, blocks)
        for n, _ in links:
            begin, end = self._known[n]
            self._known[n] = (begin if end == blocks.start else blocks.start, blocks.stop)

    def _knows(self, user: int, server: int, column: int) -> bool:
        """Return whether the gain of a link in a block is known, and forget what is of its user's others."""
        if self._held[user] != (self.window, server):
            self._held[user], self._known[user] = (self.window, server), (0, 0)
        begin, end = self._known[user]
        return begin <= column < end

    def grant(self, transfers: Sequence[Transfer], now_s: float) -> None:
        """Put new grants of transfers in force at ``now_s``; bits count from here.

        The rates of a transfer are known until its bits are sent, to the end of the window, or as far ahead
        as asked for.
        """
        column = self._column(now_s)
        for transfer in transfers:
            self._anchor_s[transfer.user] = now_s
        until = WINDOW_BLOCKS
        if len(transfers) >= _MANY:
            until = min(column + self._ahead_blocks, WINDOW_BLOCKS)
        self._work_out(transfers, column, until, anchored=column)

    def known_until_s(self, user: int) -> float:
        """Return when the rates of a link that goes on sending end, if before the window; else infinity."""
        if user not in self._sending:
            return math.inf
        return (self.window * WINDOW_BLOCKS + self._rated[user]) * self._world.block_s

    def look_further(self, users: Sequence[int]) -> None:
        """Work out the rates of links that were granted at one time, beyond where all of them end."""
        column = self._rated[users[0]]
        until = min(column + self._ahead_blocks, WINDOW_BLOCKS)
        sending = [self._sending[n] for n in users]
        self._work_out(sending, column, until, anchored=self._column(self._anchor_s[users[0]]))

    def _work_out(self, sending: Sequence[Transfer], column: int, until: int, anchored: int) -> None:
        """Work out the rates of transfers from one block to another, or until their bits are sent.

        All were granted at one time, in the block ``anchored``.
        """
        if self._sending:
            for transfer in sending:
                self._sending.pop(transfer.user, None)
        while sending and column < until:
            users = [transfer.user for transfer in sending]
            missing = [t[:2] for t in sending if not self._knows(t.user, t.server, column)]
            if missing:
                self._load(column // self._part_blocks, missing)
            end = min(until, *[self._known[n][1] for n in users])
            rows: int | Ints = users[0] if len(users) == 1 else np.array(users)  # one row is a view
            rate = self._rate_until(rows, slice(column, end), sending)
            self._rate[rows, column:end] = rate
            rate *= self._world.block_s
            if column == anchored:
                edge_s = (self.window * WINDOW_BLOCKS + column + 1) * self._world.block_s
                rate[..., 0] = self._rate[rows, column] * (edge_s - self._anchor_s[users[0]])
            else:
                rate[..., 0] += self._bits[rows, column - 1]
            self._bits[rows, column:end] = rate.cumsum(axis=-1, out=rate)
            for n in users:
                self._rated[n] = end
            if end == WINDOW_BLOCKS:
                return
            column, done = end, self._bits[:, end - 1]
            sending = [transfer for transfer in sending if done[transfer.user] < transfer.bits]
        if sending:
            self._sending.update((transfer.user, transfer) for transfer in sending)

    def _rate_until(self, rows: int | Ints, blocks: slice, sending: Sequence[Transfer]) -> Floats:
        """Return the rates of transfers over some blocks: of one alone a row, of many a row each."""
        gain = self._gain[rows, blocks]
        if len(sending) == 1:
            transfer = sending[0]
            if transfer.is_downlink and self._downlink_factor is not None:
                gain = gain * self._downlink_factor[rows, blocks]
            law = self._law.down if transfer.is_downlink else self._law.up
            return law.rate(transfer.bandwidth_hz, transfer.power_w, gain)
        _, _, bandwidth_hz, power_w, downlink, _ = zip(*sending, strict=True)
        if self._downlink_factor is not None:
            gain *= np.where(np.array(downlink)[:, None], self._downlink_factor[rows, blocks], 1.0)
        return self._law.rows(np.array(bandwidth_hz), np.array(power_w), gain, downlink)

    def bits(self, users: Sequence[int], time_s: float) -> list[float]:
        """Return the bits that each user sent from its anchor to a time in this window."""
        column, anchors_s = self._column(time_s), self._anchor_s
        start_s = (self.window * WINDOW_BLOCKS + column) * self._world.block_s
        if len(users) == 1:
            (n,) = users
            rate = self._rate.item(n, column)
            if start_s <= anchors_s[n]:
                return [rate * (time_s - anchors_s[n])]
            return [self._bits.item(n, column - 1) + rate * (time_s - start_s)]
        rates, sent = self._rate[users, column].tolist(), self._bits[users, column - 1].tolist()
        return [
            rate * (time_s - anchors_s[n]) if start_s <= anchors_s[n] else before + rate * (time_s - start_s)
            for n, rate, before in zip(users, rates, sent, strict=True)
        ]

    def highest_rate(self, user: int) -> float:
        """Return the highest block rate from the anchor on, as far as rates are known, in bit/s."""
        return float(self._rate[user, self._column(self._anchor_s[user]) : self._rated[user]].max())

    def times_of(self, users: Sequence[int], bits: Sequence[float]) -> list[float]:
        """Return when each user will have sent so many bits, its grant's at most; infinite if not known.

        Many were granted at one time.
        """
        if len(users) == 1:
            return [self._time_of(users[0], bits[0])]
        rated = [self._rated[n] for n in users]
        sent = self._bits[users, [end - 1 for end in rated]].tolist()
        if len(users) < _MANY:
            return [
                self._time_of(n, left) if left <= last else math.inf
                for n, left, last in zip(users, bits, sent, strict=True)
            ]
        times_s, left = np.full(len(users), math.inf), np.array(bits)
        done = np.flatnonzero(left <= sent)
        if len(done):
            times_s[done] = self._times_of(np.array(users)[done], left[done], max(rated))
        return times_s.tolist()

    def _times_of(self, rows: Ints, bits: Floats, end: int) -> Floats:
        """Return when users with one anchor will have sent so many bits, which all do before a block."""
        anchor_s, block_s = self._anchor_s[rows[0]], self._world.block_s
        first = self._column(anchor_s)
        column = first + (self._bits[rows, first:end] >= bits[:, None]).argmax(axis=1)
        start_s = (self.window * WINDOW_BLOCKS + column) * block_s
        end_s = (self.window * WINDOW_BLOCKS + column + 1) * block_s
        before, at_anchor = self._bits[rows, column - 1], column == first
        start_s[at_anchor], before[at_anchor] = anchor_s, 0.0
        times_s: Floats = np.minimum(start_s + (bits - before) / self._rate[rows, column], end_s)
        return times_s

    def _time_of(self, user: int, bits: float) -> float:
        anchor_s, rated = self._anchor_s[user], self._rated[user]
        first = self._column(anchor_s)
        column = first + int(self._bits[user, first:rated].searchsorted(bits))
        if column == rated:
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
