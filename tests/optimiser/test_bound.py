"""The upper bound of the SCR: docs/verification.md B1, B3, B4 and B7.

At the SCR of an allocation that exists, the dual function is not negative, whatever the prices. Mutants that
say otherwise would prove what is false: the score not linearised but cut off, a budget's price left out of
the sum, costs of a cell of band taken at its lower end with what it earns at the other.
"""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mecsim_policies.bound import proof as proof_module
from mecsim_policies.bound import rigorous, search
from mecsim_policies.bound.alternatives import Alternatives, ends_of_phi
from mecsim_policies.bound.dual import Dual, Multipliers
from mecsim_policies.bound.proof import certified
from mecsim_policies.bound.upper import upper_bound
from mecsim_policies.certified import Certified
from mecsim_policies.optim.joint import joint_step
from mecsim_policies.optim.rules import equal_split

from mecsim import load_instance
from mecsim.errors import BoundError
from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.system.devices import Weights

DATA = Path(__file__).parents[1] / "data" / "instances"
LAWS = list(
    itertools.product(
        ("ideal", "capped"),
        ("cubic", "lowest speeds", "electronics"),
        ("paper", "adapter", "peft", "split"),
        (False, True),
    )
)
SIZES = [(1, 1), (1, 3), (2, 1), (3, 2), (5, 3), (6, 2), (8, 3), (12, 2)]
CASES = [(seed, *SIZES[seed % len(SIZES)], *LAWS[(7 * seed) % len(LAWS)]) for seed in range(12)]


def found(instance, policy="dashf_plus"):
    allocation = make_policy(policy).allocate(Observation.of(instance))
    assert allocation.violations(instance, 0.0) == ()
    return instance.scr(allocation)


def dual_of(instance):
    alternatives = Alternatives.of(instance, ends_of_phi(instance, np.ones(instance.gain.shape, dtype=bool)))
    return Dual(instance, alternatives.take(alternatives.possible))


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case)))
def test_b1_no_allocation_found_is_above_it(with_laws, case):
    instance = with_laws(*case)
    best = found(instance)
    bound = upper_bound(instance, incumbent=best)
    assert bound.scr_upper >= best
    assert bound.gap < 0.6
    rng = np.random.default_rng(case[0])
    for _ in range(20):
        server = rng.integers(instance.server_count, size=instance.user_count)
        split = equal_split(instance, server, rng.random(instance.user_count))
        assert instance.scr(split) <= bound.scr_upper


@pytest.fixture(scope="module")
def ten_users():
    """Return an instance, the best SCR known of it, and its bound."""
    instance = load_instance(DATA / "n10m2.json")
    best = json.loads((DATA / "expected.json").read_text())["n10m2"]["best_found_scr"]
    return instance, best, upper_bound(instance, incumbent=best)


def test_the_bound_of_ten_users_is_as_close_as_it_was(ten_users):
    """The prototype certified 243.218, where the best known is 241.798."""
    _, best, bound = ten_users
    assert best <= bound.scr_upper < 243.2
    assert 0.0 < bound.gap < 0.006


@pytest.mark.parametrize("seed", range(6))
def test_b3_any_prices_give_a_bound(ten_users, seed):
    instance, best, bound = ten_users
    rng = np.random.default_rng(seed)
    price = bound.multipliers.share_price * np.exp(rng.normal(0.0, 0.7, (2, 3)))
    weight = bound.multipliers.delay_weight * np.exp(rng.normal(0.0, 0.7, 10))
    drawn = Multipliers(price, weight / weight.sum())
    assert certified(dual_of(instance), best, drawn).dual >= 0.0
    assert upper_bound(instance, multipliers=drawn, iterations=0).scr_upper >= best


def proved_at(instance, bound, y):
    return certified(dual_of(instance), y, bound.multipliers).dual


def test_b4_a_score_that_is_not_linearised_is_noticed(ten_users, monkeypatch):
    instance, best, bound = ten_users
    assert proved_at(instance, bound, best) > 0.0
    plain = rigorous._score
    monkeypatch.setattr(rigorous, "_score", lambda sigma, s2: plain(sigma, s2)._replace(value=0.0 * sigma))
    assert proved_at(instance, bound, best) < 0.0


