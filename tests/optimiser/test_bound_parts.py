"""The parts of the upper bound's proof: elementary functions, costs of links, values of alternatives."""

import mpmath
import numpy as np
import pytest
from mecsim_policies.bound import rigorous_links
from mecsim_policies.bound.alternatives import Alternatives, ends_of_phi
from mecsim_policies.bound.dual import Dual, Multipliers
from mecsim_policies.bound.links import Terms, first_z, newton
from mecsim_policies.bound.power_ranges import power_ranges
from mecsim_policies.bound.proof import certified
from mecsim_policies.bound.rigorous import Shares, values_from_above
from mecsim_policies.bound.rigorous_links import cost_bounds, inflection, tangent_rest

MOST_ULP = 4.0


def ulps(found, exact):
    return max(
        abs(float((mpmath.mpf(float(one)) - true) / mpmath.mpf(float(np.spacing(abs(one))))))
        for one, true in zip(found, exact, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("exp", -700.0, 700.0),
        ("exp", -1.0, 1.0),
        ("expm1", -1.0, 1.0),
        ("expm1", 1.0, 700.0),
        ("log", 1e-3, 1e3),
        ("log1p", 1e-12, 1.0),
        ("log1p", 1.0, 1e15),
        ("sqrt", 0.0, 1e9),
        ("cbrt", 0.0, 1e9),
    ],
)
def test_numpy_is_within_four_units_in_the_last_place(name, low, high):
    """What every proof assumes. Mutant: a function that is off by 1e-15 of itself."""
    rng = np.random.default_rng(1)
    x = (
        rng.uniform(low, high, 400)
        if low < 0 or high < 1e3
        else np.exp(rng.uniform(np.log(low + 1), np.log(high), 400))
    )
    found = getattr(np, name)(x)
    with mpmath.workdps(40):
        exact = [getattr(mpmath, name)(mpmath.mpf(float(one))) for one in x]
        assert ulps(found, exact) <= MOST_ULP
        assert ulps(found * (1.0 + 1.2e-15), exact) > MOST_ULP


@pytest.mark.parametrize(("function", "exact"), [
    (tangent_rest, lambda z: z - 1 + mpmath.exp(-z)),
    (inflection, lambda z: ((mpmath.exp(z) + 1) * z - 2 * (mpmath.exp(z) - 1)) / (z + 2)),
], ids=["tangent_rest", "inflection"])  # fmt: skip
def test_differences_that_cancel_keep_their_digits(function, exact):
    """Mutant: the plain formula, which loses them near 0."""
    z = np.exp(np.random.default_rng(2).uniform(np.log(1e-7), np.log(40.0), 300))
    with mpmath.workdps(60):
        true = np.array([float(exact(mpmath.mpf(float(one)))) for one in z])
    assert np.abs(function(z) / true - 1.0).max() < 1e-13
    plain = (
        z - 1.0 + np.exp(-z) if function is tangent_rest else (np.exp(z) + 1.0) * z - 2.0 * (np.exp(z) - 1.0)
    )
    assert np.abs(plain / true - 1.0).max() > 1e-3


def drawn_terms(seed, sign, kink, low=0.0, high=1.0):
    rng = np.random.default_rng([seed, sign + 1, kink])
    snr, band = np.exp(rng.uniform(-3.0, 12.0, 300)), np.exp(rng.uniform(-7.0, 0.0, 300))
    k, epsilon = np.exp(rng.uniform(-6.0, 3.0, 300)), np.exp(rng.uniform(-9.0, 1.0, 300))
    per_snr = band / snr
    delta = -sign * np.exp(rng.uniform(-4.0, 1.0, 300)) * per_snr
    cap = 5.0 if kink else np.inf
    least, most = (np.minimum(np.log1p(power / per_snr), cap) for power in (low, high))
    return Terms(k, epsilon, delta, least, most, per_snr, np.full(300, low), np.full(300, high))


def least_on_a_grid(terms):
    """Return the least cost over powers on a fine grid, by the definition."""
    power = np.concatenate([np.geomspace(1e-9, 1.0, 8000), np.linspace(1e-4, 1.0, 8000)])[:, None]
    u = np.clip(power, terms.low, terms.high) / terms.per_snr
    return (terms.delta * u + (terms.k + terms.epsilon * u) / np.minimum(np.log1p(u), terms.most)).min(axis=0)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 0.3), (0.2, 1.0)])
@pytest.mark.parametrize("kink", [False, True], ids=["shannon", "cap"])
@pytest.mark.parametrize("sign", [-1, 0, 1], ids=["price", "free", "reward"])
def test_costs_are_between_their_bounds(sign, kink, low, high, monkeypatch):
    """Mutant: a tangent that lies below z at the grid's powers, by 1 %."""
    low = low if sign else 0.0  # a user's power, which earns nothing, has no least share
    terms = drawn_terms(1, sign, kink, low, high)
    found, least = cost_bounds(terms), least_on_a_grid(terms)
    size = found.size
    assert (found.below <= least + 1e-11 * size).all()
    assert (least - found.above <= 1e-3 * np.abs(least) + 1e-9).all()
    assert np.median((found.above - found.below) / size) < 1e-9
    assert np.quantile((found.above - found.below) / size, 0.95) < 1e-3
    plain = rigorous_links.tangent_rest
    monkeypatch.setattr(rigorous_links, "tangent_rest", lambda z: 0.99 * plain(z))
    if sign <= 0 and low == 0.0:
        assert (cost_bounds(terms).below > least + 1e-9 * size).any()


