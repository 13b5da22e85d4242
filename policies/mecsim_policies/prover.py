"""The upper bound of the SCR as ``mecsim.bound`` returns it; an entry point of ``mecsim.bounds``."""

from __future__ import annotations

import sys
import time

import numpy as np

from mecsim.errors import BoundError
from mecsim.system.allocation import Allocation
from mecsim.system.bound import Bound, Prices, gap_to
from mecsim.system.instance import Instance
from mecsim_policies.bound.tree import branch_and_bound
from mecsim_policies.bound.upper import uncovered, upper_bound
from mecsim_policies.bound.worth import Worth
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.shares import ShareProblem


def refuse(instance: Instance) -> None:
    """Raise a BoundError, before anything is computed, where no bound is proved for an instance."""
    problems = uncovered(instance)
    if problems:
        raise BoundError(f"{instance.name}: no upper bound is proved: {' and '.join(problems)}")


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
    if within is not None and scr > 0.0 and gap_to(highest, scr) > within:
        problem = ShareProblem.of(instance, allocation.server)
        point = Point.of(instance, problem, problem.of_allocation(instance, allocation))
        solved = branch_and_bound(
            instance, point, within=within, max_nodes=sys.maxsize,
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