@pytest.mark.parametrize("server", range(2))
@pytest.mark.parametrize("budget", range(3))
def test_b4_a_price_that_is_left_out_is_noticed(ten_users, monkeypatch, server, budget):
    instance, best, bound = ten_users
    plain = rigorous.dual_from_above

    def without(values, share_price, first):
        counted = share_price.copy()
        counted[server, budget] = 0.0
        return plain(values, counted, first)

    monkeypatch.setattr(proof_module, "dual_from_above", without)
    assert proved_at(instance, bound, best) < 0.0


def test_b4_cells_at_the_wrong_end_are_noticed(ten_users, monkeypatch):
    """Coarse cells, so that the ends differ; no excess, and costs at the lower end."""
    instance, best, bound = ten_users

    def wrong(self, rows, edges):
        sigma, price = self._sigma[rows, None], self._prices.share[rows, 0, None]
        below, above, *_ = self._costs(rows, np.maximum(edges, 1e-3 * edges[:, 1:2]))
        value = (sigma - price) * edges
        return (np.minimum(value[:, 1:], value[:, :-1]) - below[:, :-1]), (value - above)[:, 1:].max(
            axis=1
        ) - 9.0

    monkeypatch.setattr(rigorous._Radio, "cells", wrong)
    monkeypatch.setattr(rigorous, "_FINE", rigorous._COARSE)
    monkeypatch.setattr(rigorous, "_MOST_SPLITS", 1)
    assert proved_at(instance, bound, best) < 0.0


def test_b7_units_and_order_do_not_matter(with_laws):
    instance = with_laws(3, 4, 2, "ideal", "cubic", "paper", False)
    bound = upper_bound(instance).scr_upper
    score = replace(instance.score_law, scale=10.0 * instance.score_law.scale)
    weights = Weights(3.0 * instance.weights.delay_per_s, 3.0 * instance.weights.energy_per_j)
    turned = instance.of_users(np.array([2, 0, 3, 1]))
    assert upper_bound(replace(instance, score_law=score)).scr_upper == pytest.approx(10.0 * bound, rel=1e-2)
    assert upper_bound(replace(instance, weights=weights)).scr_upper == pytest.approx(bound / 3.0, rel=1e-2)
    assert upper_bound(turned).scr_upper == pytest.approx(bound, rel=1e-2)  # the prices end elsewhere


@pytest.mark.parametrize("weights", [Weights(0.5, 0.0), Weights(0.0, 0.005)], ids=["delay", "energy"])
def test_b7_one_weight_may_be_zero(with_laws, weights):
    instance = replace(with_laws(5, 4, 2, "ideal", "cubic", "paper", False), weights=weights)
    best = found(instance)
    bound = upper_bound(instance, incumbent=best)
    assert best <= bound.scr_upper < (1.5 if weights.delay_per_s else 10.0) * best


@pytest.mark.parametrize(("users", "servers"), [(1, 1), (1, 2), (3, 1)])
def test_b7_one_user_or_one_server(snapshot, users, servers):
    instance = snapshot(1, users, servers)
    best = found(instance)
    assert best <= upper_bound(instance).scr_upper < 1.3 * best


def test_b7_who_reaches_no_server_leaves_nothing(snapshot):
    whole = snapshot(1, 3, 2)
    gain = whole.gain.copy()
    gain[1] = 0.0
    bound = upper_bound(replace(whole, gain=gain))
    assert bound.scr_upper == 0.0
    assert bound.reason == "user 1 reaches no server that it may have, so its round never ends"
    nothing = upper_bound(replace(whole, score_law=replace(whole.score_law, scale=0.0)))
    assert (nothing.scr_upper, nothing.reason) == (0.0, "every score is zero")


def test_a_dead_link_is_no_alternative(snapshot):
    whole = snapshot(2, 3, 2)
    gain = whole.gain.copy()
    gain[1, 0] = 0.0
    best = found(replace(whole, gain=gain))
    assert best <= upper_bound(replace(whole, gain=gain)).scr_upper < 1.3 * best


