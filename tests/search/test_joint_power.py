"""The joint step where GPUs are shared: a stationary point of the true problem, by SLSQP and differences."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.optim.joint import joint_step
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.shares import PHI, SHARED, ShareProblem
from scipy.optimize import minimize

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.power import PowerSpec
from mecsim.testing.snapshots import draw_instance

USERS, SERVERS = 3, 2


def shared(seed):
    instance = draw_instance(seed, USERS, SERVERS)
    law = PowerSpec.plain(USERS, SERVERS)
    return replace(instance, power=replace(law, shares_gpu=np.ones(SERVERS, dtype=bool)))


@pytest.fixture(params=range(3))
def solved(request):
    instance = shared(request.param)
    server = np.array([0, 0, 1])
    problem, price = ShareProblem.of(instance, server), Price.at(instance, 300.0)
    start = problem.inside(problem.equal_split(np.full(USERS, 0.5)), 1e-2, move_phi=True)
    return problem, price, solve(problem, price, start, gap=1e-7, move_phi=True, steps=80)


def by_slsqp(problem, price, shares):
    """Return the cost that SLSQP reaches from some shares, with T of its own."""
    low, high = 1e-6, 1.0 - 1e-6

    def cost(x):
        _, energy_j, score = problem.evaluate(x[:-1].reshape(USERS, 6))
        return price.per_s * x[-1] + price.per_j * energy_j.sum() - score.sum()

    rules = [
        {"type": "ineq", "fun": lambda x: x[-1] - problem.evaluate(x[:-1].reshape(USERS, 6))[0]},
        {"type": "ineq", "fun": lambda x: (1.0 - problem.used(x[:-1].reshape(USERS, 6))).ravel()},
    ]
    x = np.append(np.clip(shares, low, high).ravel(), problem.evaluate(shares)[0].max())
    bounds = [(low, high)] * (6 * USERS) + [(0.0, None)]
    options = {"ftol": 1e-12, "maxiter": 200}
    met = [x]  # it may end in a wild place after it has been in a better one
    minimize(cost, x, method="SLSQP", bounds=bounds, constraints=rules, options=options, callback=met.append)
    allowed = [each for each in met if min(rule["fun"](each).min() for rule in rules) >= -1e-6]
    return min(problem.cost(price, np.clip(each[:-1].reshape(USERS, 6), low, high)) for each in allowed)


def test_slsqp_finds_nothing_better_nearby(solved):
    """Mutant: shares a little off the stationary point, from which SLSQP gains."""
    problem, price, found = solved
    assert found.converged
    size = max(1.0, abs(found.cost))
    assert by_slsqp(problem, price, found.shares) >= found.cost - 2e-5 * size
    off = found.shares.copy()
    off[:, :SHARED] *= 0.7
    off[:, PHI] = np.clip(off[:, PHI], 0.05, 0.95)
    assert by_slsqp(problem, price, off) < problem.cost(price, off) - 2e-5 * size


@pytest.mark.parametrize("seed", range(3))
def test_it_never_loses_and_counts_ends_truly(seed):
    """From an equal split: a feasible allocation of a larger SCR by the system's own equations."""
    instance = shared(seed)
    start = make_policy("nearest").allocate(Observation.of(instance))
    better = joint_step(instance, start)
    assert better.violations(instance, 0.0) == ()
    assert instance.scr(better) > instance.scr(start)
