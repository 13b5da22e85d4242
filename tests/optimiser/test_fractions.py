"""The one-dimensional search for phi against the linear program."""

import numpy as np
from mecsim_policies.dashf_reference.sdr import fractions_by_lp
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.price import Price

KINDS = ("plain", "ties", "no price of delay", "no price of energy", "nothing to save", "equal delays")


def draw(seed):
    """One random part 1 for one association; every kind of degeneracy in turn."""
    rng = np.random.default_rng(seed)
    users, kind = int(rng.integers(1, 9)), KINDS[seed % len(KINDS)]
    delay_s, energy_j = rng.uniform(0.0, 30.0, (2, users, 1)), rng.uniform(0.0, 500.0, (2, users, 1))
    price = Price(float(10.0 ** rng.uniform(-2, 2)), float(10.0 ** rng.uniform(-4, 0)))
    if kind == "ties":
        delay_s, energy_j = np.rint(delay_s / 5.0) * 5.0, np.rint(energy_j / 100.0) * 100.0
        price = Price(0.1 * users, 0.01)
    if kind == "no price of delay":
        price = Price(0.0, price.per_j)
    if kind == "no price of energy":
        price = Price(price.per_s, 0.0)
    if kind == "nothing to save":
        energy_j[1] = energy_j[0]
    if kind == "equal delays":
        delay_s[1] = delay_s[0]
    score = np.zeros((users, 1))
    return Pairs(score, delay_s[0], delay_s[1], energy_j[0], energy_j[1]), price


def cost(pairs, price, phi):
    delay_s = (1.0 - phi) * pairs.delay_0_s[:, 0] + phi * pairs.delay_1_s[:, 0]
    energy_j = (1.0 - phi) * pairs.energy_0_j[:, 0] + phi * pairs.energy_1_j[:, 0]
    return price.per_s * delay_s.max() + price.per_j * energy_j.sum()


def worst_difference(search):
    """The largest relative difference in cost over 200 draws, and on how many it is above 1e-8."""
    differences = []
    for seed in range(200):
        pairs, price = draw(seed)
        server = np.zeros(len(pairs.score), dtype=np.int64)
        phi = search(pairs, price, server)
        assert ((phi >= 0.0) & (phi <= 1.0)).all()
        best = cost(pairs, price, fractions_by_lp(pairs, price, server))
        differences.append(abs(cost(pairs, price, phi) - best) / max(1.0, abs(best)))
    return max(differences), int(np.sum(np.array(differences) > 1e-8))


def everyone_for_himself(pairs, price, server):
    """The mutant: each user's cheapest phi as if T were its own."""
    end = price.per_j * pairs.energy_1_j[:, 0] + price.per_s * pairs.delay_1_s[:, 0]
    start = price.per_j * pairs.energy_0_j[:, 0] + price.per_s * pairs.delay_0_s[:, 0]
    return (end < start).astype(float)


def least_energy(pairs, price, server):
    """The mutant: the kinks searched from the wrong side, so that T stays at its largest."""
    return (pairs.energy_1_j < pairs.energy_0_j)[:, 0].astype(float)


def shortest(pairs, price, server):
    """The mutant: T at its least whatever the energy."""
    return best_fractions(pairs, Price(1e9, price.per_j), server)


def test_phi_is_that_of_the_linear_program():
    worst, _ = worst_difference(best_fractions)
    assert worst <= 1e-8


def test_wrong_searches_are_rejected():
    for mutant in (everyone_for_himself, least_energy, shortest):
        assert worst_difference(mutant)[1] > 20, mutant.__name__
