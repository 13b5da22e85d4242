"""Greedy association and square-root shares (docs/model.md section 4), against hand and brute force."""

import itertools

import numpy as np
import pytest
from mecsim_policies import water_filling
from mecsim_policies.optim.splits import Needs, parts_by_weight, split_by_parts, split_with_best_phi
from mecsim_policies.water_filling import lowest_level, lowest_rise, square_root_shares
from scipy.optimize import minimize

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.testing.snapshots import draw_instance


def needs_of(band, gpu):
    band, gpu = np.array(band, dtype=float), np.array(gpu, dtype=float)
    return Needs(np.zeros_like(band), band, gpu)


def test_shares_by_hand():
    """a = (1, 4), c = (4, 1): the matrix is (5, 4; 4, 5), its larger eigenvalue 9, and r = 1."""
    needs, server = needs_of([[1], [4]], [[4], [1]]), np.array([0, 0])
    band, gpu = square_root_shares(needs, server)
    np.testing.assert_allclose(band, [3 / 9, 6 / 9], rtol=1e-12)
    np.testing.assert_allclose(gpu, [6 / 9, 3 / 9], rtol=1e-12)
    assert lowest_level(np.array([5.0, 4.0, 5.0])) == 9.0


def assert_least_maximum(shares, level):
    """Everyone ends at the level, and no other shares make the last one end sooner, by another solver."""
    rng = np.random.default_rng(4)
    a, c = rng.lognormal(0, 1.5, (2, 3))
    needs, server = needs_of(a[:, None], c[:, None]), np.zeros(3, dtype=int)
    band, gpu = shares(needs, server)
    assert max(band.sum(), gpu.sum()) <= 1.0
    time = a / band + c / gpu
    least = level(np.array([a.sum(), np.sqrt(a * c).sum(), c.sum()]))
    np.testing.assert_allclose(time, least, rtol=1e-9)

    def longest(x):
        return x[6] - a / x[:3] - c / x[3:6]

    bounds = [(1e-6, 1.0)] * 6 + [(0.0, None)]
    budgets = [{"type": "ineq", "fun": lambda x, k=k: 1.0 - x[k : k + 3].sum()} for k in (0, 3)]
    start = np.append(np.full(6, 1 / 3), 3.0 * (a + c).max())
    found = minimize(
        lambda x: x[6], start, bounds=bounds, constraints=[*budgets, {"type": "ineq", "fun": longest}],
        method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
    )  # fmt: skip
    assert found.success
    assert least == pytest.approx(found.fun, rel=1e-6)


def test_no_shares_let_the_last_user_end_sooner():
    assert_least_maximum(square_root_shares, lowest_level)


@pytest.mark.parametrize("wrong", ["roots", "proportional"])
def test_other_shares_are_noticed(wrong):
    """Mutants: shares that minimise the sum of delays, and shares in proportion to the needs."""

    def shares(needs, server):
        power = 0.5 if wrong == "roots" else 1.0
        return tuple(parts_by_weight(each**power, server) for each in needs.at(server))

    with pytest.raises(AssertionError):
        assert_least_maximum(shares, lowest_level)


def test_parts_of_each_server_never_pass_its_budget():
    """Mutant: parts that add up to 1 + 1e-16 with many users."""
    for seed in range(50):
        rng = np.random.default_rng(seed)
        weight, server = rng.lognormal(0, 5, 40), rng.integers(3, size=40)
        part = parts_by_weight(weight, server)
        for m, budget in enumerate(rng.uniform(1e6, 1e13, 3)):
            assert (part[server == m] * budget).sum() <= budget
    assert parts_by_weight(np.array([2.0]), np.array([0])).tolist() == [1.0]
    equal = parts_by_weight(np.array([0.0, 0.0, np.inf, np.nan]), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(equal, 0.5)


def test_users_join_by_size_where_squared_levels_rise_least():
    """Sizes 3, 2, 2 on equal servers: the two small ones share one. Mutant: in index order."""
    band = [[2, 2], [2, 2], [3, 3]]
    server = lowest_rise(needs_of(band, np.zeros((3, 2))), np.ones((3, 2), dtype=bool))
    assert server[0] == server[1] != server[2]


def test_the_greedy_rule_is_that_of_squares():
    """Empty server 0 rises by 4.4^2, server 1 by 4.5^2 - 4^2. Mutant: the lowest level, 4.4 and not 4.5."""
    needs = needs_of([[9, 4], [4.4, 0.5]], np.zeros((2, 2)))
    assert lowest_rise(needs, np.ones((2, 2), dtype=bool)).tolist() == [1, 1]


def test_who_has_no_choice_is_seated_first():
    """The free user is the larger. Mutant: by size alone, and both are at server 0."""
    needs = needs_of([[5, 6], [4, 1]], np.zeros((2, 2)))
    assert lowest_rise(needs, np.array([[True, True], [True, False]])).tolist() == [1, 0]


@pytest.mark.parametrize("seed", range(4))
def test_phi_is_the_best_for_the_shares(seed):
    """Against all ends of three users, and against a grid. Mutant: one half for everybody."""
    instance, server = draw_instance([7, seed], 3, 2), np.array([0, 1, 1])
    band, gpu = square_root_shares(Needs.of(instance), server)
    allocation, scr = split_with_best_phi(instance, server, band, gpu)
    assert scr == instance.scr(allocation)
    grid = (0.0, 0.25, 0.5, 0.75, 1.0)
    tried = [
        instance.scr(split_by_parts(instance, server, band, gpu, np.array(phi)))
        for phi in itertools.product(grid, repeat=3)
    ]
    assert scr >= max(tried) * (1.0 - 1e-12)
    assert instance.scr(split_by_parts(instance, server, band, gpu, np.full(3, 0.5))) < scr


def test_it_beats_an_equal_split_of_its_association(monkeypatch):
    """Mutant: an equal split, which is seen to lose."""
    instance = draw_instance(11, 8, 2)
    best = make_policy("water_filling").allocate(Observation.of(instance))
    monkeypatch.setattr(
        water_filling, "square_root_shares",
        lambda needs, server: (parts_by_weight(np.ones(len(server)), server),) * 2,
    )  # fmt: skip
    equal = make_policy("water_filling").allocate(Observation.of(instance))
    assert (equal.server == best.server).all()
    assert instance.scr(best) > 1.05 * instance.scr(equal)
