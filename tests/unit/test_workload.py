"""Workload: sizes, token data, arrivals, each from its own key."""

from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.rng import Purpose, stream
from mecsim.world.workload import Workload

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")


def workload(seed=1, users=5, **changes):
    named = {f"workload.{key}": value for key, value in changes.items()}
    return Workload(SCENARIO.with_changes({"users.count": users, **named}), seed)


def rounds_of(work, users, first=0, count=1):
    """Adapter sizes and FLOP per parameter of rounds first.. of users 0.., as (count, users)."""
    pairs = [work.work(np.arange(users), np.full(users, first + k)) for k in range(count)]
    return np.array([d for d, _ in pairs]), np.array([t for _, t in pairs])


def check_law(sample, cdf):
    """Kolmogorov-Smirnov, p = 1e-6."""
    ordered = np.sort(sample)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    distance = max((steps[1:] - cdf(ordered)).max(), (cdf(ordered) - steps[:-1]).max())
    assert distance <= 2.69 / np.sqrt(len(ordered))


def uniform_cdf(low, high):
    return lambda x: np.clip((x - low) / (high - low), 0.0, 1.0)


def exponential_cdf(mean):
    return lambda x: -np.expm1(-x / mean)


# --- amounts


def test_flops_per_param_follow_the_tokens():
    """t = 6 FLOP per parameter and token times tokens of 32 bit; mutant: bytes of a token for its bits."""
    work = workload(token_bits=3.2e6, adapter_params=2e6)
    d, t = work.work(np.arange(5), np.zeros(5, dtype=int))
    assert (d == 2e6).all()
    assert t == pytest.approx(6.0 * 3.2e6 / 32.0, rel=1e-15)
    other = workload(token_bits=3.2e6, bits_per_token_id=16, flops_per_param_and_token=2)
    assert other.work(np.array([0]), np.array([0]))[1] == pytest.approx(2.0 * 3.2e6 / 16.0, rel=1e-15)


@pytest.mark.parametrize(
    ("law", "cdf"),
    [
        ({"uniform": [1.2e6, 14e6]}, uniform_cdf(1.2e6, 14e6)),
        ({"exponential": 3e6}, exponential_cdf(3e6)),
    ],
    ids=["uniform", "exponential"],
)
def test_the_law_of_users_and_the_law_of_rounds(law, cdf):
    """2000 users, and 2000 rounds of one user; mutant: the other law of the same mean."""
    users, _ = rounds_of(workload(users=2000, adapter_params=law), 2000)
    check_law(users[0], cdf)
    rounds, _ = rounds_of(workload(users=1, adapter_params=law | {"per": "round"}), 1, count=2000)
    check_law(rounds[:, 0], cdf)
    with pytest.raises(AssertionError):
        check_law(users[0], exponential_cdf(7.6e6) if "uniform" in law else uniform_cdf(0.0, 6e6))


