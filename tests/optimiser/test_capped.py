"""Part 2 with rates that have a cap: against cvxpy and the paper's alternation, the kink, the path."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.resources import solve_convex
from mecsim_policies.optim import barrier as barrier_module
from mecsim_policies.optim.joint import joint_step
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.shares import BAND, DOWN, UP, Price, ShareProblem

from mecsim.system.rate_spec import IDEAL, RateSpec, SpectralEfficiency

GAP = 1e-7
SIZES = [(1, 1), (4, 2), (7, 3)]
RATES = ("nr-256qam", "lte-36942")


def over_kink(problem, shares):
    """SNR of uplinks and downlinks over that of the kink."""
    snr = problem.snr * np.stack([shares[:, UP], shares[:, DOWN]]) / shares[:, BAND]
    law = problem.rate_law
    return snr / np.array([[law.up.kink_snr], [law.down.kink_snr]])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("users", "servers"), SIZES)
@pytest.mark.parametrize("at_ends", [False, True])
def test_convex_problem_has_cvxpys_value(
    part_2, price_at, users, servers, at_ends, rate, as_shares, nu_at, transformed
):
    """The smooth law leads to the optimum of the problem with kinks. Mutant: Shannon's problem."""
    instance, server, phi, problem, start = part_2(3, users, servers, at_ends=at_ends, rate=rate)
    price, last = price_at(instance), as_shares(start)
    nu = nu_at(instance, server, phi, last)
    _, expected, _ = solve_convex(instance, server, phi, price, last, ("CLARABEL",))
    found = solve(problem, price, start, gap=GAP, nu=nu)
    assert found.converged
    value = transformed(instance, server, phi, price, nu, as_shares(found.shares))
    assert abs(value - expected) <= 1e-5 * max(1.0, abs(expected))
    _, other, _ = solve_convex(replace(instance, rate=IDEAL), server, phi, price, last, ("CLARABEL",))
    assert abs(other - expected) > 1e-4 * max(1.0, abs(expected))


def alternation(instance, server, phi, price, last, turns):
    """The costs of the paper's way: nu and the convex problem in turn."""
    problem, costs = ShareProblem.of(instance, server), []
    for _ in range(turns):
        last, _, _ = solve_convex(instance, server, phi, price, last)
        costs.append(problem.cost(price, np.stack([*last.columns, phi], axis=1)))
    return costs


@pytest.mark.parametrize("ergodic", [False, True], ids=["no fading", "ergodic"])
@pytest.mark.parametrize("rate", RATES)
def test_newton_finds_what_the_alternation_does(part_2, rate, ergodic, as_shares):
    """Fresh nu at each step, and a smooth law, lead elsewhere: then it would solve another problem.

    Mean rates near the cap hardly grow with the power: the law that touches them has a linear term.
    """
    instance, server, phi, problem, start = part_2(8, 5, 2, rate=rate, ergodic=ergodic)
    price = Price.at(instance, problem.scr(instance, start))
    costs = alternation(instance, server, phi, price, as_shares(start), 8)
    found = solve(problem, price, start, gap=GAP)
    assert found.converged
    assert found.cost == pytest.approx(costs[-1], rel=1e-5)
    assert found.cost != pytest.approx(costs[0], rel=1e-5)  # one convex problem is not enough
    if not ergodic:
        assert (np.abs(over_kink(problem, found.shares) - 1.0) < 1e-5).any()  # else there is no kink in it


def test_an_optimum_lies_at_kinks_and_beyond_them(part_2):
    """Uplinks end at the kink: more power buys nothing. Downlinks may pass it, for the score."""
    at_kink = beyond = 0
    for seed in range(4):
        instance, _, _, problem, start = part_2(seed, 6, 2, rate="nr-256qam")
        price = Price.at(instance, problem.scr(instance, start))
        up, down = over_kink(problem, solve(problem, price, start, gap=GAP).shares)
        assert (up <= 1.0 + 1e-4).all()
        at_kink += (np.abs(np.stack([up, down]) - 1.0) < 1e-4).sum()
        beyond += (down > 1.0 + 1e-2).sum()
    assert at_kink >= 3
    assert beyond >= 3


def test_rejects_a_kink_that_stays_smooth(part_2, monkeypatch):
    instance, _, _, problem, start = part_2(8, 5, 2, rate="nr-256qam")
    price = Price.at(instance, problem.scr(instance, start))
    right = solve(problem, price, start, gap=GAP).cost
    monkeypatch.setattr(barrier_module, "_KINK", np.inf)
    assert solve(problem, price, start, gap=GAP).cost > right + 1e-4


@pytest.mark.parametrize("rate", RATES)
def test_the_path_takes_hardly_more_steps_than_shannons(part_2, rate):
    """Mutant: a kink as sharp at the start as at the end."""

    def steps(name):
        found = []
        for seed in range(4):
            instance, _, _, problem, start = part_2(seed, 10, 2, rate=name)
            price = Price.at(instance, problem.scr(instance, start))
            found.append(solve(problem, price, problem.inside(start, 1e-2), gap=2e-4))
        assert all(each.converged for each in found)
        return sum(each.steps for each in found)

    assert steps(rate) <= 1.3 * steps("shannon")


def test_true_costs_are_never_above_those_on_the_path(part_2):
    _, _, _, problem, shares = part_2(2, 6, 2, rate="nr-256qam")
    for width in (0.1, 1e-3):
        smooth = problem.smoothed(width)
        for true, on_path in zip(problem.evaluate(shares)[:2], smooth.evaluate(shares)[:2], strict=True):
            assert (on_path > true).all()
            assert (on_path < true * (1.0 + 1.1 * width)).all()
    assert problem.smoothed(0.1).smoothed(1e-3).rate_law == problem.smoothed(1e-3).rate_law


def test_one_direction_alone_may_have_a_cap(snapshot, price_at):
    """A cap beside none, an efficiency, a gap; the joint step gains, and never with another law's answer."""
    capped = SpectralEfficiency(cap_bps_hz=3.0)
    for spec in (RateSpec(up=capped), RateSpec(down=capped), RateSpec(capped, SpectralEfficiency(0.5, 2.0))):
        instance = replace(snapshot(3, 4, 2), rate=spec)
        before = equal_split(instance, instance.gain.argmax(axis=1), 0.4)
        after = joint_step(instance, before)
        assert instance.scr(after) > instance.scr(before)
        assert not after.violations(instance)


def test_prices_are_those_of_the_smooth_law_that_led_there(part_2):
    """Mutant: a user's price from its true delay, which is below that of the path by as much as the slack."""
    instance, _, _, problem, start = part_2(0, 6, 2, rate="nr-256qam")
    price = Price.at(instance, problem.scr(instance, start))
    found = solve(problem, price, start, gap=1e-4, final_tolerance=1e-8)
    assert found.delay_price.sum() == pytest.approx(price.per_s, rel=1e-3)
    true_s = problem.evaluate(found.shares)[0]
    weight = (found.delay_price * (found.longest_s - problem.smoothed(1e-4).evaluate(found.shares)[0])).max()
    assert (1.0 / (found.longest_s - true_s)).sum() * weight != pytest.approx(price.per_s, rel=1e-2)
    assert (problem.used(found.shares) <= 1.0).all()
