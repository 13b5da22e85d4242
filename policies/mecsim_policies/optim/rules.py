"""Rules without optimisation: who joins which server, and equal parts of its budgets."""

from __future__ import annotations

import numpy as np

from mecsim.policy import Observation
from mecsim.system.arrays import Ints
from mecsim.system.equal_split import equal_split

__all__ = ["equal_split", "fewest_users_first", "keep_pinned", "strongest_server"]


def keep_pinned(observation: Observation, server: Ints) -> Ints:
    """Return the association with every pinned user left where it is."""
    if observation.allocation is None:
        return server
    return np.where(observation.pinned, observation.allocation.server, server)


def strongest_server(observation: Observation) -> Ints:
    """Return the server with the largest gain for every user."""
    return keep_pinned(observation, observation.instance.gain.argmax(axis=1))


def fewest_users_first(observation: Observation) -> Ints:
    """Return GUCAA's association: in index order, the server with the fewest users so far.

    Ties go to the larger gain. Pinned users count from the start.
    """
    instance, current = observation.instance, observation.allocation
    server = [-1] * instance.user_count
    load = [0] * instance.server_count
    if current is not None:
        for n in np.flatnonzero(observation.pinned).tolist():
            server[n] = int(current.server[n])
            load[server[n]] += 1
    for n, gains in enumerate(instance.gain.tolist()):
        if server[n] < 0:
            server[n] = min(range(len(load)), key=lambda m: (load[m], -gains[m]))
            load[server[n]] += 1
    return np.array(server, dtype=np.int64)
