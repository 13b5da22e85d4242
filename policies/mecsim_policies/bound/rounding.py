"""An allocation from the weights that prices give to alternatives: each user takes its heaviest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats, Ints
from mecsim.system.instance import Instance
from mecsim_policies.bound.alternatives import Ends
from mecsim_policies.optim.ends import point_at_ends
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import ShareProblem


class Rounded(NamedTuple):
    """An association, (N,) int, and phi as a part of the largest that fits, (N,) float."""

    server: Ints
    fraction: Floats

    @classmethod
    def of(cls, instance: Instance, ends: Ends, weight: Floats) -> Rounded:
        """Return each user's server of largest weight, and the mean of its phi there.

        Parameters
        ----------
        instance : Instance
        ends : Ends
            Those of K alternatives, at least one for each user.
        weight : (K,) float
            Of each alternative; they add up to 1 for each user.
        """
        users, servers = instance.gain.shape
        pair = ends.user * servers + ends.server
        server: Ints = np.bincount(pair, weight, users * servers).reshape(users, servers).argmax(axis=1)
        here = weight * (ends.server == server[ends.user])
        total = np.maximum(np.bincount(ends.user, here, users), 1e-300)
        phi = np.bincount(ends.user, here * ends.phi, users) / total
        most = instance.users.local_fraction_max
        return cls(server, np.clip(phi / np.where(most > 0, most, 1.0), 0.0, 1.0))

    def point(self, instance: Instance, price: Price) -> Point:
        """Return equal shares of the association with this phi, for the joint step to start from."""
        problem = ShareProblem.of(instance, self.server)
        shares = problem.equal_split(self.fraction)
        if problem.charges is None:
            return Point.of(instance, problem, shares)
        return point_at_ends(instance, problem.relaxed(), shares, price)
