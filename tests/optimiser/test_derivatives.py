"""The barrier's derivatives against finite differences, the Newton step against a dense solve."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.resources import Constants, Shares
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.loads import Loads
from mecsim_policies.optim.shares import BAND, DOWN, PHI, SHARED, UP, ShareProblem

from mecsim.system.rate_spec import RATES
from mecsim.system.rates import Ergodic, RateLaw, Shannon
from mecsim.system.round_work import RoundWork

WEIGHT = 20.0
CASES = [(False, False), (False, True), (True, False)]
LAWS = ["shannon", "ergodic", "ergodic up, shannon down", "nr-256qam", "lte-36942"]


def touching(instance, server, shares):
    """nu = 1 / (2 A r) of both links at these shares."""
    k = Constants.of(instance, server, shares[:, PHI])
    r_u, r_d = k.rates(as_shares(shares))
    return 0.5 / (shares[:, UP] * r_u), 0.5 / (shares[:, DOWN] * r_d)


def as_shares(shares):
    band, down, gpu, up, own, _ = shares.T
    return Shares(band, down, gpu, up, own)


@pytest.fixture
def make_barrier(part_2, price_at):
    """Return a function from a case to a barrier function and a point inside it."""

    def make(seed, move_phi, with_nu, law="shannon", *, stretch=1.3):
        rate = law if law in RATES else "shannon"
        instance, server, _, problem, shares = part_2(seed, 5, 2, ergodic="ergodic" in law, rate=rate)
        if law == "ergodic up, shannon down":
            noise = instance.noise_w_per_hz
            problem = replace(problem, rate_law=RateLaw(Ergodic(noise), Shannon(noise)))
        nu = touching(instance, server, shares) if with_nu else None
        if nu is not None:
            nu = nu[0] * stretch, nu[1] / stretch
        longest_s = 1.2 * problem.evaluate(shares)[0].max(keepdims=True)
        return Barrier(problem, price_at(instance), WEIGHT, move_phi, nu), shares, longest_s

    return make


def packed(shares, longest_s, free):
    return np.append(shares[:, :free].ravel(), longest_s)


def unpacked(point, shares, free):
    moved = shares.copy()
    moved[:, :free] = point[:-1].reshape(len(shares), free)
    return moved, point[-1:]


def numeric_gradient(function, point):
    """Central differences with a step of a hundred-thousandth of each number, once extrapolated."""

    def slope(i, step):
        ahead, behind = point.copy(), point.copy()
        ahead[i] += step
        behind[i] -= step
        return (function(ahead) - function(behind)) / (2.0 * step)

    steps = 2e-4 * np.abs(point)
    return np.array([(4.0 * slope(i, h / 2.0) - slope(i, h)) / 3.0 for i, h in enumerate(steps)])


def whole_gradient(barrier, point, shares):
    return gradient_at(barrier, barrier.derivatives(*unpacked(point, shares, barrier.free)), barrier.weight)


def gradient_at(barrier, d, weight):
    slope = d.barrier_gradient + weight * barrier.price.per_j * d.energy_gradient
    slope[:, :SHARED] -= weight * d.score_gradient[:, None]
    return np.append(slope.ravel(), d.barrier_gradient_s + weight * barrier.price.per_s)


def whole_hessian(barrier, shares, longest_s, *, budgets=True):
    """Blocks, budgets of rank one, border and corner put together as one matrix."""
    d, free, users = barrier.derivatives(shares, longest_s), barrier.free, len(shares)
    H = np.zeros((users * free + 1, users * free + 1))
    for n in range(users):
        at = slice(n * free, (n + 1) * free)
        H[at, at] = d.blocks[n]
        H[at, -1] = H[-1, at] = d.border[n]
    H[-1, -1] = (d.inverse_slack**2).sum()
    if budgets:
        for m, row in enumerate(barrier.problem.member[0]):
            for k in range(SHARED):
                used = np.zeros(len(H))
                used[k:-1:free] = row
                H += np.outer(used, used) / d.slack[m, k] ** 2
    return H


def relative(found, expected, H):
    """The largest difference, both sides measured by the diagonal of H."""
    unit = 1.0 / np.sqrt(np.abs(np.diag(H)))
    scale = unit if found.ndim == 1 else np.outer(unit, unit)
    return float(np.abs((found - expected) * scale).max())


def gradient_error(barrier, shares, longest_s):
    """How far the gradient is from the value's differences."""
    point = packed(shares, longest_s, barrier.free)
    numeric = numeric_gradient(lambda x: barrier.value(*unpacked(x, shares, barrier.free))[0], point)
    H = whole_hessian(barrier, shares, longest_s)
    return relative(whole_gradient(barrier, point, shares), numeric, H), numeric, H


