"""Part 2: the convex problem against cvxpy, and what holds where the Newton method stops."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.dashf_reference.rates import touching_shannon
from mecsim_policies.dashf_reference.resources import solve_convex
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.shares import PHI, SHARED, UP

from mecsim.system.rates import Ergodic, Shannon

GAP = 1e-7
SIZES = [(1, 1), (4, 2), (7, 3)]


@pytest.mark.parametrize(("users", "servers"), SIZES)
@pytest.mark.parametrize("at_ends", [False, True])
def test_convex_problem_has_cvxpys_value(
    part_2, price_at, users, servers, at_ends, as_shares, nu_at, transformed
):
    """A term or a constraint of the barrier that is not the problem's. Mutant: nu twice as large."""
    instance, server, phi, problem, start = part_2(3, users, servers, at_ends=at_ends)
    price, last = price_at(instance), as_shares(start)
    nu = nu_at(instance, server, phi, last)
    _, expected, _ = solve_convex(instance, server, phi, price, last, ("CLARABEL",))

    def value(nu_used):
        found = solve(problem, price, start, gap=GAP, nu=nu_used)
        assert found.converged
        return transformed(instance, server, phi, price, nu, as_shares(found.shares))

    size = max(1.0, abs(expected))
    assert abs(value(nu) - expected) <= 1e-5 * size
    if users > 1:  # one user alone takes everything at any nu
        assert abs(value((2.0 * nu[0], 2.0 * nu[1])) - expected) > 1e-5 * size


def test_the_transforms_term_never_falls_below_the_truth(part_2, price_at, as_shares, nu_at, transformed):
    """A nu that touches elsewhere. The transform is never below, and equal at its own point."""
    instance, server, phi, problem, start = part_2(5, 6, 2)
    price = price_at(instance)
    nu = nu_at(instance, server, phi, as_shares(start))
    rng = np.random.default_rng(0)
    assert transformed(instance, server, phi, price, nu, as_shares(start)) == pytest.approx(
        problem.cost(price, start), rel=1e-12
    )
    for _ in range(20):
        other = start.copy()
        other[:, :PHI] *= rng.uniform(0.3, 1.0, (6, PHI))
        gap = transformed(instance, server, phi, price, nu, as_shares(other)) - problem.cost(price, other)
        assert gap >= -1e-12
        assert gap > 1e-6


def residuals(problem, price, solution):
    """KKT residuals: stationarity a share (N, 5), prices of delay, slackness of delays and of budgets."""
    shares, users = solution.shares, len(solution.shares)
    slope = np.zeros((users, PHI))
    for column in range(PHI):
        step = 1e-6 * shares[:, column]
        values = []
        for sign in (1.0, -1.0):
            moved = shares.copy()
            moved[:, column] += sign * step
            delay_s, energy_j, score = problem.evaluate(moved)
            values.append(solution.delay_price * delay_s + price.per_j * energy_j - score)
        slope[:, column] = (values[0] - values[1]) / (2.0 * step)
    slope[:, :SHARED] += solution.share_price[problem.server]
    stationarity = slope * shares[:, :PHI]
    # An own share may be at its bound with the cost still falling.
    own = stationarity[:, UP:]
    room = (1.0 - shares[:, UP:PHI]) / shares[:, UP:PHI]
    stationarity[:, UP:] = np.where(own < 0.0, np.maximum(own, own * room), own)
    delay_s, _, _ = problem.evaluate(shares)
    slack = 1.0 - problem.used(shares)
    return {
        "stationarity": float(np.abs(stationarity).max()),
        "delay prices": abs(float(solution.delay_price.sum()) - price.per_s) / price.per_s,
        "delays": float((solution.delay_price * (solution.longest_s - delay_s)).max()),
        "budgets": float((solution.share_price * slack).max()),
        "feasibility": max(0.0, -float(slack.min()), float((delay_s - solution.longest_s).max())),
    }


@pytest.mark.parametrize(("users", "servers"), SIZES)
@pytest.mark.parametrize("at_ends", [False, True])
@pytest.mark.parametrize("ergodic", [False, True], ids=["shannon", "ergodic"])
def test_optimality_conditions_where_it_stops(part_2, price_at, users, servers, at_ends, ergodic):
    """A point that is not stationary, prices of another point. Mutants: a weight too low, a price forgotten.

    Prices answer to the last centring far more than the point does: it is carried through here.
    """
    instance, _, _, problem, start = part_2(4, users, servers, at_ends=at_ends, ergodic=ergodic)
    price = price_at(instance)
    quick = solve(problem, price, start, gap=GAP)
    found = solve(problem, price, start, gap=GAP, final_tolerance=1e-8)
    assert found.converged
    assert max(residuals(problem, price, found).values()) <= 2e-5
    assert quick.cost == pytest.approx(found.cost, abs=users * GAP)
    early = solve(problem, price, start, gap=GAP, last_weight=10.0)
    assert max(residuals(problem, price, early).values()) > 1e-2
    no_price = replace(found, share_price=0.0 * found.share_price)
    assert max(residuals(problem, price, no_price).values()) > 1e-2


@pytest.mark.parametrize("ergodic", [False, True], ids=["shannon", "ergodic"])
def test_newton_finds_what_the_alternation_does(part_2, price_at, ergodic, as_shares, nu_at, transformed):
    """Fresh nu at each step leads elsewhere than nu in turn: then it would solve another problem."""
    instance, server, phi, problem, start = part_2(6, 5, 2, ergodic=ergodic)
    price, last, values = price_at(instance), as_shares(start), []
    for _ in range(40):
        last, _, _ = solve_convex(instance, server, phi, price, last)
        nu = nu_at(instance, server, phi, last)
        values.append(transformed(instance, server, phi, price, nu, last))
    found = solve(problem, price, start, gap=GAP).cost
    assert max(np.diff(values)) <= 1e-6  # the alternation never loses
    assert found == pytest.approx(values[-1], rel=1e-4, abs=1e-4)
    assert found != pytest.approx(values[0], rel=1e-4, abs=1e-4)  # one convex problem is not enough


@pytest.mark.parametrize("snr_db", [-180.0, -90.0, -60.0, -10.0, 3.0, 30.0, 80.0])
def test_the_references_shannon_touches_the_ergodic_rate(snr_db):
    """Value and gradient of the law in the conic problem. Mutant: Shannon's law as it stands."""
    ergodic, shannon = Ergodic(1.0), Shannon(1.0)
    band, power = np.array([0.3]), np.array([0.7])
    snr = np.array([10.0 ** (snr_db / 10.0)]) * band / power
    factor, gain = touching_shannon(ergodic, snr, band, power)

    def difference(factor, gain):
        own, other = (
            shannon.nat_derivatives(band, power, gain * snr),
            ergodic.nat_derivatives(band, power, snr),
        )
        return max(
            abs(factor * own.rate / other.rate - 1.0).item(),
            abs(factor * own.by_power / other.by_power - 1.0).item(),
            abs((factor * own.by_bandwidth - other.by_bandwidth) * band / other.rate).item(),
        )

    assert difference(factor, gain) <= 1e-7
    if snr_db > -60.0:  # below, both are linear in the power
        assert difference(np.ones(1), np.ones(1)) > 1e-4
    assert touching_shannon(shannon, snr, band, power) == (1.0, 1.0)