def test_the_root_is_one():
    terms = drawn_terms(3, 0, False)
    z = newton(terms, first_z(terms), 8)
    k, epsilon, delta, _, most, *_ = terms
    phi = delta * z * z + epsilon * (z - 1.0) + (epsilon - k) * np.exp(-z)
    assert ((np.abs(phi) < 1e-9 * (k + epsilon)) | (z == most)).all()


@pytest.mark.parametrize("kind", [
    ("ideal", "cubic", "paper", False),
    ("capped", "electronics", "split", True),
], ids=["paper", "all links"])  # fmt: skip
def test_no_shares_of_any_alternative_are_worth_more(with_laws, kind):
    """The slow twin: the value by its definition, at random shares and nearer and nearer to the best of them.

    Mutant: half of the delay is not paid for.
    """
    instance = with_laws(2, 3, 2, *kind)
    a = Alternatives.of(instance, ends_of_phi(instance, np.ones((3, 2), dtype=bool)))
    dual, rng = Dual(instance, a), np.random.default_rng(1)
    price = Multipliers(rng.uniform(0.15, 0.8, (2, 3)), np.full(3, 1.0 / 3.0))
    seen = dual.prices(250.0, price, 1e-4)
    answers = dual.responder.answer(seen)
    dual.responder.polish(seen)
    low, high = power_ranges(dual.responder, seen)
    shares = Shares(answers.sigma, dual.responder.band, dual.responder.gpu, low, high)
    proved = values_from_above(a, seen, shares, np.full(len(a.own_s), -np.inf), instance.score_law.slope)
    best, at = np.full(len(proved), -np.inf), np.full((5, len(proved)), 0.1)
    half = best.copy()
    for spread in np.geomspace(3.0, 0.003, 40):
        trial = np.clip(at[:, None] * np.exp(spread * rng.normal(size=(5, 400, len(proved)))), 1e-9, 1.0)
        trial[1] = np.clip(trial[1], low, high)
        value = by_definition(a, seen, trial, instance.score_law.slope)
        half = np.maximum(
            half, by_definition(a, seen._replace(per_s=0.5 * seen.per_s), trial, 1.0 / 3.0).max(0)
        )
        winner, columns = value.argmax(axis=0), np.arange(len(proved))
        better = value[winner, columns] > best
        best = np.maximum(best, value.max(axis=0))
        at = np.where(better, trial[:, winner, columns], at)
    assert (best <= proved).all()
    assert (proved - best < 0.02).all()
    assert np.median(proved - best) < 1e-3
    assert (half > proved).any()
    whole = certified(dual, 250.0, price, margin=np.inf).values
    assert (np.maximum.reduceat(best, dual.first) <= np.maximum.reduceat(whole, dual.first)).all()


def test_a_value_does_not_depend_on_how_many_others_there_are(snapshot):
    """Mutant: a limit of cells for all alternatives together, at which hundreds of users keep coarse ones."""
    instance = snapshot(4, 3, 2)
    a = Alternatives.of(instance, ends_of_phi(instance, np.ones((3, 2), dtype=bool)))
    dual = Dual(instance, a)
    seen = dual.prices(250.0, Multipliers(np.full((2, 3), 0.3), np.full(3, 1.0 / 3.0)), 1e-4)
    answers = dual.responder.answer(seen, settled=True)
    dual.responder.polish(seen)
    low, high = power_ranges(dual.responder, seen)
    shares = Shares(answers.sigma, dual.responder.band, dual.responder.gpu, low, high)
    few, many = (
        values_from_above(
            a.take(rows), seen.take(rows), Shares(*(column[rows] for column in shares)),
            np.full(len(rows), -np.inf), instance.score_law.slope,
        )
        for rows in (np.arange(len(a.own_s)), np.tile(np.arange(len(a.own_s)), 120))
    )  # fmt: skip
    np.testing.assert_allclose(many, np.tile(few, 120), rtol=1e-12)


def by_definition(a, prices, shares, slope):
    """Return the values of shares of band, power, GPU, own power and own speed, (5, ..., K)."""
    b, q, g, p, f = shares
    f = np.maximum(f, a.own_floor)
    delay_s, energy_j = a.own_s / f + a.gpu_s / g, a.own_j * f**2 + a.gpu_j * g**2
    for link, power in ((a.up, p), (a.down, q)):
        seconds = link.time_s / (b * np.minimum(np.log1p(link.snr * power / b), link.kink))
        delay_s = delay_s + seconds
        energy_j = energy_j + seconds * (link.power_w * power + link.electronics_w)
    paid = b * prices.share[:, 0] + q * prices.share[:, 1] + g * prices.share[:, 2]
    return np.log1p(slope * (b + q + g)) - paid - prices.per_s * delay_s - prices.per_j * energy_j