def test_a_round_has_the_work_of_its_own_draw():
    """By hand from the streams. Mutants: another user's draw, the next round's, the size's for the data's."""
    sizes, data = {"uniform": [1e6, 3e6], "per": "round"}, {"uniform": [2e6, 6e6]}
    work = workload(seed=4, adapter_params=sizes, token_bits=data)
    for n, k in ((0, 0), (3, 255), (3, 256), (4, 300)):
        chunk = stream(4, Purpose.WORKLOAD_ROUND, n, k // 256).random((256, 2))
        once = stream(4, Purpose.WORKLOAD_USER, n).random(2)
        d, t = work.work_of_round(n, k)
        assert d == pytest.approx(1e6 + 2e6 * chunk[k % 256, 0], rel=1e-14)
        assert t == pytest.approx(6.0 * (2e6 + 4e6 * once[1]) / 32.0, rel=1e-14)


def test_choice_takes_each_value_equally_often():
    """2000 users, three values: each share within 5 sigma of 1/3."""
    values, counts = np.unique(
        rounds_of(workload(users=2000, adapter_params={"choice": [1e6, 2e6, 5e6]}), 2000)[0],
        return_counts=True,
    )
    assert values.tolist() == [1e6, 2e6, 5e6]
    assert (np.abs(counts / 2000 - 1 / 3) <= 5 * np.sqrt(2 / 9 / 2000)).all()


def test_per_user_is_drawn_once_and_per_round_afresh():
    d, t = rounds_of(workload(), 5, count=300)
    assert (d == d[0]).all()
    assert len(np.unique(d[0])) == 5
    assert len(np.unique(t)) == t.size


def test_sizes_and_tokens_are_independent():
    """2000 users: correlation within 5/sqrt(2000); mutant: one draw for both."""
    both = {"uniform": [1e6, 2e6]}
    d, t = rounds_of(workload(users=2000, adapter_params=both, token_bits=both), 2000)
    bound = 5.0 / np.sqrt(2000)
    assert abs(np.corrcoef(d[0], t[0])[0, 1]) <= bound
    assert abs(np.corrcoef(d[0], d[0])[0, 1]) > bound


def test_a_round_is_the_same_in_any_order_of_asking():
    """Across the edges of what is drawn and kept together: mutant, a generator that goes on."""
    ahead, back, alone = workload(), workload(), workload()
    rounds = [0, 1, 254, 255, 256, 257, 511, 512, 10_000]
    users = np.arange(5)
    forwards = {k: ahead.work(users, np.full(5, k)) for k in rounds}
    backwards = {k: back.work(users, np.full(5, k)) for k in reversed(rounds)}
    for k in rounds:
        assert np.array_equal(forwards[k], backwards[k])
        for n in users:
            assert np.array_equal(
                alone.work(np.array([n]), np.array([k])), np.array(forwards[k])[:, n : n + 1]
            )
    mixed = ahead.work(users, np.array([512, 0, 257, 1, 10_000]))
    assert np.array_equal(mixed[1], [forwards[k][1][n] for n, k in enumerate([512, 0, 257, 1, 10_000])])


class FixedStream:
    """A generator that returns one number for ever."""

    def __init__(self, number):
        self.number = number

    def random(self, size):
        return np.full(size, self.number)


@pytest.mark.parametrize("per", ["user", "round"])
@pytest.mark.parametrize("number", [0.0, 1.0 - 2.0**-53], ids=["smallest", "largest"])
def test_the_extreme_numbers_of_a_generator_give_work_that_is_finite_and_not_zero(monkeypatch, number, per):
    """Mutants: 0 gives a round without work; a step up from 1 - 2^-53 gives 1, where the laws end."""
    monkeypatch.setattr("mecsim.world.workload.stream", lambda *key: FixedStream(number))
    exponential, choice = {"exponential": 1e6, "per": per}, {"choice": [1e6, 2e6], "per": per}
    d, t = rounds_of(workload(adapter_params=exponential, token_bits=choice), 5)
    assert (np.isfinite(d) & (d > 0.0)).all()
    assert (t == 6.0 * (1e6 if number == 0.0 else 2e6) / 32.0).all()


# --- arrivals


def test_poisson_gaps_are_exponential():
    """One user, 0.5 a second for 40000 s; mutant: gaps rounded to whole seconds, or the rate for the mean."""
    arrivals_s = workload(rounds={"mode": "poisson", "rate_per_s": 0.5}).arrivals_s(0, 40_000.0)
    gaps_s = np.diff(np.append(0.0, arrivals_s))
    check_law(gaps_s, exponential_cdf(2.0))
    assert abs(len(arrivals_s) - 20_000) <= 5 * np.sqrt(20_000)
    for mutant in (np.ceil(gaps_s), gaps_s / 4.0):
        with pytest.raises(AssertionError):
            check_law(mutant, exponential_cdf(2.0))


def test_poisson_users_are_independent():
    work = workload(rounds={"mode": "poisson", "rate_per_s": 0.5})
    counts = [np.histogram(work.arrivals_s(n, 8000.0), np.arange(0.0, 8001.0, 4.0))[0] for n in range(3)]
    assert np.abs(np.corrcoef(counts)[np.triu_indices(3, 1)]).max() <= 5.0 / np.sqrt(2000)


@pytest.mark.parametrize(
    "rounds",
    [
        {"mode": "poisson", "rate_per_s": 0.7},
        {"mode": "periodic", "period_s": 0.3},
        {"mode": "periodic", "period_s": 0.3, "staggered": False},
    ],
)
def test_a_longer_run_only_adds_arrivals(rounds):
    work = workload(rounds=rounds)
    long = work.arrivals_s(2, 2000.0)
    assert (np.diff(long) > 0.0).all()
    for until_s in (0.0, 0.1, 123.4, float(long[400]), 1999.9):
        short = work.arrivals_s(2, until_s)
        assert np.array_equal(short, long[: len(short)])
        assert np.array_equal(short, long[long < until_s])


def test_periodic_arrivals_are_multiples_of_the_period():
    """Exactly offset + k * period: mutant, a running sum, whose error grows."""
    period_s = 0.1
    work = workload(rounds={"mode": "periodic", "period_s": period_s, "staggered": False})
    times_s = work.arrivals_s(0, 1000.0)
    assert np.array_equal(times_s, np.arange(10_000) * period_s)
    running = np.cumsum(np.full(10_000, period_s)) - period_s
    assert not np.array_equal(running, np.arange(10_000) * period_s)


def test_staggered_users_start_spread_over_one_period():
    """Offsets uniform over the period (2000 users), later arrivals a whole number of periods later."""
    work = workload(users=2000, rounds={"mode": "periodic", "period_s": 300.0})
    first = np.array([work.arrivals_s(n, 300.0)[0] for n in range(2000)])
    check_law(first, uniform_cdf(0.0, 300.0))
    for n in range(5):
        times_s = work.arrivals_s(n, 3000.0)
        assert np.array_equal(times_s, first[n] + np.arange(10) * 300.0)
    with pytest.raises(AssertionError):
        check_law(np.zeros(2000), uniform_cdf(0.0, 300.0))


@pytest.mark.parametrize("mode", ["continuous", "synchronous"])
def test_rounds_that_lead_to_the_next_do_not_arrive(mode):
    assert workload(rounds={"mode": mode}).arrivals_s(0, 1e6).size == 0


def test_seeds_and_users_have_their_own_numbers():
    rounds = {"mode": "poisson", "rate_per_s": 0.5}
    works = [workload(seed=seed, rounds=rounds) for seed in (1, 2)]
    starts = [work.arrivals_s(n, 100.0)[0] for work in works for n in range(5)]
    sizes = np.concatenate([work.work(np.arange(5), np.zeros(5, dtype=int)) for work in works])
    assert len(set(starts)) == 10
    assert len(np.unique(sizes)) == 20
