"""Every law of rates, of power and of work together: what the optimisers count is what the system has."""

import numpy as np
import pytest
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.resources import Constants, Shares
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.power_terms import PowerTerms
from mecsim_policies.optim.shares import GPU, PHI, ShareProblem

from mecsim.system.allocation import Allocation
from mecsim.system.phases import PHASES, Phase

N, M = 7, 2
PHI_CASES = (0.0, 1.0, 0.5, 0.3, 0.0, 1.0, 0.9)


@pytest.fixture
def make_point(with_laws):
    """Return a function from laws to an instance, an association's problem, and shares with ends of phi."""

    def make(laws, seed=0):
        instance, rng = with_laws(seed, N, M, *laws), np.random.default_rng(seed)
        server = np.array([0, 0, 1, 1, 0, 1, 0])
        problem = ShareProblem.of(instance, server)
        shares = problem.inside(problem.equal_split(np.array(PHI_CASES)), 1e-2)
        shares[:, :PHI] *= rng.uniform(0.6, 1.0, (N, PHI))
        return instance, problem, problem.inside(shares, 1e-3)

    return make


def test_shares_cost_what_their_allocation_costs(make_point, laws):
    """Alone, in a stack, and taken out of it; held at the ends of phi, and between them."""
    instance, problem, shares = make_point(laws)
    answer = problem.allocation(instance, shares)
    delay_s, energy_j, score = problem.evaluate(problem.of_allocation(instance, answer))
    assert delay_s == pytest.approx(instance.delay(answer), rel=1e-12)
    assert energy_j == pytest.approx(instance.energy(answer), rel=1e-12)
    assert score * instance.score_law.scale == pytest.approx(instance.score(answer), rel=1e-12)
    everyone_at = tuple(ShareProblem.of(instance, np.full(N, m)) for m in range(M))
    stack = ShareProblem.stack(everyone_at, np.stack([1 - problem.server, problem.server]))
    settled = stack.settled(np.tile(shares[:, PHI], 2))
    for copies in (stack, settled):
        taken = copies.take(np.array([False, True])).evaluate(shares)
        for found, expected in zip(taken, problem.evaluate(shares), strict=True):
            assert found == pytest.approx(expected, rel=1e-12)
    assert answer.violations(instance, 1e-12) == ()


def test_relaxed_work_is_the_chord_of_the_ends(make_point, laws):
    """Delays, and energies where no GPU is shared; shared GPUs count who has work."""
    _, problem, shares = make_point(laws)
    relaxed, ends = problem.relaxed(), []
    for part in (0.0, 1.0):
        at = shares.copy()
        at[:, PHI] = part
        ends.append((problem.evaluate(at), relaxed.evaluate(at)))
    for exact, chord in ends:
        assert chord[0] == pytest.approx(exact[0], rel=1e-11)
        assert chord[1] == pytest.approx(exact[1], rel=1e-11)
    shares[:, PHI] = 0.25
    between = relaxed.evaluate(shares)[0]
    assert between == pytest.approx(0.75 * ends[0][1][0] + 0.25 * ends[1][1][0], rel=1e-11)


def alone(instance, answer, n, server, part, in_use):
    """The user's energy and delay with one of its phi, at a speed in use of all who have work there."""
    phi = answer.local_fraction.copy()
    phi[n] = part * instance.users.local_fraction_max[n]
    one = Allocation(answer.server, phi, *answer.columns[1:])
    costs = instance.costs(one)
    energy_j = costs.energy_j[n].copy()
    if instance.power is not None and instance.power.shares_gpu[server]:
        flop = PHASES[Phase.SERVER].work(instance.work_terms(one))[n]
        floor = instance.power.servers.min_gpu_flops[server]
        energy_j[Phase.SERVER] = instance.servers.kappa[server] * flop * max(in_use, floor) ** 3 / in_use
    return costs.delay_s[n].sum(), energy_j.sum()


