"""Changes of many users at once: compatible changes in prefixes, and an assignment on the prices.

Between two epochs many users are due for another server, far more than a search can move one by one. The prices
hold for small changes only, so several numbers of changes are compared by what they really cost.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.association import round_to_slots
from mecsim_policies.optim.moves import Change

_SIZES = (1, 2, 4, 8, 16, 32)


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
        What each user would gain at each server with phi = 0 and phi = 1; -inf where it may not be.
    server : (N,) int
        The association in force; to stay gains nothing.
    slots : (M,) float
        At most this many users a server.
    """
    users = np.arange(len(server))
    best, phi = gain.max(axis=2), gain.argmax(axis=2)
    stays = ~(best[users, server] > 0)
    best[users[stays], server[stays]] = 0.0
    least = -1e3 * (1.0 + np.abs(best[np.isfinite(best)]).max(initial=0.0))
    to = round_to_slots(np.maximum(best, least), slots)
    changed = (best[users, to] > least) & ((to != server) | ~stays)
    if not changed.any():
        return None
    n = users[changed]
    total = float(best[n, to[n]].sum())
    return Change(
        total, tuple(n.tolist()), tuple(to[n].tolist()), tuple(phi[n, to[n]].astype(float).tolist())
    )
