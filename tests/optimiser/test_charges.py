"""Work that jumps at the ends of phi: its problems against the instance, its phi against brute force."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from mecsim_policies.dashf_plus.horizon import remaining_work
from mecsim_policies.dashf_plus.policy import DashfPlus
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.policy import DashfReference
from mecsim_policies.dashf_reference.sdr import fractions_by_milp
from mecsim_policies.exhaustive import Exhaustive
from mecsim_policies.heuristics import Aauco, Gucro
from mecsim_policies.local_search import LocalSearch
from mecsim_policies.optim import charged_fractions
from mecsim_policies.optim.association import best_fractions
from mecsim_policies.optim.charges import Charges
from mecsim_policies.optim.joint import joint_step
from mecsim_policies.optim.pairs import Inside, Pairs, slots_by_capacity
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.shares import PHI, ShareProblem

from mecsim.policy import Observation, Phase
from mecsim.system.round_work import RoundWork
from mecsim.testing.snapshots import mid_round

KINDS = ("split", "peft", "data", "bound", "nothing fits")


def charged(instance, kind, seed=0, size=0.3):
    """Return an instance with work of a kind, its charges of a size to the adapter's; some bounds."""
    rng, users = np.random.default_rng([seed, KINDS.index(kind)]), instance.users
    flop = users.adapter_params * users.flops_per_param
    bits, none = users.adapter_params * instance.bits_per_param, np.zeros(len(flop))
    data, most = size * bits, np.where(rng.random(len(flop)) < 0.5, rng.uniform(0.3, 0.9, len(flop)), 1.0)
    if kind == "nothing fits":
        most = np.where(rng.random(len(flop)) < 0.5, 0.0, most)
    work = {
        "split": RoundWork(flop, none, flop, none, bits, data, 0.1 * data, bits, data),
        "peft": RoundWork(flop, size * flop, 1.2 * flop, size * flop, bits, data, data, bits, none),
        "data": RoundWork(flop, none, flop, none, bits, data, data, bits, none),
    }.get(kind)
    most = most if kind in ("bound", "nothing fits", "peft") else none + 1.0
    return replace(instance, work=work, users=replace(users, local_fraction_max=most))


