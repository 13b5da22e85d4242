"""The joint step, docs/model.md section 8: all resources, phi and T at once for a fixed association.

Alternating between phi and the resources can stop where neither alone can improve, because the
largest delay couples them. Here one Newton method moves all of them, inside Dinkelbach's loop on y.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np

from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price, Totals
from mecsim_policies.optim.resources import Compared, compare, solve
from mecsim_policies.optim.shares import PHI, ShareProblem

_FIRST_WEIGHT = 30.0
_NEXT_WEIGHT = 300.0
_GAP = 1e-7
_MOST_SOLVES = 6
_Y_TOLERANCE = 1e-6
_MARGIN = 1e-2
_WARM_MARGIN = 1e-3
_SCREEN_WEIGHT = 50.0
_SCREEN_STEPS = 20


def joint_step(instance: Instance, allocation: Allocation) -> Allocation:
    """Return an allocation with the same association whose SCR is no smaller.

    Bandwidths, powers, GPU speeds and phi of all users and the largest delay move together, to a
    stationary point of the SCR. A user without a channel to its server (gain 0) keeps server, phi, power
    and speed; its part of the server's budgets goes to the others, whose SCR is what counts then.

    Parameters
    ----------
    instance : Instance
    allocation : Allocation
        Any feasible one, also with phi at 0 or 1, and with users that were granted nothing.
    """
    heard = instance.gain[np.arange(instance.user_count), allocation.server] > 0
    if not heard.any():
        return allocation
    if heard.all():
        return _better_of(instance, allocation)
    part = instance.of_users(heard)
    own = Allocation(allocation.server[heard], *(column[heard] for column in allocation.columns))
    found = _better_of(part, own)
    if found is own:
        return allocation
    columns = {}
    for field in fields(Allocation):
        whole = getattr(allocation, field.name).copy()
        if field.name in ("bandwidth_hz", "server_power_w", "server_gpu_flops"):
            whole[:] = 0.0
        whole[heard] = getattr(found, field.name)
        columns[field.name] = whole
    return Allocation(**columns)


def _better_of(instance: Instance, allocation: Allocation) -> Allocation:
    problem = ShareProblem.of(instance, allocation.server)
    given = instance.scr(allocation)
    delay_s = instance.total_delay(instance.delay(allocation))
    energy_j = instance.total_energy(instance.energy(allocation))
    totals = Totals(delay_s, energy_j, float(instance.score(allocation).sum()) / instance.score_law.scale)
    found = polish(instance, Point(problem, problem.of_allocation(instance, allocation), totals, given))
    better = found.allocation(instance)
    return better if instance.scr(better) > given else allocation


def polish(instance: Instance, point: Point, *, gap: float = _GAP) -> Point:
    """Return a stationary point of the SCR for the association of a point, never worse than that.

    Parameters
    ----------
    instance : Instance
    point : Point
        Where to start; anything within bounds.
    gap : float
        How exactly to solve for each y, as for :func:`mecsim_policies.optim.resources.solve`.
    """
    problem = point.problem
    start = problem.inside(point.shares, _MARGIN, move_phi=True)
    best = Point.of(instance, problem, start)
    y, weight = max(best.scr, point.scr), _FIRST_WEIGHT
    for _ in range(_MOST_SOLVES):
        price = Price.at(instance, y)
        found = solve(problem, price, start, gap=gap, first_weight=weight, move_phi=True)
        trial = Point.of(instance, problem, found.shares)
        best = trial if trial.scr > best.scr else best
        if best.scr <= y * (1.0 + _Y_TOLERANCE):
            break
        y, weight = best.scr, _NEXT_WEIGHT
        start = problem.inside(best.shares, _WARM_MARGIN, move_phi=True)
    best = settled(instance, best.snapped(instance), gap)
    return best if best.scr > point.scr else point


def settled(instance: Instance, point: Point, gap: float) -> Point:
    """Return a point, after part 2 where that is better, at whose shared GPUs some users have no work.

    The joint step counts the speeds of all users whose phi moves. At phi = 1 a user's speed does not count,
    so others should have other speeds then.
    """
    problem, phi = point.problem, point.shares[:, PHI]
    if problem.power is None or not problem.power.shares or (phi < 1.0).all():
        return point
    start = problem.inside(point.shares, _WARM_MARGIN)
    price = Price.at(instance, point.scr)
    found = Point.of(
        instance, problem, solve(problem, price, start, gap=gap, first_weight=_NEXT_WEIGHT).shares
    )
    return found if found.scr > point.scr else point


def screen(problem: ShareProblem, price: Price, shares: Floats) -> Compared:
    """Return the joint step's solutions of many associations at one low weight of the barrier.

    Parameters
    ----------
    problem : ShareProblem
        One copy for each association.
    price : Price
    shares : (K N, 6) float
        Where to start.
    """
    return compare(
        problem,
        price,
        problem.inside(shares, _MARGIN, move_phi=True),
        weight=_SCREEN_WEIGHT,
        move_phi=True,
        steps=_SCREEN_STEPS,
    )
