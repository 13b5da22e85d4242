"""Measured channels: gains of links over time, piecewise linear in dB between the samples of a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.scenario.link_samples import LinkSamples
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.units import db_to_linear


@dataclass(frozen=True, eq=False, slots=True)
class MeasuredGains:
    """The gains of all links; before the first and after the last sample of a link its value holds.

    Parameters
    ----------
    time_s, gain_db : (S,) float
        The samples of link 0, then those of link 1, and so on; link ``n * M + m`` is user n at server m.
    first : (N M + 1,) int
        Index of each link's first sample; the last entry is S.
    servers : int
        M.
    """

    time_s: Floats
    gain_db: Floats
    first: Ints
    servers: int

    @classmethod
    def of(cls, samples: LinkSamples, offset_db: float, users: int, servers: int) -> MeasuredGains:
        """Return the gains of so many users and servers; each link of theirs has a sample."""
        used = (samples.user < users) & (samples.server < servers)
        link = samples.user[used] * servers + samples.server[used]
        first = np.searchsorted(link, np.arange(users * servers + 1))
        gain_db = samples.value_db[used] + offset_db
        return cls(frozen(samples.time_s[used]), frozen(gain_db), frozen(first, np.int64), servers)

    def at(self, users: Ints, servers: Ints, times_s: Floats) -> Floats:
        """Return the linear power gains; the arguments broadcast."""
        users, servers, times_s = np.broadcast_arrays(users, servers, times_s)
        link = users * self.servers + servers
        begin, end = self.first[link], self.first[link + 1]
        low, high = begin, end
        while (low < high).any():  # to the first sample after each time
            middle = (low + high) // 2
            passed = (low < high) & (self.time_s[np.minimum(middle, len(self.time_s) - 1)] <= times_s)
            low, high = np.where(passed, middle + 1, low), np.where(passed, high, np.minimum(middle, high))
        before, after = np.clip(low - 1, begin, end - 1), np.clip(low, begin, end - 1)
        step_s = self.time_s[after] - self.time_s[before]
        since_s = np.clip(times_s - self.time_s[before], 0.0, step_s)
        share = np.divide(since_s, step_s, out=np.zeros(step_s.shape), where=step_s > 0.0)
        gain_db = self.gain_db[before] + share * (self.gain_db[after] - self.gain_db[before])
        return np.asarray(db_to_linear(gain_db))
