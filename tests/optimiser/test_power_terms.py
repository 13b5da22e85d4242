"""Shared GPUs, lowest speeds and electronics in the optimisers: derivatives, Newton steps, the reference.

The Hessian of shared GPUs is exact for part 2. The joint step leaves out the mixed derivatives of speeds and
phi at shared GPUs, and so does the comparison.
"""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.resources import Shares, solve_convex
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.power_terms import PowerTerms
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.shares import GPU, PHI, SHARED, SPEEDS, ShareProblem

from mecsim.system.power import DevicePower, PowerSpec

WEIGHT = 20.0
N, M = 5, 2


def powered(instance, *, floor=0.0, own_floor=0.0, electronics=1.0, shares=True):
    """Return an instance with the power of real cards: shared GPUs, electronics, lowest speeds."""
    n, m = instance.gain.shape
    rng = np.random.default_rng(n)
    users = DevicePower(
        own_floor * instance.users.max_gpu_flops,
        electronics * rng.uniform(0.1, 1.0, n),
        electronics * rng.uniform(0.1, 1.0, n),
    )
    servers = DevicePower(
        floor * instance.servers.max_gpu_flops,
        electronics * rng.uniform(1, 10, m),
        electronics * rng.uniform(1, 10, m),
    )
    flags = np.full(m, shares)
    return replace(instance, power=PowerSpec(users, servers, flags))


@pytest.fixture
def make_barrier(part_2, price_at):
    def make(seed, move_phi, **how):
        instance, server, _, _, shares = part_2(seed, N, M)
        if not move_phi:
            shares[0, PHI] = 1.0  # one who does not count, so that budget and shared GPU differ
        instance = powered(instance, **how)
        problem = ShareProblem.of(instance, server)
        shares = problem.inside(shares, 1e-2)
        longest_s = 1.2 * problem.evaluate(shares)[0].max(keepdims=True)
        return instance, Barrier(problem, price_at(instance), WEIGHT, move_phi), shares, longest_s

    return make


def gradient_at(barrier, shares, longest_s):
    d = barrier.derivatives(shares, longest_s)
    slope = d.barrier_gradient + barrier.weight * barrier.price.per_j * d.energy_gradient
    slope[:, :SHARED] -= barrier.weight * d.score_gradient[:, None]
    return np.append(slope.ravel(), d.barrier_gradient_s + barrier.weight * barrier.price.per_s)


def differences(function, shares, longest_s, free):
    """Central differences in every share that moves and in T, once extrapolated."""
    point = np.append(shares[:, :free].ravel(), longest_s)

    def at(x):
        moved = shares.copy()
        moved[:, :free] = x[:-1].reshape(len(shares), free)
        return function(moved, x[-1:])

    def slope(i, step):
        ahead, behind = point.copy(), point.copy()
        ahead[i] += step
        behind[i] -= step
        return (at(ahead) - at(behind)) / (2.0 * step)

    steps = 2e-4 * np.abs(point)
    return np.array([(4.0 * slope(i, h / 2.0) - slope(i, h)) / 3.0 for i, h in enumerate(steps)])


def whole_hessian(barrier, shares, longest_s, *, shared=True):
    """Blocks, budgets, shared GPUs, border and corner put together as one matrix."""
    d, free, users = barrier.derivatives(shares, longest_s), barrier.free, len(shares)
    H = np.zeros((users * free + 1, users * free + 1))
    for n in range(users):
        at = slice(n * free, (n + 1) * free)
        H[at, at] = d.blocks[n]
        H[at, -1] = H[-1, at] = d.border[n]
    H[-1, -1] = (d.inverse_slack**2).sum()
    slack = d.slack if shared else 1.0 - barrier.problem.used(shares)
    for m, row in enumerate(barrier.problem.member[0]):
        for k in range(SHARED):
            used = np.zeros(len(H))
            used[k:-1:free] = row
            H += np.outer(used, used) / slack[m, k] ** 2
        if shared and d.shared is not None:
            vector = np.append((row[:, None] * d.shared.vectors).ravel(), 0.0)
            H += np.outer(vector, vector) / d.shared.softness[m]
    return H


def relative(found, expected, H):
    unit = 1.0 / np.sqrt(np.abs(np.diag(H)))
    return float(np.abs((found - expected) * (unit if found.ndim == 1 else np.outer(unit, unit))).max())


