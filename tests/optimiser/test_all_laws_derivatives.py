"""Derivatives of the barrier function with every law of rates, of power and of work together."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.optim.barrier import Barrier
from mecsim_policies.optim.shares import BAND, GPU, PHI, POWERS, SHARED, ShareProblem

WEIGHT = 20.0
N, M = 5, 2
# Where the whole is not convex the step along T has no end, and the path cuts it.
_ENDLESS = 1e6
FORMS = ("resources", "relaxed", "settled", "at nu")


@pytest.fixture
def make_barrier(with_laws, price_at):
    """Return a function from laws and a form to a barrier function and a point inside it."""

    def make(laws, form, seed=0):
        instance, rng = with_laws(seed, N, M, *laws), np.random.default_rng(seed)
        phi = (
            np.array([0.4, 0.3, 0.5, 0.7, 0.6]) if form == "relaxed" else np.array([0.0, 1.0, 0.5, 0.7, 0.0])
        )
        whole = ShareProblem.of(instance, np.array([0, 0, 1, 1, 0]))
        problem = whole.relaxed() if form == "relaxed" else whole.settled(phi)
        shares = problem.equal_split(phi)
        shares[:, :PHI] *= rng.uniform(0.6, 1.0, (N, PHI))
        shares = problem.inside(shares, 1e-2)
        nu, move_phi = None, form in ("relaxed", "settled")
        if move_phi:
            shares[:, PHI] = np.clip(phi, 0.2, 0.8)
        if form == "at nu":
            power = shares.T[POWERS]
            rate = problem.rate_law.nat_rates(shares[:, BAND], power, problem.snr)
            nu = tuple(np.array([[1.3], [0.8]]) * 0.5 / (power * rate))
        barrier = Barrier(problem, price_at(instance), WEIGHT, move_phi, nu)
        longest_s = 1.2 * barrier.smooth.evaluate(shares)[0].max(keepdims=True)
        return barrier, shares, longest_s

    return make


def gradient_at(barrier, shares, longest_s):
    d = barrier.derivatives(shares, longest_s)
    slope = d.barrier_gradient + barrier.weight * barrier.price.per_j * d.energy_gradient
    slope[:, :SHARED] -= barrier.weight * d.score_gradient[:, None]
    return np.append(slope.ravel(), d.barrier_gradient_s + barrier.weight * barrier.price.per_s)


def along(function, shares, longest_s, direction, free):
    """The derivative of a function along a direction, by central differences, once extrapolated."""
    move = np.zeros_like(shares)
    move[:, :free] = direction[:-1].reshape(len(shares), free)

    def slope(h):
        ahead = function(shares + h * move, longest_s + h * direction[-1:])
        return (ahead - function(shares - h * move, longest_s - h * direction[-1:])) / (2.0 * h)

    return (4.0 * slope(1e-4) - slope(2e-4)) / 3.0


def gradient_error(barrier, shares, longest_s):
    """How far the slopes along ten directions are from the value's differences, relative to the gradient."""
    gradient, rng = gradient_at(barrier, shares, longest_s), np.random.default_rng(1)
    size = np.append(shares[:, : barrier.free].ravel(), longest_s)
    errors = []
    for _ in range(10):
        direction = size * rng.uniform(-1.0, 1.0, len(size))
        numeric = along(lambda *x: barrier.value(*x)[0], shares, longest_s, direction, barrier.free)
        errors.append(abs(gradient @ direction - numeric) / np.abs(gradient * size).max())
    return max(errors)


def step_error(barrier, shares, longest_s):
    """How far ``H step``, by differences of the gradient, is from minus the gradient."""
    d, free = barrier.derivatives(shares, longest_s), barrier.free
    gradient, step = gradient_at(barrier, shares, longest_s), barrier.newton(d, WEIGHT)
    direction, size = (
        np.append(step.move[:, :free].ravel(), step.move_s),
        np.append(shares[:, :free], longest_s),
    )
    length = np.abs(direction / size).max()
    if length > _ENDLESS:
        return 0.0
    scale = 0.1 / max(1.0, length)
    numeric = along(lambda *x: gradient_at(barrier, *x), shares, longest_s, scale * direction, free)
    return np.abs((numeric / scale + gradient) * size).max() / np.abs(gradient * size).max()


def is_bent(barrier, shares, longest_s, monkeypatch):
    """Whether some block had to be made positive; then the step is not that of the true Hessian."""
    kept = []
    with monkeypatch.context() as patched:
        patched.setattr(
            "mecsim_policies.optim.barrier.positive", lambda blocks: kept.append(blocks) or blocks
        )
        barrier.derivatives(shares, longest_s)
    return np.linalg.eigvalsh(kept[0]).min() <= 0


@pytest.mark.parametrize("form", FORMS)
def test_slopes_and_steps(make_barrier, monkeypatch, laws, form):
    """A term without its derivative, or twice. Mixed ones of speed and phi at shared GPUs are left out."""
    barrier, shares, longest_s = make_barrier(laws, form)
    assert gradient_error(barrier, shares, longest_s) <= 1e-6
    power = barrier.problem.power
    mixed = barrier.move_phi and power is not None and power.shares
    if not mixed and not is_bent(barrier, shares, longest_s, monkeypatch):
        assert step_error(barrier, shares, longest_s) <= 1e-5


def speed_in_use(problem, shares):
    return problem.power.in_use(problem.load_at(shares), shares[:, GPU]).speed[0]


BUGS = {
    "electronics of the whole": lambda p: replace(p, electronics_w=2.0 * p.electronics_w),
    "a sharp kink": lambda p: replace(p, rounding=0.0),
    "everybody alone": lambda p: replace(p, at_shared=0.0 * p.at_shared, shares=False),
}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("form", FORMS)
def test_slopes_of_another_law_are_seen(make_barrier, form, bug):
    """The value has the law, its derivatives another one."""
    barrier, shares, longest_s = make_barrier(("capped", "all", "peft", True), form)
    floor, used = barrier.problem.power.gpu_floor[0], speed_in_use(barrier.problem, shares)
    shares[:, GPU] *= np.where(barrier.problem.member[0, 0] > 0, 1.05 * floor / used, 1.0)  # near the kink
    assert speed_in_use(barrier.problem, shares) == pytest.approx(1.05 * floor)
    longest_s = 1.2 * barrier.smooth.evaluate(shares)[0].max(keepdims=True)
    smooth = replace(barrier.smooth, power=BUGS[bug](barrier.smooth.power))
    object.__setattr__(barrier, "smooth", smooth)
    other = Barrier(barrier.problem, barrier.price, WEIGHT, barrier.move_phi, barrier.nu)
    gradient, rng = gradient_at(barrier, shares, longest_s), np.random.default_rng(1)
    size = np.append(shares[:, : barrier.free].ravel(), longest_s)
    direction = size * rng.uniform(-1.0, 1.0, len(size))
    numeric = along(lambda *x: other.value(*x)[0], shares, longest_s, direction, barrier.free)
    assert abs(gradient @ direction - numeric) > 1e-5 * np.abs(gradient * size).max()
