"""Several users on one server under work-conserving sharing: processor sharing (docs/verification.md Q7).

Arrivals and sizes are scripted; all work is the server's and transfers take no time. Bugs it would
catch: a rate that does not change when another job comes or goes, a share of a user that has gone,
work forgotten when the rate changes, sharing in equal parts instead of in proportion to the grants.
"""

import dataclasses
import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.world.workload import Workload


class Weighted:
    """All users train at the one server, which is shared in proportion to given weights."""

    def __init__(self, weights):
        self.weights = np.asarray(weights, dtype=float)

    def allocate(self, observation):
        allocation = make_policy("edge_only").allocate(observation)
        share = self.weights / self.weights.sum()
        return dataclasses.replace(
            allocation, server_gpu_flops=share * observation.instance.servers.max_gpu_flops[0]
        )


@pytest.fixture
def play(make_scenario, monkeypatch):
    """Return a function from jobs, one a user, to their ends: (arrival, size at full speed), all in s."""

    def run(jobs, policy=None, duration_s=1e4):
        arrivals_s, sizes_s = np.array(jobs, dtype=float).T
        monkeypatch.setattr(Workload, "arrivals", lambda self, n, until_s: iter(arrivals_s[n : n + 1]))
        monkeypatch.setattr(
            Workload, "work_of_round", lambda self, user, index: (1e6, 1e6 * float(sizes_s[user]))
        )
        scenario = make_scenario({
            "duration_s": duration_s,
            "servers.positions_m": [[250, 200]],
            "servers.gpu": {"peak_tflops": 1, "board_power_w": 100},
            "servers.gpu_count": 1,
            "servers.gpu_utilisation": 1,
            "users.count": len(jobs),
            "workload.rounds": {"mode": "poisson", "rate_per_s": 1},
            "workload.bits_per_param": 0,
            "service.sharing": "work_conserving",
            "reallocation.period_s": duration_s,
            "record.positions_s": duration_s,
        })  # fmt: skip
        rounds = Simulation(scenario, policy or make_policy("edge_only"), 1).run().rounds
        assert (rounds["outcome"] == "finished").all()
        assert (rounds["wait_s"] == 0).all()
        order = np.argsort(rounds["user"])
        return (rounds["start_s"] + rounds["delay_s"])[order]

    return run


def processor_sharing(jobs, weights=None):
    """Return when each job ends: at every arrival or end the speed is shared anew."""
    weights = [1.0] * len(jobs) if weights is None else weights
    left, ends, now = {}, [math.nan] * len(jobs), 0.0
    coming = sorted(range(len(jobs)), key=lambda k: jobs[k][0])
    while coming or left:
        total = sum(weights[k] for k in left)
        first = min(left, key=lambda k: left[k] / weights[k], default=None)
        end_s = now + left[first] * total / weights[first] if left else math.inf
        arrival_s = jobs[coming[0]][0] if coming else math.inf
        then = min(end_s, arrival_s)
        for k in left:
            left[k] -= (then - now) * weights[k] / total
        now = then
        if end_s <= arrival_s:
            ends[first] = now
            del left[first]
        else:
            left[coming[0]] = jobs[coming[0]][1]
            coming.pop(0)
    return np.array(ends)


def first_come_first_served(jobs, weights=None):
    ends, free_s = np.empty(len(jobs)), 0.0
    for k in sorted(range(len(jobs)), key=lambda k: jobs[k][0]):
        free_s = max(free_s, jobs[k][0]) + jobs[k][1]
        ends[k] = free_s
    return ends


def sharing_that_ignores_departures(jobs, weights=None):
    """Return the ends if a share, once given, is not given on."""
    weights = [1.0] * len(jobs) if weights is None else weights
    return np.array([a + s * sum(weights) / w for (a, s), w in zip(jobs, weights, strict=True)])


def two_jobs(name):
    return {"sizes 1 and 2 at 0": [(0.0, 1.0), (0.0, 2.0)], "size 1 at 0 and 0.5": [(0.0, 1.0), (0.5, 1.0)]}[
        name
    ]


@pytest.mark.parametrize(
    ("name", "ends_s"), [("sizes 1 and 2 at 0", [2.0, 3.0]), ("size 1 at 0 and 0.5", [1.5, 2.0])]
)
def test_two_jobs_by_hand(play, name, ends_s):
    np.testing.assert_allclose(play(two_jobs(name)), ends_s, rtol=1e-12)
    np.testing.assert_allclose(processor_sharing(two_jobs(name)), ends_s, rtol=1e-12)
    for wrong in (first_come_first_served, sharing_that_ignores_departures):
        assert not np.allclose(wrong(two_jobs(name)), ends_s, rtol=1e-3)


def random_jobs(seed, count=60, load=0.9):
    rng = np.random.default_rng(seed)
    return list(zip(np.cumsum(rng.exponential(1.0, count)), rng.exponential(load, count), strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_a_random_sequence_is_shared_equally(play, seed):
    jobs = random_jobs(seed)
    ends_s = play(jobs)
    np.testing.assert_allclose(ends_s, processor_sharing(jobs), rtol=1e-9)
    for wrong in (first_come_first_served, sharing_that_ignores_departures):
        assert not np.allclose(ends_s, wrong(jobs), rtol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_a_random_sequence_is_shared_in_proportion_to_the_grants(play, seed):
    jobs = random_jobs(seed)
    weights = np.random.default_rng(seed + 100).uniform(0.2, 5, len(jobs))
    ends_s = play(jobs, Weighted(weights))
    np.testing.assert_allclose(ends_s, processor_sharing(jobs, weights), rtol=1e-9)
    assert not np.allclose(ends_s, processor_sharing(jobs), rtol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_server_is_busy_exactly_as_long_as_one_that_serves_in_turn(play, seed):
    jobs = random_jobs(seed)
    ends_s = play(jobs)
    assert math.isclose(ends_s.max(), first_come_first_served(jobs).max(), rel_tol=1e-9)


def test_sojourns_are_the_integral_of_the_number_in_the_system(play):
    jobs = random_jobs(7)
    ends_s, arrivals_s = play(jobs), np.array(jobs)[:, 0]
    times_s = np.sort(np.concatenate([arrivals_s, ends_s]))
    number = np.array([(arrivals_s <= t).sum() - (ends_s <= t).sum() for t in times_s[:-1]])
    assert math.isclose((number * np.diff(times_s)).sum(), (ends_s - arrivals_s).sum(), rel_tol=1e-9)
