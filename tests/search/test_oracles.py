"""docs/verification.md O1 to O4 and O6: closed forms, posed as special cases of the share problem."""

import numpy as np
import pytest
from mecsim_policies.baselines import EdgeOnly, Gucaa, LocalOnly, Nearest, Rucaa
from mecsim_policies.dashf_plus.policy import DashfPlus
from mecsim_policies.heuristics import Aauco, Gucro
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import solve
from mecsim_policies.optim.shares import BAND, DOWN, GPU, OWN, PHI, SHARED, ShareProblem
from scipy.optimize import brentq

from mecsim.policy import Observation
from mecsim.system.rates import RateLaw

ONLY_DELAY = Price(per_s=1.0, per_j=0.0)
LOUD = 1e300  # so loud that the rate is as good as proportional to the bandwidth


def one_server(*, train_s=(0, 0), radio_s=(0, 0), slope=1e-9, snr=1.0, users=3):
    """Return the problem of one server with the given work of users (first) and server (second)."""
    both = lambda pair: np.stack([np.broadcast_to(np.asarray(v, float), users) for v in pair])  # noqa: E731
    nothing = np.zeros((2, users))
    return ShareProblem(
        server=np.zeros(users, dtype=np.int64),
        member=np.ones((1, 1, users)),
        train_s=both(train_s),
        radio_s=both(radio_s),
        train_j=nothing,
        radio_j=nothing,
        snr=np.full((2, users), snr),
        slope=slope,
        rate_law=RateLaw.of(1.0),
    )


def solved(problem, phi, price=ONLY_DELAY):
    start = problem.equal_split(np.full(len(problem.server), phi))
    return solve(problem, price, start, gap=1e-7, steps=300, final_tolerance=1e-12)


def test_o1_the_square_root_law_where_all_delays_have_one_price():
    """C = (1, 4, 9), F = 6: speeds (1, 2, 3), sum of C / F = 6. The mutant shares in proportion to C."""
    work, total = np.array([1.0, 4.0, 9.0]), 6.0
    # Local delays such that everyone is done at once with those speeds, so each delay has one price.
    problem = one_server(train_s=(2.0 * np.array([2.0, 1.0, 0.0]), 2.0 * work / total))
    found = solved(problem, 0.5)
    speed = total * found.shares[:, GPU]
    assert speed == pytest.approx([1.0, 2.0, 3.0], abs=1e-3)
    assert (work / speed).sum() == pytest.approx(6.0, abs=1e-3)
    assert found.delay_price == pytest.approx([1.0 / 3.0] * 3, rel=2e-3)
    assert (work / (total * work / work.sum())).sum() > 6.5


@pytest.mark.parametrize("seed", range(3))
def test_o1_speeds_go_like_the_root_of_price_times_work(seed):
    rng = np.random.default_rng(seed)
    work = rng.uniform(1, 9, 5)
    problem = one_server(train_s=(rng.uniform(0, 20, 5), 2.0 * work), users=5)
    found = solved(problem, 0.5)
    law = np.sqrt(found.delay_price * work)
    assert found.shares[:, GPU] == pytest.approx(law / law.sum(), abs=5e-4)
    assert found.delay_price.sum() == pytest.approx(1.0, rel=2e-3)
    assert np.abs(found.shares[:, GPU] - work / work.sum()).max() > 1e-2


def test_o2_bandwidth_goes_like_the_root_of_work_over_rate():
    """D = (1, 4, 9), r = (1, 1, 4), B = 1: (2/9, 4/9, 3/9), 20.25. Mutants: without the root, D alone."""
    data, rate = np.array([1.0, 4.0, 9.0]), np.array([1.0, 1.0, 4.0])
    waits = 10.0 - np.array([4.5, 9.0, 6.75])
    per_band = np.log(LOUD)
    problem = one_server(train_s=(waits, 0.0), radio_s=(data / rate * per_band, 0.0), snr=LOUD)
    found = solved(problem, 1.0)
    band = found.shares[:, BAND]
    assert band == pytest.approx(np.array([2.0, 4.0, 3.0]) / 9.0, abs=2e-3)
    assert (data / (band * rate)).sum() == pytest.approx(20.25, rel=5e-3)
    for wrong in (data / rate, np.sqrt(data), data):
        assert np.abs(wrong / wrong.sum() - np.array([2.0, 4.0, 3.0]) / 9.0).max() > 0.05