HOW = [{}, {"floor": 0.95}, {"own_floor": 0.3}, {"shares": False}]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("move_phi", [False, True])
def test_gradient_is_the_slope_of_the_value(make_barrier, move_phi, how):
    """On both sides of the lowest speed of servers. Mutant: electronics without their slope."""
    _, barrier, shares, longest_s = make_barrier(1, move_phi, **how)
    H = whole_hessian(barrier, shares, longest_s)
    numeric = differences(lambda *x: barrier.value(*x)[0], shares, longest_s, barrier.free)
    assert relative(gradient_at(barrier, shares, longest_s), numeric, H) <= 1e-6
    silent = replace(barrier.problem.power, electronics_w=np.zeros((2, N)))
    other = replace(barrier, problem=replace(barrier.problem, power=silent))
    assert relative(gradient_at(other, shares, longest_s), numeric, H) > 1e-4


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("move_phi", [False, True])
def test_hessian_is_the_slope_of_the_gradient(make_barrier, move_phi, how):
    """Mutant: the term that joins the users of a shared GPU forgotten."""
    _, barrier, shares, longest_s = make_barrier(1, move_phi, **how)
    numeric = differences(lambda *x: gradient_at(barrier, *x), shares, longest_s, barrier.free).T
    H = whole_hessian(barrier, shares, longest_s)
    known = np.ones_like(H, dtype=bool)
    if move_phi:
        phi, gpu = (np.arange(column, len(H) - 1, barrier.free) for column in (PHI, GPU))
        known[np.ix_(phi, gpu)] = known[np.ix_(gpu, phi)] = not how.get("shares", True)
    assert relative(np.where(known, H, numeric), numeric, H) <= 1e-6
    if how.get("shares", True):
        alone = whole_hessian(barrier, shares, longest_s, shared=False)
        assert relative(np.where(known, alone, numeric), numeric, H) > 1e-3


@pytest.mark.parametrize("move_phi", [False, True])
def test_newton_step_is_that_of_the_whole_matrix(make_barrier, move_phi):
    """Mutant: the step without the shared term."""
    _, barrier, shares, longest_s = make_barrier(1, move_phi)
    gradient = gradient_at(barrier, shares, longest_s)
    step = -np.linalg.solve(whole_hessian(barrier, shares, longest_s), gradient)
    move, move_s, decrement, _ = barrier.newton(barrier.derivatives(shares, longest_s), WEIGHT)
    assert np.append(move[:, : barrier.free].ravel(), move_s) == pytest.approx(step, rel=1e-7, abs=1e-9)
    assert decrement == pytest.approx(-gradient @ step, rel=1e-8)
    alone = -np.linalg.solve(whole_hessian(barrier, shares, longest_s, shared=False), gradient)
    assert alone != pytest.approx(step, rel=1e-3)


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_energies_of_shares_are_those_of_the_system(make_barrier, seed, how):
    """Every law as the static system has it, some phi at the ends. Mutant: everybody's speed counts."""
    instance, barrier, shares, _ = make_barrier(seed, False, **how)
    problem = barrier.problem
    shares[:2, PHI] = [1.0, 0.0]
    answer = problem.allocation(instance, shares)
    assert problem.evaluate(shares)[1] == pytest.approx(instance.energy(answer), rel=1e-9)
    assert problem.scr(instance, shares) == pytest.approx(instance.scr(answer), rel=1e-9)
    copies = ShareProblem.stack(
        tuple(ShareProblem.of(instance, np.full(N, m)) for m in range(M)), np.stack([problem.server] * 3)
    )
    tripled = copies.evaluate(np.tile(shares, (3, 1)))[1]
    assert tripled == pytest.approx(np.tile(instance.energy(answer), 3), rel=1e-9)
    kept = copies.take(np.array([False, True, True])).evaluate(np.tile(shares, (2, 1)))[1]
    assert kept == pytest.approx(tripled[N:], rel=1e-12)


def test_counting_users_without_work_is_noticed(make_barrier, monkeypatch):
    instance, barrier, shares, _ = make_barrier(0, False)
    shares[:2, PHI] = 1.0
    answer = barrier.problem.allocation(instance, shares)
    monkeypatch.setattr(PowerTerms, "counts", lambda self, server_s: self.at_shared)
    found = barrier.problem.evaluate(shares)[1]
    assert found != pytest.approx(instance.energy(answer), rel=1e-3)


