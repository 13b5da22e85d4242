"""Many associations solved together against each of them alone."""

import numpy as np
import pytest
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.resources import compare, compare_again, solve
from mecsim_policies.optim.shares import PHI, ShareProblem

WEIGHT = 60.0
COPIES = 7


@pytest.fixture
def stacked(snapshot, price_at):
    """Return a function from a seed to single problems, their stack, shares for it, and a price."""

    def make(seed, users=6, servers=3):
        instance = snapshot(seed, users, servers)
        rng = np.random.default_rng([seed, 7])
        associations = rng.integers(servers, size=(COPIES, users))
        everyone_at = tuple(ShareProblem.of(instance, np.full(users, m)) for m in range(servers))
        singles = [ShareProblem.of(instance, server) for server in associations]
        stack = ShareProblem.stack(everyone_at, associations)
        phi = rng.choice([0.0, 0.4, 1.0], size=COPIES * users)
        shares = stack.equal_split(phi)
        shares[:, :PHI] *= rng.uniform(0.5, 1.0, (len(shares), PHI))
        return singles, stack, shares, price_at(instance)

    return make


def each(array):
    return np.split(array, COPIES)


@pytest.mark.parametrize("move_phi", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_value_and_newton_step_of_a_copy_are_those_of_the_problem_alone(stacked, seed, move_phi):
    """Sums over all copies in place of each. Mutant: the copies take turns by one place."""
    singles, stack, shares, price = stacked(seed)
    shares[:, PHI] = np.clip(shares[:, PHI], 0.1, 0.9)
    barrier = Barrier(stack, price, WEIGHT, move_phi)
    longest_s = 1.2 * stack.evaluate(shares)[0].reshape(COPIES, -1).max(axis=1)
    values = barrier.value(shares, longest_s)
    step = barrier.newton(barrier.derivatives(shares, longest_s), WEIGHT)
    size = barrier.longest_step(shares, step.move, step.growth)
    for k, (problem, own, way) in enumerate(zip(singles, each(shares), each(step.move), strict=True)):
        alone = Barrier(problem, price, WEIGHT, move_phi)
        assert alone.value(own, longest_s[k : k + 1]) == pytest.approx(values[k], rel=1e-12)
        single = alone.newton(alone.derivatives(own, longest_s[k : k + 1]), WEIGHT)
        assert single[0] == pytest.approx(way, rel=1e-6, abs=1e-9)
        assert [part[0] for part in single[1:]] == pytest.approx([part[k] for part in step[1:]], rel=1e-6)
        assert alone.longest_step(own, way, single.growth) == pytest.approx(size[k], rel=1e-6)
        assert alone.value(own, longest_s[k : k + 1]) != pytest.approx(values[k - 1], rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_compared_together_they_cost_what_they_cost_alone(stacked, seed):
    """A copy that stops early and leaves its place to another. Mutant: the copies take turns."""
    singles, stack, shares, price = stacked(seed)
    found = compare(stack, price, shares, weight=WEIGHT, steps=40)
    alone = [
        solve(problem, price, own, first_weight=WEIGHT, last_weight=WEIGHT, steps=40).cost
        for problem, own in zip(singles, each(shares), strict=True)
    ]
    assert found.costs == pytest.approx(alone, abs=1e-9)
    assert np.roll(found.costs, 1) != pytest.approx(alone, abs=1e-3)
    for k in range(COPIES):
        problem, solution = found.solution(k)
        assert (problem.server == singles[k].server).all()
        assert solution.cost == pytest.approx(found.costs[k], abs=1e-12)
        assert solution.cost == pytest.approx(singles[k].cost(price, solution.shares), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_compared_again_at_a_heavier_weight(stacked, seed):
    """Costs of another weight, or of other copies. Mutant: the weight before."""
    singles, stack, shares, price = stacked(seed)
    before = compare(stack, price, shares, weight=WEIGHT, steps=40)
    again = compare_again(before, np.array([4, 1]), 10.0 * WEIGHT, steps=40)
    for cost, k in zip(again.costs, (1, 4), strict=True):
        own = each(shares)[k]
        exact = solve(
            singles[k], price, own, first_weight=WEIGHT, last_weight=10.0 * WEIGHT, final_tolerance=1e-9
        )
        assert cost == pytest.approx(exact.cost, abs=8e-3)
        assert before.costs[k] != pytest.approx(exact.cost, abs=3e-2)


def test_copies_above_the_cutoff_are_given_up_and_the_others_are_not_touched(stacked):
    """Mutant: no bound, with which nothing is given up."""
    _, stack, shares, price = stacked(2)
    whole = compare(stack, price, shares, weight=WEIGHT, steps=40)
    bound = float(np.median(whole.point.value))
    some = compare(stack, price, shares, weight=WEIGHT, steps=40, cutoff=bound)
    kept = np.isfinite(some.costs)
    assert kept[whole.point.value.argmin()]
    assert not kept[whole.point.value > bound].any()
    assert some.costs[kept] == pytest.approx(whole.costs[kept], abs=1e-9)
    assert some.point.steps.sum() < whole.point.steps.sum()
    assert np.isfinite(whole.costs).all()