@pytest.fixture
def drawn(snapshot):
    """Return a function from a kind and a seed to an instance with charges and an association."""

    def draw(kind, seed, users=5, servers=2, size=0.3, **options):
        instance = charged(snapshot(seed, users, servers, **options), kind, seed, size)
        return instance, np.random.default_rng(seed).integers(servers, size=users)

    return draw


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_shares_cost_what_their_allocation_does(drawn, kind, seed):
    """Mutants: the relaxed problem in place of the true one inside; phi taken for its part of the largest."""
    instance, server = drawn(kind, seed)
    problem, rng = ShareProblem.of(instance, server), np.random.default_rng(seed)
    shares = problem.equal_split(rng.choice([0.0, 1.0, 0.4, 0.7], 5))
    delay_s, energy_j, score = problem.evaluate(shares)
    allocation = problem.allocation(instance, shares)
    shares = problem.of_allocation(instance, allocation)
    delay_s, energy_j, score = problem.evaluate(shares)
    np.testing.assert_allclose(delay_s, instance.delay(allocation), rtol=1e-12)
    np.testing.assert_allclose(energy_j, instance.energy(allocation), rtol=1e-12)
    np.testing.assert_allclose(score * instance.score_law.scale, instance.score(allocation), rtol=1e-12)
    inside = shares.copy()
    inside[:, PHI] = 0.5
    if kind in ("split", "peft", "data"):
        assert problem.relaxed().evaluate(inside)[0].max() < problem.evaluate(inside)[0].max() * (1 - 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_relaxed_is_the_chord_and_below_the_truth(drawn, kind):
    """The convex envelope: equal at the ends, nowhere above the truth. Mutant: the interior's line."""
    instance, server = drawn(kind, 3)
    problem = ShareProblem.of(instance, server)
    relaxed, at = problem.relaxed(), problem.equal_split(np.zeros(5))
    costs = []
    for phi in (0.0, 0.25, 0.5, 1.0):
        at[:, PHI] = phi
        costs.append((np.array(relaxed.evaluate(at)[:2]), np.array(problem.evaluate(at)[:2])))
    for chord, true in (costs[0], costs[-1]):
        np.testing.assert_allclose(chord, true, rtol=1e-12)
    for chord, true in costs[1:-1]:
        assert (chord <= true * (1 + 1e-12)).all()
    chords = [chord for chord, _ in costs]
    np.testing.assert_allclose(chords[1], 0.75 * chords[0] + 0.25 * chords[3], rtol=1e-12)


# --- phi for an association


def draw_options(seed):
    """One random part 1 with charges for one association, whose charges are 0 now and then."""
    rng = np.random.default_rng(seed)
    users = int(rng.integers(1, 5))

    def column(low, high):
        return rng.uniform(low, high, (users, 1))

    end_0_s, end_1_s, end_0_j, end_1_j = column(1, 30), column(1, 30), column(10, 500), column(10, 500)
    size = 0.0 if seed % 4 == 0 else float(10.0 ** rng.uniform(-3, 0.3))
    inside = Inside(
        end_0_s + size * column(0, 10),
        end_1_s + size * column(0, 10),
        end_0_j + size * column(0, 100),
        end_1_j + size * column(0, 100),
    )
    if seed % 5 == 1:  # the largest phi is one that does not hold everything
        inside = inside._replace(delay_1_s=end_1_s, energy_1_j=end_1_j)
    if seed % 7 == 2:
        end_1_s[0] = np.inf
        inside = inside._replace(delay_1_s=np.where(np.isinf(end_1_s), np.inf, inside.delay_1_s))
    price = Price(float(10.0 ** rng.uniform(-2, 2)), float(10.0 ** rng.uniform(-4, 0)))
    if seed % 11 == 3:
        price = Price(0.0, price.per_j)
    if seed % 11 == 4:
        price = Price(price.per_s, 0.0)
    return Pairs(np.zeros((users, 1)), end_0_s, end_1_s, end_0_j, end_1_j, inside), price


def cost(pairs, price, phi):
    ends = (pairs.delay_0_s, pairs.delay_1_s, pairs.energy_0_j, pairs.energy_1_j)
    end_0_s, end_1_s, end_0_j, end_1_j = (each[:, 0] for each in ends)
    in_0_s, in_1_s, in_0_j, in_1_j = (each[:, 0] for each in pairs.inside)
    with np.errstate(invalid="ignore"):
        delay_s = np.where(phi == 0, end_0_s, np.where(phi == 1, end_1_s, in_0_s + phi * (in_1_s - in_0_s)))
        energy_j = np.where(phi == 0, end_0_j, np.where(phi == 1, end_1_j, in_0_j + phi * (in_1_j - in_0_j)))
        return price.per_s * delay_s.max() + price.per_j * energy_j.sum()


def by_brute_force(pairs, price):
    """The least cost with each user at an end or on a fine grid between, which is at most a little above."""
    grid = [0.0, *np.linspace(0.02, 0.98, 13), 1.0]
    users = len(pairs.score)
    return min(cost(pairs, price, np.array(phi)) for phi in product(grid, repeat=min(users, 3)) if users <= 3)


def seeds(kept):
    return [seed for seed in range(60) if kept(len(draw_options(seed)[0].score))]


@pytest.mark.parametrize("seed", seeds(lambda users: users <= 2))
def test_phi_with_charges_is_not_beaten_by_a_grid(seed):
    """Mutant below: only the ends."""
    pairs, price = draw_options(seed)
    phi = best_fractions(pairs, price, np.zeros(len(pairs.score), dtype=np.int64))
    assert cost(pairs, price, phi) <= by_brute_force(pairs, price) * (1 + 1e-12)


def test_phi_with_charges_is_that_of_the_mixed_program():
    worse, ends_only = 0, 0
    for seed in range(60):
        pairs, price = draw_options(seed)
        server = np.zeros(len(pairs.score), dtype=np.int64)
        exact = cost(pairs, price, fractions_by_milp(pairs, price, server))
        found = cost(pairs, price, best_fractions(pairs, price, server))
        worse += found > exact + 1e-6 * max(1.0, abs(exact))
        near = min(cost(pairs, price, np.array(phi)) for phi in product((0.0, 1.0), repeat=len(server)))
        ends_only += near > exact + 1e-6 * max(1.0, abs(exact))
    assert worse == 0
    assert ends_only >= 5, "the mutant that tries ends only would not be noticed"


def test_many_times_are_tried_in_parts(monkeypatch):
    """Times in several batches give the same phi. Mutant: the last batch alone."""
    pairs, price = draw_options(4)
    server = np.zeros(len(pairs.score), dtype=np.int64)
    whole = best_fractions(pairs, price, server)
    monkeypatch.setattr(charged_fractions, "_AT_ONCE", 2)
    assert (best_fractions(pairs, price, server) == whole).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_constants_of_part_1_are_the_models(drawn, kind):
    """The fast constants against those that the reference computes from the model. Mutant: no charges."""
    instance, _ = drawn(kind, 1, 4, 3)
    slots, everyone = slots_by_capacity(instance), np.ones((4, 3), dtype=bool)
    fast, slow = Pairs.at_slots(instance, slots), pairs_of(instance, slots, None, everyone)
    fits = instance.users.local_fraction_max > 0
    for name in ("score", "delay_0_s", "delay_1_s", "energy_0_j", "energy_1_j"):
        np.testing.assert_allclose(getattr(fast, name), getattr(slow, name), rtol=1e-9, err_msg=name)
    for one, other in zip(fast.inside, slow.inside, strict=True):
        np.testing.assert_allclose(one[fits], other[fits], rtol=1e-9)
    if kind == "split":
        assert (fast.inside.delay_0_s > fast.delay_0_s * (1 + 1e-6)).all()


# --- decisions


POLICIES = [DashfPlus, Aauco, Gucro]
SEARCHES = (LocalSearch, Exhaustive)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        *product(POLICIES, KINDS),
        (DashfReference, "peft"),
        (LocalSearch, "split"),
        (LocalSearch, "nothing fits"),
        (Exhaustive, "peft"),
    ],
)
def test_answers_are_feasible_and_predict_their_scr(drawn, make, kind):
    """Mutants: phi above its bound; the relaxed problem's SCR as prediction."""
    instance, _ = drawn(kind, 5, 2 if make in SEARCHES else 4, 2)
    policy = make()
    answer = policy.allocate(Observation.of(instance))
    assert answer.violations(instance, 0.0) == ()
    assert policy.predicted_scr == pytest.approx(instance.scr(answer), rel=1e-9)
    if make not in SEARCHES:
        again = make().allocate(Observation.of(instance, allocation=answer))
        assert again.violations(instance, 0.0) == ()
        assert instance.scr(again) >= instance.scr(answer) * (1 - 2e-3)


