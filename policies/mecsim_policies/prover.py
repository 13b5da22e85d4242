"""Upper bounds for ``mecsim.bound`` and for runs that record them; an entry point of ``mecsim.bounds``."""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import BoundError
from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Ints
from mecsim.system.bound import Bound, EpochBound, Prices, gap_to
from mecsim.system.instance import Instance
from mecsim_policies.bound.dual import Multipliers
from mecsim_policies.bound.tree import branch_and_bound
from mecsim_policies.bound.upper import PricedBound, uncovered, upper_bound
from mecsim_policies.bound.worth import Worth
from mecsim_policies.optim.joint import polish
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import ShareProblem

# Prices from which the search for the next ones gets away again.
_LEAST_PRICE, _LEAST_WEIGHT = 1e-6, 1e-6
# Aimed at a little below the gap that is asked for, as rounding would leave it a little above.
_INSIDE = 1.0 - 1e-6
# Share of users who are as before, from which on the search starts from the prices of before.
_ENOUGH = 0.9


def refuse(instance: Instance) -> None:
    """Raise a BoundError, before anything is computed, where no bound is proved for an instance."""
    problems = uncovered(instance)
    if problems:
        raise BoundError(f"{instance.name}: no upper bound is proved: {' and '.join(problems)}")


class RunProver:
    """Bounds one observation of a run after the other, each from the prices of the one before.

    A bound depends on the observations until then and on nothing else. Where many users have come, gone, or
    have other servers to choose from, it starts anew: old prices are then no shorter way.
    """

    def __init__(self) -> None:
        self._users: Ints = np.zeros(0, dtype=np.int64)
        self._allowed: NDArray[np.bool_] = np.zeros((0, 0), dtype=bool)
        self._last: PricedBound | None = None

    def bound(self, observation: Observation) -> EpochBound:
        """Return the bound of the SCR of every allocation that the policy may return now.

        A pinned user keeps its server, as in every such allocation.
        """
        instance = observation.instance
        allowed = _allowed(observation) & (instance.gain > 0.0)
        start = self._start(observation.user, allowed)
        try:
            found = upper_bound(instance, allowed=allowed, **start)
        except BoundError:
            return EpochBound(float("nan"), None)
        if not np.isfinite(found.scr_upper):
            return EpochBound(float("nan"), None)
        if found.multipliers is not None:
            self._last, self._users, self._allowed = found, observation.user, allowed
        prices = None if found.worth is None else _prices(found.worth, instance.weights.delay_per_s > 0.0)
        return EpochBound(found.scr_upper, prices)

    def _start(self, users: Ints, allowed: NDArray[np.bool_]) -> dict[str, Any]:
        """Return what the next bound starts from: prices, those of newcomers the mean, and the last bound."""
        if self._last is None or self._last.multipliers is None:
            return {}
        at = np.searchsorted(self._users, users).clip(max=len(self._users) - 1)
        known = self._users[at] == users
        same = known & (self._allowed[at] == allowed).all(axis=1)
        if same.sum() < _ENOUGH * max(len(users), len(self._users)):
            return {}
        price, weight = self._last.multipliers.share_price, self._last.multipliers.delay_weight
        weight = np.where(known, weight[at], weight.mean()).clip(min=_LEAST_WEIGHT)
        multipliers = Multipliers(price.clip(min=_LEAST_PRICE), weight / weight.sum())
        return {"multipliers": multipliers, "incumbent": self._last.scr_upper}


def _allowed(observation: Observation) -> NDArray[np.bool_]:
    """Return which servers each user may have, (N, M): a pinned one its own."""
    if observation.allocation is None:
        return np.ones(observation.instance.gain.shape, dtype=bool)
    servers = np.arange(observation.instance.server_count)
    own = servers == observation.allocation.server[:, None]
    return np.asarray(own | ~observation.pinned[:, None])


@overflow_allowed
def prove(instance: Instance, allocation: Allocation, within: float | None, limit_s: float) -> Bound:
    """Return the bound by prices, and by branch and bound where it is to come closer.

    Parameters
    ----------
    instance : Instance
    allocation : Allocation
        The best known.
    within : float or None
        The gap to reach; None for the bound by prices alone.
    limit_s : float
        Wall-clock time of branch and bound in s.

    Raises
    ------
    BoundError
        Where no bound is proved.
    """
    until_s = time.monotonic() + limit_s
    began_s = time.process_time()
    scr = instance.scr(allocation)
    scr = scr if np.isfinite(scr) else 0.0
    root = upper_bound(instance, incumbent=scr)
    highest, nodes = root.scr_upper, 1
    if root.rounded is not None and scr > 0.0:
        start = root.rounded.point(instance, Price.at(instance, scr))
        allocation = max(allocation, polish(instance, start).allocation(instance), key=instance.scr)
        scr = instance.scr(allocation)
    if within is not None and scr > 0.0 and gap_to(highest, scr) > within:
        problem = ShareProblem.of(instance, allocation.server)
        point = Point.of(instance, problem, problem.of_allocation(instance, allocation))
        solved = branch_and_bound(
            instance, point, within=_INSIDE * within, max_nodes=sys.maxsize,
            allowed=np.ones(instance.gain.shape, dtype=bool),
            stop=lambda: time.monotonic() >= until_s,
        )  # fmt: skip
        found = solved.point.allocation(instance)
        if instance.scr(found) > scr:
            allocation, scr = found, instance.scr(found)
        highest, nodes = min(highest, solved.scr_upper), solved.nodes
    prices = None if root.worth is None else _prices(root.worth, instance.weights.delay_per_s > 0.0)
    cpu_s = time.process_time() - began_s
    return Bound(highest, allocation, scr, nodes, cpu_s, prices, root.assumed, root.reason)


def _prices(worth: Worth, delay_counts: bool) -> Prices:
    delay_price = worth.delay_weight if delay_counts else np.zeros_like(worth.delay_weight)
    return Prices(worth.per_hz * 1e6, worth.per_w, worth.per_flops * 1e12, worth.share_price, delay_price)
