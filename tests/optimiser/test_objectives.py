"""The mean delay and the users' weights in the optimisers: derivatives, optimality, agreement."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.resources import solve_convex
from mecsim_policies.dashf_reference.sdr import fractions, relax_dense
from mecsim_policies.optim.association import best_fractions, relax
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.shares import PHI, SHARED, UP, ShareProblem

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.devices import Weights
from mecsim.system.objective import Objective

USERS, WEIGHT, GAP = 5, 50.0, 1e-7
OBJECTIVES = ["mean", "max, weighted", "mean, weighted"]
# Every power law and every kind of work, with one law of rates each, as a law of rates multiplies nothing.
LAWS = [("ideal", "cubic", "paper", False), ("ergodic capped", "all", "peft", True)]


def with_objective(instance, kind, *, zeros=False):
    """Return the snapshot with an objective; ``zeros`` takes the first user's weights away."""
    rng, n = np.random.default_rng(instance.user_count), instance.user_count
    a, c = rng.uniform(0.3, 3.0, (2, n)) if "weighted" in kind else np.ones((2, n))
    a[0], c[-1] = (0.0, 0.0) if zeros else (a[0], c[-1])
    return replace(instance, objective=Objective(kind.split(",")[0], a, c))


@pytest.fixture
def case(with_laws):
    """Return a function from laws and an objective to an instance, its problem and shares inside it."""

    def drawn(laws, kind, seed=3):
        instance = with_objective(with_laws(seed, USERS, 2, *laws), kind)
        rng = np.random.default_rng(seed)
        problem = ShareProblem.of(instance, rng.integers(2, size=USERS)).relaxed()
        shares = problem.equal_split(rng.uniform(0.2, 0.8, USERS))
        return instance, problem, problem.inside(shares, 0.05, move_phi=True)

    return drawn


def gradient(barrier, shares, longest_s):
    """Return the gradient of the barrier function in the shares that move."""
    d = barrier.derivatives(shares, longest_s)
    slope = d.barrier_gradient + barrier.weight * barrier.price.per_j * d.energy_gradient
    if d.delay_gradient is not None:
        slope = slope + barrier.weight * barrier.price.per_s / USERS * d.delay_gradient
    slope[:, :SHARED] -= barrier.weight * d.score_gradient[:, None]
    return slope


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("physics", LAWS, ids=lambda physics: physics[2])
@pytest.mark.parametrize("move_phi", [False, True])
def test_first_derivatives(case, price_at, kind, physics, move_phi):
    """Against central differences. Mutant: the delays' part twice."""
    instance, problem, shares = case(physics, kind)
    barrier = Barrier(problem, price_at(instance), WEIGHT, move_phi)
    longest_s = 1.2 * barrier.smooth.evaluate(shares)[0].max(keepdims=True)
    found, expected = gradient(barrier, shares, longest_s), np.zeros((USERS, barrier.free))
    for n, k in np.ndindex(expected.shape):
        ahead, behind = shares.copy(), shares.copy()
        step = 1e-6 * shares[n, k]
        ahead[n, k] += step
        behind[n, k] -= step
        values = barrier.value(ahead, longest_s) - barrier.value(behind, longest_s)
        expected[n, k] = values[0] / (2.0 * step)
    unit = np.abs(expected) + 1.0
    assert (np.abs(found - expected) / unit).max() <= 1e-5
    d = barrier.derivatives(shares, longest_s)
    if d.delay_gradient is not None:
        twice = found + WEIGHT * barrier.price.per_s / USERS * d.delay_gradient
        assert (np.abs(twice - expected) / unit).max() > 1e-2