def best_by_ends(instance):
    """The best SCR of the joint step from every association with every choice of ends, and from inside."""
    users, servers = instance.gain.shape
    largest, best = instance.users.local_fraction_max, 0.0
    for server in product(range(servers), repeat=users):
        for part in product((0.0, 0.5, 1.0), repeat=users):
            start = equal_split(instance, np.array(server), np.array(part) * largest)
            best = max(best, instance.scr(joint_step(instance, start)))
    return best


@pytest.mark.parametrize("kind", ["split", "peft"])
def test_dashf_is_near_the_best_of_all_ends(drawn, kind):
    """A search that stays at the ends it began with. Mutants: AAUCO, GUCRO."""
    instance, _ = drawn(kind, 1, 2, 1, size=0.1)
    best = best_by_ends(instance)
    quotient = {
        make: instance.scr(make().allocate(Observation.of(instance))) / best
        for make in (DashfPlus, LocalSearch, Aauco, Gucro)
    }
    assert quotient[DashfPlus] > 0.98
    assert quotient[LocalSearch] > 0.99
    assert max(quotient[Aauco], quotient[Gucro]) < 0.95


def test_without_charges_the_affine_form_is_the_papers(snapshot):
    """The paper's work written in the affine form: the same decision, as far as rounding lets it be."""
    for seed in range(3):
        instance = snapshot(seed, 6, 2)
        affine = replace(instance, work=instance.affine_work())
        assert Charges.of(instance) is None
        assert Charges.of(affine) is not None
        plain, other = (DashfPlus().allocate(Observation.of(each)) for each in (instance, affine))
        assert (plain.server == other.server).all()
        assert affine.scr(other) == pytest.approx(instance.scr(plain), rel=2e-3)


def test_the_joint_step_keeps_the_ends(drawn):
    """A phi that leaves an end where it has charges, which no small step pays. Mutant: the relaxed step."""
    instance, server = drawn("split", 2, size=0.5)
    phi = np.array([0.0, 1.0, 0.5, 0.0, 1.0])
    found = joint_step(instance, equal_split(instance, server, phi))
    assert (found.local_fraction[[0, 3]] == 0.0).all()
    assert (found.local_fraction[[1, 4]] == 1.0).all()
    assert instance.scr(found) > 1.05 * instance.scr(equal_split(instance, server, phi))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_of_rounds_in_progress(drawn, kind):
    """`horizon = "remaining"`: what is left does not depend on phi. Mutant: what is left of whole rounds."""
    instance, server = drawn(kind, 6, 5, 2)
    current = equal_split(instance, server, 0.4)
    observation = mid_round(instance, current, np.zeros(5, dtype=bool), 3, idle=False)
    fraction = np.minimum(observation.local_fraction, instance.users.local_fraction_max)
    observation = replace(observation, local_fraction=fraction)
    work = remaining_work(observation, np.arange(5))
    problem = ShareProblem.of(instance, server, work)
    shares = problem.of_allocation(instance, current)
    shares[:, PHI] = 0.5
    delay_s = problem.evaluate(shares)[0]
    shares[:, PHI] = 0.9
    np.testing.assert_allclose(problem.evaluate(shares)[0], delay_s, rtol=1e-12)
    idle = replace(observation, phase=np.full(5, Phase.IDLE, dtype=np.int8))
    assert not remaining_work(idle, np.arange(5)).fixed.any()
    answer = DashfPlus(horizon="remaining").allocate(observation)
    assert answer.violations(instance, 0.0) == ()
    server_s = [n for n in range(5) if observation.phase[n] == Phase.DOWNLINK]
    law, m = instance.rate_law.down, server
    for n in server_s:
        rate = law.rate(current.bandwidth_hz[n], current.server_power_w[n], instance.downlink_gain[n, m[n]])
        assert delay_s[n] == pytest.approx(observation.remaining[n] / rate, rel=1e-9)