def test_pairs_cost_what_their_allocation_costs(make_point, laws):
    """Part 1's constants of served pairs at both ends and between, from the system itself."""
    instance, problem, shares = make_point(laws)
    answer = problem.allocation(instance, shares)
    shares = problem.of_allocation(instance, answer)
    pairs = Pairs.at_slots(instance, np.full(M, 4.0), problem.server, shares)
    work = PHASES[Phase.SERVER].work(instance.work_terms(answer))
    in_use = np.bincount(problem.server, weights=(work > 0) * answer.server_gpu_flops)
    for n, m in enumerate(problem.server):
        at_0, at_1 = (alone(instance, answer, n, m, part, in_use[m]) for part in (0.0, 1.0))
        assert (pairs.delay_0_s[n, m], pairs.energy_0_j[n, m]) == pytest.approx(at_0, rel=1e-12)
        assert (pairs.delay_1_s[n, m], pairs.energy_1_j[n, m]) == pytest.approx(at_1, rel=1e-12)
        if instance.users.local_fraction_max[n] > 0:
            line = [
                getattr(pairs, name)[n, m] for name in ("delay_0_s", "delay_1_s", "energy_0_j", "energy_1_j")
            ]
            line = line if pairs.inside is None else [each[n, m] for each in pairs.inside]
            inner = alone(instance, answer, n, m, 0.4, in_use[m])
            assert (0.6 * line[0] + 0.4 * line[1], 0.6 * line[2] + 0.4 * line[3]) == pytest.approx(
                inner, rel=1e-12
            )


@pytest.mark.parametrize("served", [False, True])
def test_pairs_are_those_of_the_reference(make_point, laws, served):
    """The reference asks the system itself, pair by pair."""
    instance, problem, shares = make_point(laws)
    current = problem.allocation(instance, shares) if served else None
    slots = np.array([4.0, 3.0])
    given = (problem.server, problem.of_allocation(instance, current)) if served else (None, None)
    fast = Pairs.at_slots(instance, slots, *given)
    slow = pairs_of(instance, slots, current, np.ones((N, M), bool))
    for name in ("score", "delay_0_s", "delay_1_s", "energy_0_j", "energy_1_j"):
        assert getattr(fast, name) == pytest.approx(getattr(slow, name), rel=1e-12), name
    assert (fast.inside is None) == (slow.inside is None)
    if fast.inside is not None and slow.inside is not None:
        fits = instance.users.local_fraction_max > 0
        for found, expected in zip(fast.inside, slow.inside, strict=True):
            assert found[fits] == pytest.approx(expected[fits], rel=1e-11)


def test_part_2_of_the_reference_has_the_same_constants(make_point, laws):
    """What its convex problem is made of, at the phi of the association."""
    instance, problem, shares = make_point(laws)
    phi = problem.allocation(instance, shares).local_fraction
    k, load = (
        Constants.of(instance, problem.server, phi),
        problem.settled(shares[:, PHI]).loads(shares[:, PHI]),
    )
    for found, expected in (
        (k.local_s, load.train_s[0]), (k.server_s, load.train_s[1]), (k.up_s, load.radio_s[0]),
        (k.down_s, load.radio_s[1]), (k.local_j, load.train_j[0]), (k.server_j, load.train_j[1]),
        (k.up_j, load.radio_j[0]), (k.down_j, load.radio_j[1]),
    ):  # fmt: skip
        assert found == pytest.approx(expected, rel=1e-11, abs=1e-14 * expected.max())
    rates = problem.rate_law.nat_rates(shares[:, 0], shares[:, [3, 1]].T, problem.snr)
    columns = Shares(*(shares[:, column] for column in (0, 1, 2, 3, 4)))
    assert np.stack(k.rates(columns)) == pytest.approx(rates, rel=1e-12)


@pytest.mark.parametrize("bug", ["who has no work counts", "electronics of whole rounds", "no chord"])
def test_bugs_are_seen(make_point, monkeypatch, bug):
    """The bugs that a union of laws can have: each law right alone, and wrong with another one."""
    laws = ("capped", "all", "peft", True)
    instance, problem, shares = make_point(laws)
    answer = problem.allocation(instance, shares)
    if bug == "who has no work counts":
        shares[:, PHI] = np.where(np.arange(N) == 1, 1.0, shares[:, PHI])
        answer = problem.allocation(instance, shares)
        monkeypatch.setattr(PowerTerms, "counts", lambda self, server_s: self.at_shared)
        assert problem.evaluate(shares)[1] != pytest.approx(instance.energy(answer), rel=1e-6)
    elif bug == "electronics of whole rounds":
        settled = problem.settled(shares[:, PHI])
        part = settled.parts(shares[:, PHI])
        wrong = settled.power.electronics_w * settled.radio_s * part
        assert wrong != pytest.approx(
            settled.power.electronics_w * settled.loads(shares[:, PHI]).radio_s, rel=1e-3
        )
    else:
        shares[:, GPU] *= 0.9
        inner = problem.relaxed().evaluate(shares)[1]
        assert inner != pytest.approx(problem.evaluate(shares)[1], rel=1e-3)