def test_o3_water_filling():
    """g = (1, 0.5, 0.1), P = 3: (2, 1, 0), sum of log2(1 + g p) = 2.169925001. Mutant: an equal split."""
    gain = np.array([1.0, 0.5, 0.1])
    problem = one_server(train_s=(1.0, 0.0), slope=gain)
    found = solved(problem, 0.5, Price(per_s=1.0, per_j=0.0))
    power = found.shares[:, :SHARED].sum(axis=1)  # the score counts the three budgets of 1 together
    assert power == pytest.approx([2.0, 1.0, 0.0], abs=1e-3)
    assert np.log2(1.0 + gain * power).sum() == pytest.approx(2.169925001, abs=1e-4)
    assert np.log2(1.0 + gain).sum() < 2.0


def test_o4_the_largest_delay_is_least_with_speeds_in_proportion_to_work():
    """C = (1, 4, 9), F = 6: everyone done after 14 / 6. The mutant is the square-root law."""
    work, total = np.array([1.0, 4.0, 9.0]), 6.0
    found = solved(one_server(train_s=(0.0, work / total)), 0.0)
    assert found.shares[:, GPU] == pytest.approx(work / work.sum(), abs=1e-3)
    assert found.longest_s == pytest.approx(14.0 / 6.0, rel=1e-3)
    root = np.sqrt(work)
    assert (work / (total * root / root.sum())).max() > 1.2 * found.longest_s


@pytest.mark.parametrize("seed", range(3))
def test_o4_with_delays_of_their_own(seed):
    """T solves sum C / (T - L) = F, exactly, by bisection."""
    rng = np.random.default_rng(seed)
    work, waits = rng.uniform(1, 9, 6), rng.uniform(0, 5, 6)
    problem = one_server(train_s=(2.0 * waits, 2.0 * work), users=6)
    found = solved(problem, 0.5)
    exact = brentq(lambda t: (work / (t - waits)).sum() - 1.0, waits.max() + 1e-9, 1e3)
    assert found.longest_s == pytest.approx(exact, rel=1e-4)
    assert found.shares[:, OWN].min() > 0.999


def test_o4_in_the_downlink_too():
    """Equal links share bandwidth and power in proportion to the data: rate is homogeneous in both."""
    data = np.array([1.0, 2.0, 5.0])
    found = solved(one_server(radio_s=(0.0, data), snr=20.0), 0.0)
    assert found.shares[:, BAND] == pytest.approx(data / 8.0, abs=1e-3)
    assert found.shares[:, DOWN] == pytest.approx(data / 8.0, abs=1e-3)
    assert found.longest_s == pytest.approx(8.0 / np.log(21.0), rel=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_o6_dashf_is_never_below_a_baseline(snapshot, seed):
    instance = snapshot(seed, 8, 2, like=seed % 2 == 0)

    def scr(policy):
        return instance.scr(policy.allocate(Observation.of(instance)))

    dashf = scr(DashfPlus())
    for baseline in (Rucaa(), Gucaa(), Nearest(), LocalOnly(), EdgeOnly(), Aauco(), Gucro()):
        assert dashf >= scr(baseline), type(baseline).__name__


def test_the_price_of_phi_is_not_in_the_share_of_phi():
    """A guard of these tests: they solve over resources alone, so phi stays what it was."""
    found = solved(one_server(train_s=(1.0, 1.0)), 0.5)
    assert (found.shares[:, PHI] == 0.5).all()