def stationarity(problem, price, solution, phi_moves=False):
    """Return the largest slope of the Lagrangian by differences, at bounds only where it points inside."""
    shares, free = solution.shares, PHI + phi_moves
    slope = np.zeros((USERS, free))
    for n, k in np.ndindex(slope.shape):
        ends = []
        for sign in (1.0, -1.0):
            moved = shares.copy()
            moved[n, k] += sign * 1e-6 * shares[n, k]
            delay_s, energy_j, score = problem.evaluate(moved)
            ends.append((solution.delay_price * delay_s + price.per_j * energy_j - score).sum())
        slope[n, k] = (ends[0] - ends[1]) / 2e-6
    slope[:, :SHARED] += solution.share_price[problem.server] * shares[:, :SHARED]
    room = (1.0 - shares[:, UP:free]) / shares[:, UP:free]
    slope[:, UP:] = np.where(
        slope[:, UP:] < 0.0, np.maximum(slope[:, UP:], slope[:, UP:] * room), slope[:, UP:]
    )
    return float(np.abs(slope).max())


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_optimality_conditions_where_part_2_stops(case, price_at, kind):
    """Prices that add up to another price of delay. Mutant: the conditions of the other kind of delay."""
    instance, problem, shares = case(LAWS[0], kind)
    price = price_at(instance)
    found = solve(problem, price, shares, gap=GAP, final_tolerance=1e-8)
    assert found.converged
    assert found.delay_price.sum() == pytest.approx(price.per_s, rel=2e-5)
    assert stationarity(problem, price, found) <= 2e-5
    assert (found.share_price * (1.0 - problem.used(found.shares))).max() <= 2e-5
    other = replace(
        found, delay_price=np.roll(found.delay_price, 1) if "max" in kind else 2.0 * found.delay_price
    )
    assert stationarity(problem, price, other) > 1e-2


@pytest.mark.parametrize(
    ("kind", "power"), [("mean", "cubic"), ("max, weighted", "all"), ("mean, weighted", "all")]
)
def test_part_2_agrees_with_cvxpy(case, price_at, as_shares, kind, power):
    """F at the end of the alternation by general solvers. Mutant: the paper's objective there."""
    instance, problem, shares = case(("ideal", power, "paper", False), kind)
    price, server, phi = price_at(instance), problem.server, shares[:, PHI]
    found = solve(problem, price, shares, gap=GAP)

    def by_cvxpy(instance):
        last = as_shares(shares)
        for _ in range(15):
            last, _, _ = solve_convex(instance, server, phi, price, last)
        return problem.cost(price, np.column_stack([*last.columns, phi]))

    assert found.cost == pytest.approx(by_cvxpy(instance), abs=3e-4)
    assert by_cvxpy(replace(instance, objective=None)) > found.cost + 3e-3


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_the_relaxation_in_blocks_is_the_dense_one(snapshot, price_at, kind):
    """Mutant: the paper's objective in the dense one."""
    instance = with_objective(snapshot(20, 5, 3), kind)
    slots, price = slots_by_capacity(instance), price_at(instance)

    def value_of(instance):
        pairs = pairs_of(instance, slots, None, np.ones_like(instance.gain, dtype=bool))
        return relax_dense(pairs, price, slots, ("CLARABEL",), tolerance=1e-6)[0].value

    found = relax(Pairs.at_slots(instance, slots), price, slots).value
    assert found == pytest.approx(value_of(instance), rel=1e-5)
    assert found != pytest.approx(value_of(replace(instance, objective=None)), rel=1e-2)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("physics", LAWS, ids=lambda physics: physics[2])
def test_phi_is_that_of_the_program(case, price_at, kind, physics):
    """With the mean each user takes its cheaper end: all combinations of ends are tried as well."""
    instance, problem, _ = case(physics, kind, seed=6)
    price, server = price_at(instance), problem.server
    pairs = Pairs.at_slots(instance, slots_by_capacity(instance))
    rows = np.arange(USERS)

    def cost(phi):
        def at(end_0, end_1):
            return np.where(phi == 1.0, end_1[rows, server], end_0[rows, server])

        delay_s, energy_j = at(pairs.delay_0_s, pairs.delay_1_s), at(pairs.energy_0_j, pairs.energy_1_j)
        return price.per_s * delay_s.mean() + price.per_j * energy_j.sum()

    phi = best_fractions(pairs, price, server)
    assert phi == pytest.approx(fractions(pairs, price, server), abs=1e-6)
    if "mean" in kind:
        every = [cost(np.array(ends)) for ends in itertools.product((0.0, 1.0), repeat=USERS)]
        assert cost(phi) == pytest.approx(min(every), rel=1e-12)
        assert len(set(every)) > 1


