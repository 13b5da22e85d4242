"""Drift plus penalty: the service-cost ratio under budgets of mean power of users' own devices.

References
----------
Neely, "Stochastic Network Optimization with Application to Communication and Queueing Systems" (2010),
chapters 4 (drift plus penalty) and 7 (ratios of averages); the use here is docs/model.md section 8.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mecsim.errors import PolicyError
from mecsim.policy import Observation, ScenarioInfo
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats
from mecsim.system.instance import Instance
from mecsim.system.phases import Phase
from mecsim_policies.optim.dinkelbach import optimise
from mecsim_policies.optim.fixed_price import best_at_price
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.own_price import to_own_unit, to_watts, with_own_factor
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import ShareProblem

# More of a difference between prices is lost in rounding, and changes no decision.
_LARGEST_FACTOR = 1e4
_LEAST_PART = 1e-4
_WARM_MARGIN = 1e-3
_LEAST_V = 1e-12


class DriftPlusPenalty:
    """Score less the costs of delay and energy at the ratio so far, with queues that price own energy.

    A user's queue holds the J by which its device has drawn more than its budget of mean power,
    ``users.energy_budget_w``. Each decision maximises ``v [sum score - y (w_t max T + w_e sum E)] - sum
    queue E_own``, where y is the ratio of the sums over the decisions so far, as each was on its snapshot.

    Parameters
    ----------
    v : float
        V in J^2 for each unit of score: the weight of the objective against the queues; at least 1e-12. A
        large one comes nearer to the best ratio and lets the queues grow longer.

    Attributes
    ----------
    iterations : int
        How many associations the last decision compared.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    queue_j : (N,) float
        Queues of all users of the run in J; empty without budgets.
    """

    def __init__(self, v: float = 100.0) -> None:
        number = isinstance(v, int | float) and not isinstance(v, bool)
        if not (number and _LEAST_V <= v < float("inf")):
            raise ValueError(f"v = {v!r}: must be a number >= {_LEAST_V:g}, in J^2 for each unit of score")
        self.v = float(v)
        self._begin(())

    def _begin(self, budgets_w: tuple[float, ...]) -> None:
        self.iterations, self.predicted_scr = 0, float("nan")
        self._budget_w = np.array(budgets_w, dtype=np.float64)
        self.queue_j: Floats = np.zeros(len(budgets_w))
        self._present = np.zeros(len(budgets_w), dtype=bool)
        self._decided_s = -np.inf
        self._sums = self._last = np.zeros(2)  # score and cost

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Begin a run with empty queues and its budgets."""
        self._begin(info.energy_budget_w)

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the best allocation found at the prices of the queues."""
        self.iterations, self.predicted_scr = 0, float("nan")
        if observation.time_s > self._decided_s:  # else it is the same decision once more
            self._sums, self._last = self._sums + self._last, np.zeros(2)
            self._charge(observation)
            self._decided_s = observation.time_s
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        users = observation.user[participants.users]
        queue_j = self.queue_j[users] if self.queue_j.size else np.zeros(len(users))
        own = self._optimised(participants, queue_j)
        instance = participants.instance
        self._last = _score_and_cost(instance, own)
        self.predicted_scr = participants.scr_of_all(observation, instance.scr(own))
        return _with_kept_speeds(observation, participants.for_all_users(observation, own))

    def _charge(self, observation: Observation) -> None:
        """Add to the queues what devices have drawn, less the budgets of the time since the last decision.

        A user who was not there at the last decision gets no budget for the time since.
        """
        if not self.queue_j.size:
            return
        user, before = observation.user, self._present
        self._present = np.zeros(len(before), dtype=bool)
        self._present[user] = True
        budget_w, queue_j = self._budget_w[user], self.queue_j.copy()
        limited = np.isfinite(budget_w)
        credit_j = np.zeros(len(user))
        counted = limited & before[user]
        credit_j[counted] = budget_w[counted] * (observation.time_s - self._decided_s)
        charged_j = np.maximum(queue_j[user] + observation.spent_j - credit_j, 0.0)
        queue_j[user] = np.where(limited, charged_j, 0.0)
        self.queue_j = queue_j

    def _optimised(self, participants: Participants, queue_j: Floats) -> Allocation:
        """Return the best allocation found for the participants."""
        instance, (score, cost) = participants.instance, self._sums
        ratio = score / cost if cost > 0.0 else 0.0
        if ratio == 0.0:  # of the first decision: the best one of its own snapshot, without queues
            point = optimise(instance, participants.allowed, participants.start).point
            ratio = point.scr
        if not 0.0 < ratio < np.inf:  # nothing is worth anything, or nobody gets anything done
            return point.allocation(instance)
        price, factor = _prices(instance, ratio, queue_j / self.v)
        start = participants.start
        priced = replace(
            participants,
            instance=with_own_factor(instance, factor),
            start=None if start is None else to_own_unit(start, factor),
        )
        found = best_at_price(priced, price, _start(priced))
        self.iterations = found.compared
        return to_watts(found.point.allocation(priced.instance), factor, instance)


def _with_kept_speeds(observation: Observation, allocation: Allocation) -> Allocation:
    """Return the allocation with the speeds in force of devices that train on, but not in their next round.

    A snapshot is of whole rounds: with phi = 0 any speed is as good as another one there, and the solver
    leaves full speed. The round in progress keeps its phi, and would spend the energy of that speed.
    """
    before = observation.allocation
    if before is None:
        return allocation
    training_on = (observation.phase == Phase.LOCAL) & (allocation.local_fraction == 0.0)
    speed = np.where(training_on, before.user_gpu_flops, allocation.user_gpu_flops)
    return replace(allocation, user_gpu_flops=speed)


def _prices(instance: Instance, ratio: float, own_per_j: Floats) -> tuple[Price, Floats]:
    """Return the prices at a ratio, and how many times the price of energy that of own energy is, (N,)."""
    price, scale = Price.at(instance, ratio), instance.score_law.scale
    own = own_per_j / scale
    # Without a weight of energy, that of servers gets a price which is next to nothing.
    per_j = max(price.per_j, _LEAST_PART * float(own.max()))
    if per_j == 0.0:
        return price, np.ones(len(own))
    weight = np.ones(len(own)) if instance.objective is None else instance.objective.energy_weight
    if (weight[own > 0.0] == 0.0).any():
        raise PolicyError(
            "drift_plus_penalty: a user with an energy budget has energy_weight = 0; it must be above 0, as "
            "the price of a budget is added to that of energy"
        )
    raised = np.divide(own, per_j * weight, out=np.zeros_like(own), where=own > 0.0)
    return replace(price, per_j=per_j), np.minimum(1.0 + raised, _LARGEST_FACTOR)


def _start(participants: Participants) -> Point:
    """Return the allocation in force as a point, or DASHF's where it cannot be kept."""
    instance, start = participants.instance, participants.start
    if start is None:
        return optimise(instance, participants.allowed).point
    problem = ShareProblem.of(instance, start.server)
    shares = problem.inside(problem.of_allocation(instance, start), _WARM_MARGIN, move_phi=True)
    return Point.of(instance, problem, shares)


def _score_and_cost(instance: Instance, allocation: Allocation) -> Floats:
    """Return the score of all on a snapshot, and the cost; zeros where that is not finite."""
    costs, weights = instance.costs(allocation), instance.weights
    delay_s = instance.total_delay(costs.delay_s.sum(axis=1))
    cost = weights.delay_per_s * delay_s + weights.energy_per_j * instance.total_energy(costs.energy_j)
    both = np.array([instance.score(allocation).sum(), cost])
    return both if np.isfinite(both).all() else np.zeros(2)
