"""Phi for an association where the ends of phi have charges: an end, or between, whichever is cheapest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.price import Price

_AT_ONCE = 256


class _Options(NamedTuple):
    """What each user may choose, (N,): its ends, and the line between them as limits there."""

    end_0_s: Floats
    end_1_s: Floats
    end_0_j: Floats
    end_1_j: Floats
    inside_0_s: Floats
    inside_1_s: Floats
    inside_0_j: Floats
    inside_1_j: Floats


def fractions_with_charges(pairs: Pairs, price: Price, server: Ints) -> Floats:
    """Return phi that minimises ``per_s T + per_j sum E`` for an association, exactly.

    For each T every user takes the cheapest of its ends and of the line between them that is within T.
    Between two times at which an option begins or ends, each user's cost is the least of constants and of a
    line, so the sum is concave in T and its least value is at one of these times.

    Parameters
    ----------
    pairs : Pairs
        With ``inside``.
    price : Price
    server : (N,) int
    """
    options = _options(pairs, server)
    times_s = np.concatenate([options.end_0_s, options.end_1_s, options.inside_0_s, options.inside_1_s])
    times_s = np.unique(times_s[np.isfinite(times_s)])
    least_s = np.minimum(options.end_0_s, options.end_1_s).max()  # the line is never faster than both ends
    times_s = times_s[times_s >= least_s]
    if times_s.size == 0:
        return np.where(options.end_1_s < options.end_0_s, 1.0, 0.0)
    costs = np.concatenate([
        price.per_s * some + _energy_and_fraction(options, some)[0].sum(axis=1) * price.per_j
        for some in np.array_split(times_s, 1 + len(times_s) // _AT_ONCE)
    ])  # fmt: skip
    best_s = times_s[int(costs.argmin())]
    return np.asarray(_energy_and_fraction(options, best_s[None])[1][0])


def _options(pairs: Pairs, server: Ints) -> _Options:
    assert pairs.inside is not None, "the caller has looked"
    rows = np.arange(len(server))
    columns = (pairs.delay_0_s, pairs.delay_1_s, pairs.energy_0_j, pairs.energy_1_j, *pairs.inside)
    return _Options(*(column[rows, server] for column in columns))


def _energy_and_fraction(o: _Options, times_s: Floats) -> tuple[Floats, Floats]:
    """Return the least energy of every user within each time, and its phi; both (B, N)."""
    longest_s = times_s[:, None]
    end_0_j = np.where(o.end_0_s <= longest_s, o.end_0_j, np.inf)
    end_1_j = np.where(o.end_1_s <= longest_s, o.end_1_j, np.inf)
    # Only where one end is faster and the other one cheaper is the line better than an end.
    reach_s, change_j = o.inside_1_s - o.inside_0_s, o.inside_1_j - o.inside_0_j
    trades = np.isfinite(reach_s) & np.isfinite(change_j) & (reach_s * change_j < 0.0)
    phi = np.divide(longest_s - o.inside_0_s, reach_s, out=np.full(end_0_j.shape, -1.0), where=trades)
    within = (phi > 0.0) & (phi < 1.0)
    inside_j = np.where(within, o.inside_0_j + phi * np.where(trades, change_j, 0.0), np.inf)
    energy_j = np.minimum(np.minimum(end_0_j, end_1_j), inside_j)
    phi = np.where(end_0_j <= energy_j, 0.0, np.where(end_1_j <= energy_j, 1.0, phi))
    return energy_j, phi
