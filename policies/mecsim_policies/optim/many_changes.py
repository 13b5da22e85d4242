"""Changes of many users at once: compatible changes in prefixes, and an assignment on the prices.

Between two epochs many users are due for another server, far more than a search can move one by one. The
prices hold for small changes only, so several numbers of changes are compared by what they really cost.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.moves import Change, ranked

_SIZES = (1, 2, 4, 8, 16, 32)


def changes_of_many(gain: Floats, server: Ints, slots: Floats) -> list[Change]:
    """Return two assignments and the prefixes of compatible changes, each as one change.

    One assignment leaves a server room for one user more than now, the other fills the slots. Changes of phi
    alone are not among them.

    Parameters
    ----------
    gain : (N, M, 2) float
        What each user would gain at each server with phi = 0 and phi = 1; -inf where it may not be.
    server : (N,) int
        The association in force.
    slots : (M,) float
        At most this many users a server, if it has not more already.
    """
    gain = gain.copy()
    gain[np.arange(len(server)), server] = -np.inf
    counts = np.bincount(server, minlength=len(slots)).astype(np.float64)
    found = (assigned(gain, server, each) for each in (counts + 1.0, np.maximum(counts, slots)))
    return [*filter(None, found), *prefixes(ranked(gain, server))]


def together(changes: Iterable[Change]) -> Change:
    """Return the changes as one, whose gain is the sum of theirs."""
    gains, users, servers, fractions = zip(*changes, strict=True)
    return Change(sum(gains), sum(users, ()), sum(servers, ()), sum(fractions, ()))


def compatible(changes: Iterable[Change], most: int) -> list[Change]:
    """Return the first changes that gain and change different users, at most ``most``."""
    chosen: list[Change] = []
    changed: set[int] = set()
    for change in changes:
        if len(chosen) == most or change.gain <= 0:
            break
        if changed.isdisjoint(change.users):
            chosen.append(change)
            changed.update(change.users)
    return chosen


def prefixes(changes: Iterable[Change]) -> list[Change]:
    """Return the first 1, 2, 4, 8, 16 and 32 compatible changes, each number as one change."""
    chosen = compatible(changes, _SIZES[-1])
    sizes = [size for size in _SIZES if size < len(chosen)] + [len(chosen)]
    return [together(chosen[:size]) for size in sizes if size]


def assigned(gain: Floats, server: Ints, slots: Floats) -> Change | None:
    """Return the change to the assignment with the largest total gain within slots; None if nobody moves.

    Parameters
    ----------
    gain : (N, M, 2) float
        As for :func:`changes_of_many`.
    server : (N,) int
        The association in force; to stay gains nothing.
    slots : (M,) float
        At most this many users a server.
    """
    users = np.arange(len(server))
    best, phi = gain.max(axis=2), gain.argmax(axis=2)
    best[users, server] = 0.0
    forbidden = -1e3 * (1.0 + np.abs(best[np.isfinite(best)]).max())
    to = round_to_slots(np.maximum(best, forbidden), slots)
    n = users[(to != server) & (best[users, to] > forbidden)]
    total, fractions = float(best[n, to[n]].sum()), phi[n, to[n]].astype(np.float64)
    return Change(total, tuple(n), tuple(to[n]), tuple(fractions)) if n.size else None
