"""Where to part the server's power between an alternative with some of it and one with nearly the most."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.bound.responses import Prices, Responder

_LEAST_POWER = 1e-9
_GRID = np.linspace(0.0, 1.0, 24)


def power_ranges(responder: Responder, prices: Prices) -> tuple[Floats, Floats]:
    """Return the least and the largest share of power of each alternative, (K,), by the last answers.

    Any parting gives a bound. Where power earns more than it costs, its cost has a hump between the two best
    shares, and there both alternatives are well below their best.
    """
    a = responder.alternatives
    low, high = a.ends.least_power.copy(), a.ends.most_power.copy()
    whole = np.flatnonzero(a.ends.whole & (a.down.time_s > 0))
    some = whole - 1
    most = high[some, None]
    least = np.clip(responder.power[some, None], np.maximum(low[some, None], _LEAST_POWER), most)
    power = least + (most - least) * _GRID
    falls = np.full(power.shape, np.inf)
    for rows, end in ((some, 0), (whole, -1)):
        link, band = a.down.take(rows), responder.band[rows, None]
        z = np.minimum(np.log1p(link.snr[:, None] * power / band), link.kink[:, None])
        per_s = prices.per_s[rows] + prices.per_j * link.electronics_w
        cost = (
            (per_s[:, None] + prices.per_j * link.power_w[:, None] * power)
            * link.time_s[:, None]
            / (band * z)
        )
        cost -= (responder.sigma[rows] - prices.share[rows, 1])[:, None] * power
        falls = np.fmin(falls, cost - cost[:, end : end + 1 or None])
    parted = power[np.arange(len(power)), falls.argmax(axis=1)]
    low[whole], high[some] = parted, parted
    return low, high