def test_a_pinned_user_has_one_server(snapshot):
    """The bound of a fixed association is above its joint optimum, and may be below the free one."""
    instance = snapshot(4, 4, 2)
    server = np.array([0, 0, 0, 0])
    allowed = server[:, None] == np.arange(2)
    bound = upper_bound(instance, allowed=allowed)
    best = instance.scr(joint_step(instance, equal_split(instance, server, 0.4)))
    assert best <= bound.scr_upper < 1.3 * best
    assert bound.scr_upper < upper_bound(instance).scr_upper


def test_what_is_not_covered_is_refused_with_the_reason(with_laws):
    instance = with_laws(1, 3, 2, "ideal", "shared", "paper", False)
    with pytest.raises(BoundError, match=r"no upper bound is proved .* share GPUs"):
        upper_bound(instance)
    with pytest.raises(BoundError, match="means over fading"):
        upper_bound(replace(instance, ergodic=True))


def test_budgets_too_large_for_the_rounding_are_given_up_soon(snapshot, monkeypatch):
    """Mutant: y raised by 200 decades in 20 proofs, while the dual function rises with it."""
    whole = snapshot(1, 1, 1)
    servers = replace(whole.servers, max_gpu_flops=1e9 * whole.servers.max_gpu_flops)
    proofs = []
    monkeypatch.setattr(search, "certified", lambda *given: proofs.append(certified(*given)) or proofs[-1])
    assert upper_bound(replace(whole, servers=servers)).scr_upper == np.inf
    assert len(proofs) <= 4


def test_what_is_let_pass_as_rounding_may_be_above_it_by_twice_as_much(snapshot):
    """Mutant: a bound that is said to cover budgets exceeded by 1e-6, and is below what these give."""
    instance = snapshot(4, 1, 1)
    policy = Certified(within=1e-7, max_nodes=11)
    best, slack = policy.allocate(Observation.of(instance)), 1.0 + 0.99e-6
    columns = ("bandwidth_hz", "user_power_w", "server_power_w", "server_gpu_flops")
    more = replace(best, **{name: slack * getattr(best, name) for name in columns})
    assert more.violations(instance) == ()
    assert policy.upper_bound < instance.scr(more) <= policy.upper_bound * slack**2
    assert instance.scr(best) <= policy.upper_bound
    assert any("not even by the 1e-6" in each for each in upper_bound(instance).assumed)


def test_a_warm_start_is_nearly_as_close(ten_users):
    instance, _, bound = ten_users
    factor = np.exp(np.random.default_rng(1).normal(0.0, 0.2, instance.gain.shape))
    later = replace(instance, gain=instance.gain * factor)
    cold = upper_bound(later)
    assert upper_bound(later, multipliers=bound.multipliers).scr_upper < 1.002 * cold.scr_upper


def test_the_same_bits_again(ten_users):
    instance, best, bound = ten_users
    again = upper_bound(instance, incumbent=best)
    assert again.scr_upper == bound.scr_upper
    assert (again.multipliers.share_price == bound.multipliers.share_price).all()


@pytest.mark.parametrize("budget", ["bandwidth_hz", "max_power_w", "max_gpu_flops"])
def test_b5_the_worth_of_a_budget_is_the_derivative_of_the_bound(ten_users, budget):
    """Within 5 %, or 0.02 % of the SCR for 1 % of the budget. Mutant: the price of a share."""
    instance, _, bound = ten_users
    column = {"bandwidth_hz": 0, "max_power_w": 1, "max_gpu_flops": 2}[budget]
    per_unit = (bound.worth.per_hz, bound.worth.per_w, bound.worth.per_flops)[column]
    whole, wrong = getattr(instance.servers, budget), []
    for m in range(2):
        at = []
        for factor in (0.99, 1.01):
            changed = whole.copy()
            changed[m] *= factor
            nearby = replace(instance, servers=replace(instance.servers, **{budget: changed}))
            at.append(upper_bound(nearby, multipliers=bound.multipliers, iterations=25).scr_upper)
        slope = (at[1] - at[0]) / 0.02
        tolerance = max(0.05 * abs(slope), 0.02 * bound.scr_upper)
        assert per_unit[m] * whole[m] == pytest.approx(slope, abs=tolerance)
        cost = instance.score_law.scale
        price = bound.worth.share_price[m, column] / cost / 0.0075
        wrong.append(abs(price - slope) > tolerance)
    assert all(wrong) or budget == "bandwidth_hz"