@pytest.mark.parametrize("how", [{}, {"floor": 0.4, "own_floor": 0.3}, {"shares": False}], ids=str)
@pytest.mark.parametrize("at_ends", [False, True])
def test_convex_problem_has_cvxpys_value(part_2, price_at, at_ends, how):
    """The reference's problem has the same optimum. Mutant: the cubic law of each share."""
    instance, server, phi, _, start = part_2(3, 6, 2, at_ends=at_ends)
    instance = powered(instance, **how)
    problem, price = ShareProblem.of(instance, server), price_at(instance)
    start = problem.inside(start, 1e-2)
    last = Shares(*(start[:, column] for column in range(PHI)))
    r = problem.rate_law.nat_rates(start[:, 0], start[:, [3, 1]].T, problem.snr)
    nu = 0.5 / (start[:, 3] * r[0]), 0.5 / (start[:, 1] * r[1])
    found_shares, _, _ = solve_convex(instance, server, phi, price, last, ("CLARABEL",))
    reference = np.stack([*found_shares.columns, phi], axis=1)
    found = solve(problem, price, start, gap=1e-7, nu=nu, last_weight=3e6)
    assert found.converged

    def value(shares):
        barrier = Barrier(problem, price, 1.0, nu=nu)
        return problem.cost(price, shares) + price.per_j * barrier._transform_excess(shares).sum()

    size = max(1.0, abs(value(reference)))
    assert abs(value(found.shares) - value(reference)) <= 1e-5 * size
    if how.get("shares", True):
        cubic = replace(instance, power=replace(instance.power, shares_gpu=np.zeros(2, bool)))
        other = solve(ShareProblem.of(cubic, server), price, start, gap=1e-7, nu=nu)
        assert abs(value(other.shares) - value(reference)) > 1e-5 * size


@pytest.mark.parametrize("served", [False, True])
def test_pairs_are_those_of_the_reference(part_2, served):
    """The speed in use is that in force, all of it from cold. Mutant: the speed of the pair alone."""
    instance, server, _, _, shares = part_2(4, N, M, at_ends=True)
    instance = powered(instance, floor=0.2)
    problem = ShareProblem.of(instance, server)
    current = problem.allocation(instance, shares) if served else None
    slots = np.array([3.0, 2.0])
    own = problem.of_allocation(instance, current) if served else None
    fast = Pairs.at_slots(instance, slots, server if served else None, own)
    slow = pairs_of(instance, slots, current, np.ones((N, M), bool))
    for name in ("score", "delay_0_s", "delay_1_s", "energy_0_j", "energy_1_j"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-9), name
    alone = replace(instance, power=replace(instance.power, shares_gpu=np.zeros(M, bool)))
    assert Pairs.at_slots(alone, slots).energy_0_j != pytest.approx(fast.energy_0_j, rel=1e-2)


def test_a_joining_user_costs_what_the_others_pay_more(part_2):
    """The estimate behind moves: the exact change of the energy. Mutant: the user's own energy alone."""
    instance, server, _, _, shares = part_2(2, N, M)
    instance = powered(instance, electronics=0.0)
    server = np.array([0, 0, 1, 1, 1])
    problem = ShareProblem.of(instance, server)
    moved = server.copy()
    moved[2] = 0
    after = ShareProblem.of(instance, moved)
    shares[2, [GPU, PHI]] = [0.1, 1.0]

    def server_j(one):
        load = one.loads(shares[:, PHI])
        return load.train_j[1] * one.power.effort(load.train_s[1], shares.T[SPEEDS])[1]

    before_j, everyone = server_j(problem), ShareProblem.of(instance, np.zeros(N, int))
    others = problem.power.others(0, problem.loads(shares[:, PHI]), shares[:, GPU])
    own_j = everyone.train_j[1]
    shares[2, PHI] = 0.0
    after_j = server_j(after)
    told = (others.energy_j + own_j) * (others.speed + 0.1) ** 2 - others.energy_j * others.speed**2
    assert told[2] == pytest.approx(after_j.sum() - before_j.sum(), rel=1e-9)
    assert told[2] > 1.01 * after_j[2]
