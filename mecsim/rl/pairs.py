"""Association one user after the other, by numbers of each pair of a user and a server."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecsim.policy import Observation
from mecsim.rl.observations import gain_level
from mecsim.system.arrays import Floats, Ints

PAIR_FEATURES = ("one", "gain", "load", "stay")
"""1; the gain as environments show it; the share of users at the server so far; 1 for the server in force."""

PAIRS = len(PAIR_FEATURES)


def associate(seen: Observation, value: Callable[[Floats], Floats]) -> tuple[Ints, Floats]:
    """Return a server for each user, (N,), and the features of the chosen pairs, (N, PAIRS).

    Pinned users are placed first, where they are; then users in the order of their largest gain. Each takes
    the server with the largest value, the first of equal ones.

    Parameters
    ----------
    seen : Observation
    value : callable
        Features (M, PAIRS) of one user to a value for each server, (M,).
    """
    users, servers = seen.instance.gain.shape
    level, load = gain_level(seen.instance.gain), np.zeros(servers)
    chosen, features = np.zeros(users, dtype=np.int64), np.zeros((users, PAIRS))
    before = None if seen.allocation is None else seen.allocation.server
    order = np.lexsort((level.sum(axis=1), level.max(axis=1)))[::-1]
    for n in order[np.argsort(~seen.pinned[order], kind="stable")].tolist():
        own = np.ones((servers, PAIRS))
        own[:, 1], own[:, 2], own[:, 3] = level[n], load / users, 0.0
        if before is not None:
            own[before[n], 3] = 1.0
        pinned = before is not None and seen.pinned[n]
        chosen[n] = before[n] if pinned and before is not None else int(value(own).argmax())
        features[n] = own[chosen[n]]
        load[chosen[n]] += 1.0
    return chosen, features