@pytest.mark.parametrize("kind", ["mean", "max, weighted"])
def test_dashf_takes_the_decision_of_the_letter(snapshot, kind):
    """Mutant: the decision for the paper's objective, judged by this one."""
    instance = with_objective(snapshot(4, 5, 2), kind)
    fast, letter = (make_policy(p).allocate(Observation.of(instance)) for p in ("dashf", "dashf_reference"))
    assert (fast.server == letter.server).all()
    assert instance.scr(fast) == pytest.approx(instance.scr(letter), rel=1e-3)
    plain = make_policy("dashf").allocate(Observation.of(replace(instance, objective=None)))
    assert instance.scr(plain) < 0.97 * instance.scr(fast)


@pytest.mark.parametrize("kind", OBJECTIVES)
def test_better_policies_find_more(snapshot, kind):
    """An optimiser that maximises something else. The order is that of the paper's objective."""
    instance = with_objective(snapshot(5, 3, 2), kind)
    names = ("gucaa", "gucro", "dashf", "dashf_plus", "local_search", "exhaustive")
    scr = [instance.scr(make_policy(name).allocate(Observation.of(instance))) for name in names]
    assert scr[5] >= scr[4] >= scr[3] * (1.0 - 1e-4) > 0.0
    assert min(scr[2:]) > max(scr[:2])


@pytest.mark.parametrize("policy", ["dashf", "dashf_plus", "water_filling", "matching", "card"])
def test_for_one_user_the_mean_is_the_largest(snapshot, policy):
    """Mutant: two users, where it is not."""
    for users, same in ((1, True), (2, False)):
        instance, one = snapshot(8, users, 2), np.ones(users)
        mean = replace(instance, objective=Objective("mean", one, one))
        scr = [i.scr(make_policy(policy).allocate(Observation.of(i))) for i in (instance, mean)]
        assert (scr[0] == pytest.approx(scr[1], rel=1e-5)) == same


@pytest.mark.parametrize(
    "policy", ["dashf", "dashf_plus", "aauco", "gucro", "water_filling", "matching", "card"]
)
@pytest.mark.parametrize("kind", ["max", "mean"])
def test_weights_of_all_are_weights_of_the_scenario(snapshot, policy, kind):
    """All delays times 4 is 4 times the weight of delay, so for energies. Mutant: 4 times another weight."""
    instance, one = snapshot(9, 6, 2), np.ones(6)
    w = instance.weights
    instance = replace(instance, objective=Objective(kind, one, one))
    weighted = replace(instance, objective=Objective(kind, 4.0 * one, 0.5 * one))
    same = replace(instance, weights=Weights(4.0 * w.delay_per_s, 0.5 * w.energy_per_j))
    given = make_policy(policy).allocate(Observation.of(weighted))
    assert weighted.scr(given) == pytest.approx(
        same.scr(make_policy(policy).allocate(Observation.of(same))), rel=1e-6
    )
    assert weighted.scr(given) == pytest.approx(same.scr(given), rel=1e-12)
    assert weighted.scr(given) != pytest.approx(instance.scr(given), rel=1e-2)


@pytest.mark.parametrize("kind", OBJECTIVES)
@pytest.mark.parametrize("policy", ["dashf", "dashf_plus", "local_search", "water_filling", "card"])
def test_what_has_no_weight_does_not_count(snapshot, kind, policy):
    """A division by a weight of 0, and a delay without end times 0 that is no number."""
    instance = with_objective(snapshot(3, 5, 2), kind, zeros=True)
    chosen = make_policy(policy)
    answer = chosen.allocate(Observation.of(instance))
    assert answer.violations(instance) == ()
    assert chosen.predicted_scr == pytest.approx(instance.scr(answer), rel=1e-9)
    halted = replace(answer, user_gpu_flops=np.where(np.arange(5) == 0, 0.0, answer.user_gpu_flops))
    assert instance.scr(halted) > 0.0