def numeric_hessian(barrier, shares, longest_s):
    point = packed(shares, longest_s, barrier.free)
    return numeric_gradient(lambda x: whole_gradient(barrier, x, shares), point).T


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("move_phi", "with_nu"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_slope_of_the_value(make_barrier, seed, move_phi, with_nu, law):
    """A term of the value without its derivative, or the reverse. Mutant: another weight."""
    barrier, shares, longest_s = make_barrier(seed, move_phi, with_nu, law)
    error, numeric, H = gradient_error(barrier, shares, longest_s)
    assert error <= 1e-6
    heavier = gradient_at(barrier, barrier.derivatives(shares, longest_s), 1.01 * WEIGHT)
    assert relative(heavier, numeric, H) > 1e-4


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("move_phi", "with_nu"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_hessian_is_the_slope_of_the_gradient(make_barrier, seed, move_phi, with_nu, law):
    """A cross term left out. Mutants: the budgets' rank-one terms, or the border, forgotten."""
    barrier, shares, longest_s = make_barrier(seed, move_phi, with_nu, law)
    numeric = numeric_hessian(barrier, shares, longest_s)
    H = whole_hessian(barrier, shares, longest_s)
    assert relative(H, numeric, H) <= 1e-6
    assert relative(whole_hessian(barrier, shares, longest_s, budgets=False), numeric, H) > 1e-3
    no_border = H.copy()
    no_border[-1, :-1] = no_border[:-1, -1] = 0.0
    assert relative(no_border, numeric, H) > 1e-3


@pytest.mark.parametrize("move_phi", [False, True])
def test_rejects_shannons_derivatives_of_an_ergodic_rate(make_barrier, monkeypatch, move_phi):
    barrier, shares, longest_s = make_barrier(1, move_phi, False, "ergodic")
    shannon = Shannon(barrier.problem.rate_law.up.noise_w_per_hz).nat_derivatives
    monkeypatch.setattr(Ergodic, "nat_derivatives", lambda self, *link: shannon(*link))
    assert gradient_error(barrier, shares, longest_s)[0] > 1e-4


@pytest.mark.parametrize("move_phi", [False, True])
def test_rejects_an_ergodic_curvature_without_its_slope(make_barrier, monkeypatch, move_phi):
    """The curvature of Shannon's rate beside the right slope."""
    true = Ergodic.nat_derivatives

    def bent(self, *link):
        return true(self, *link)._replace(curvature=Shannon(1.0).nat_derivatives(*link).curvature)

    barrier, shares, longest_s = make_barrier(1, move_phi, False, "ergodic")
    monkeypatch.setattr(Ergodic, "nat_derivatives", bent)
    H = whole_hessian(barrier, shares, longest_s)
    assert relative(H, numeric_hessian(barrier, shares, longest_s), H) > 1e-3


@pytest.mark.parametrize("law", ["shannon", "ergodic"])
@pytest.mark.parametrize("move_phi", [False, True])
def test_newton_step_is_that_of_the_whole_matrix(make_barrier, move_phi, law):
    """A Schur complement with a wrong sign. Mutant: the step of the blocks alone."""
    barrier, shares, longest_s = make_barrier(1, move_phi, False, law)
    H = whole_hessian(barrier, shares, longest_s)
    assert np.linalg.eigvalsh(H)[0] > 0  # or the step would be that of the positive blocks
    gradient = whole_gradient(barrier, packed(shares, longest_s, barrier.free), shares)
    step = -np.linalg.solve(H, gradient)
    move, move_s, decrement, growth = barrier.newton(barrier.derivatives(shares, longest_s), WEIGHT)
    assert np.append(move[:, : barrier.free].ravel(), move_s) == pytest.approx(step, rel=1e-7, abs=1e-9)
    assert decrement == pytest.approx(-gradient @ step, rel=1e-8)
    slack_s, little = longest_s - barrier.problem.evaluate(shares)[0], 1e-6
    after_s = longest_s + little * move_s - barrier.problem.evaluate(shares + little * move)[0]
    assert growth == pytest.approx(((slack_s - after_s) / (little * slack_s)).max(), rel=1e-4)
    blocks = whole_hessian(barrier, shares, longest_s, budgets=False)
    assert -np.linalg.solve(blocks, gradient) != pytest.approx(step, rel=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_transform_bends_by_one_rank_more_a_link(part_2, price_at, seed):
    """At the touching nu: the same gradient, and a Hessian of the truth plus e / (p r) v v' a link.

    v = (p r_b / r, 1 + p r_p / r). Mutant: v with the sign of the rate's part turned.
    """
    instance, server, phi, problem, shares = part_2(seed, 6, 2, at_ends=True)
    price = price_at(instance)
    longest_s = 1.2 * problem.evaluate(shares)[0].max(keepdims=True)
    true = Barrier(problem, price, WEIGHT).derivatives(shares, longest_s)
    nu = touching(instance, server, shares)
    bent = Barrier(problem, price, WEIGHT, nu=nu).derivatives(shares, longest_s)
    assert bent.barrier_gradient == pytest.approx(true.barrier_gradient, rel=1e-10)
    assert bent.energy_gradient == pytest.approx(true.energy_gradient, rel=1e-10)

    def rank_one(sign):
        k, found = Constants.of(instance, server, phi), np.zeros_like(true.blocks)
        r_u, r_d = k.rates(as_shares(shares))
        for at, r, c, joule in ((UP, r_u, k.up_snr, k.up_j), (DOWN, r_d, k.down_snr, k.down_j)):
            b, p = shares[:, BAND], shares[:, at]
            z = c * p / b
            v = np.zeros((len(b), 5))
            v[:, BAND] = p / r * (np.log1p(z) - z / (1.0 + z))
            v[:, at] = 1.0 + sign * p / r * c / (1.0 + z)
            e = WEIGHT * price.per_j * joule / (p * r)
            found += e[:, None, None] * v[:, :, None] * v[:, None, :]
        return found

    size = np.abs(true.blocks).max()
    assert np.abs(bent.blocks - true.blocks - rank_one(1.0)).max() <= 1e-10 * size
    assert np.abs(bent.blocks - true.blocks - rank_one(-1.0)).max() > 1e-6 * size


def with_charges(instance):
    """An instance whose work has a charge of each kind, and whose second user holds a part of the model."""
    users = instance.users
    flop, bits = users.adapter_params * users.flops_per_param, users.adapter_params * instance.bits_per_param
    work = RoundWork(flop, 0.3 * flop, flop, 0.2 * flop, bits, 0.5 * bits, 1.4 * bits, bits, 0.1 * bits)
    work = replace(work, uplink_fixed_bits=1.5 * bits)
    most = np.where(np.arange(len(flop)) == 1, 0.6, 1.0)
    return replace(instance, work=work, users=replace(users, local_fraction_max=most))


@pytest.mark.parametrize("form", ["relaxed", "settled"])
@pytest.mark.parametrize("seed", range(3))
def test_derivatives_with_charges(part_2, price_at, monkeypatch, seed, form):
    """Gradient and Hessian of both problems without jumps. Mutant: what is added to linear work left out."""
    instance, server, _, _, shares = part_2(seed, 5, 2)
    problem = ShareProblem.of(with_charges(instance), server)
    phi = np.array([0.0, 0.4, 1.0, 0.7, 0.3])
    shares[:, PHI] = np.where((phi > 0) & (phi < 1), phi, 0.45)
    problem = problem.relaxed() if form == "relaxed" else problem.settled(phi)
    longest_s = 1.2 * problem.evaluate(shares)[0].max(keepdims=True)
    barrier = Barrier(problem, price_at(instance), WEIGHT, move_phi=True)
    assert gradient_error(barrier, shares, longest_s)[0] <= 1e-6
    H = whole_hessian(barrier, shares, longest_s)
    if np.linalg.eigvalsh(H)[0] > 0:  # or the blocks have been made positive
        assert relative(H, numeric_hessian(barrier, shares, longest_s), H) <= 1e-6
    fixed = problem.fixed
    monkeypatch.setattr(
        ShareProblem, "loads", lambda self, phi: Loads(*(self.parts(phi) * each for each in self_loads(self)))
    )
    assert fixed is not None
    assert gradient_error(barrier, shares, longest_s)[0] > 1e-4


def self_loads(problem):
    return problem.train_s, problem.radio_s, problem.train_j, problem.radio_j
