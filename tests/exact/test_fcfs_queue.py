"""Rounds that wait at their user: M/M/1 and M/D/1 (verification Q1, Q2), and Lindley's recursion (Q7).

One user, rounds at Poisson times, all work done by the user itself at speed one: a queue with one
server, first come first served. Bugs it would catch: the service time of another round, rounds in
another order, a wait measured from the wrong moment, a round that starts late or early.
"""

import math

import numpy as np
import pytest

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.world.world import World

# Exact means for service rate 1, standard deviations of a mean over 2e5 jobs (Q1, Q2), and jobs taken here.
LAWS = {
    ("exponential", 0.5): (2.0, 0.0144, 60_000),
    ("exponential", 0.8): (5.0, 0.105, 70_000),
    ("constant", 0.5): (1.5, 0.0039, 15_000),
    ("constant", 0.8): (3.0, 0.035, 15_000),
}


@pytest.fixture(scope="module")
def queue(make_scenario):
    """Return a function from the law of the work, the load and a number of jobs to a scenario."""

    def scenario(law, load, jobs):
        # 1 TFLOP/s, 1e6 parameters and 1 FLOP per parameter and bit: a token bit takes a microsecond.
        bits = {"exponential": 1e6, "per": "round"} if law == "exponential" else 1e6
        return make_scenario({
            "duration_s": jobs / load,
            "users.count": 1,
            "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
            "users.gpu_count": 1,
            "users.gpu_utilisation": 1,
            "workload.rounds": {"mode": "poisson", "rate_per_s": load},
            "workload.adapter_params": 1e6,
            "workload.token_bits": bits,
            "workload.bits_per_token_id": 1,
            "workload.flops_per_param_and_token": 1,
            "workload.bits_per_param": 0,
            "reallocation.period_s": 1e9,
            "record.positions_s": 1e9,
        })  # fmt: skip

    return scenario


@pytest.fixture(scope="module")
def served(queue):
    """Return, for a queue, its arrivals, its work in s, and the rounds table of the run, all in order."""
    done = {}

    def run(law, load):
        if (law, load) not in done:
            scenario = queue(law, load, LAWS[law, load][-1])
            rounds = Simulation(scenario, make_policy("local_only"), 1).run().rounds
            count = len(rounds["round"])
            assert (rounds["round"] == np.arange(count)).all()
            workload = World(scenario, 1).workload
            params, flops_per_param = workload.work(np.zeros(count, dtype=int), np.arange(count))
            arrivals_s = workload.arrivals_s(0, scenario.duration_s)[:count]
            done[law, load] = (arrivals_s, params * flops_per_param / 1e12, rounds)
        return done[law, load]

    return run


def finished(arrivals_s, work_s, rounds):
    """Leave out a last round that the end of the run cut off."""
    rows = rounds["outcome"] == "finished"
    assert rows[:-1].all()
    return arrivals_s[rows], work_s[rows], {name: column[rows] for name, column in rounds.items()}


def lindley(arrivals_s, work_s):
    """Return the wait of every job: W' = max(0, W + S - A)."""
    waits = [0.0]
    for gap_s, job_s in zip(np.diff(arrivals_s).tolist(), work_s.tolist(), strict=False):
        waits.append(max(0.0, waits[-1] + job_s - gap_s))
    return np.array(waits)


def last_come_first_served(arrivals_s, work_s):
    """Return the waits of a queue that takes the newest job first, without interruption."""
    waits, waiting, now = np.zeros(len(arrivals_s)), [], 0.0
    k = 0
    while k < len(arrivals_s) or waiting:
        if not waiting:
            now = max(now, arrivals_s[k])
        while k < len(arrivals_s) and arrivals_s[k] <= now:
            waiting.append(k)
            k += 1
        job = waiting.pop()
        waits[job] = now - arrivals_s[job]
        now += work_s[job]
    return waits


WRONG_WAITS = {
    "the service of the next job": lambda arrivals, work: lindley(arrivals, np.roll(work, -1)),
    "the service of the job before": lambda arrivals, work: lindley(arrivals, np.roll(work, 1)),
    "the mean service": lambda arrivals, work: lindley(arrivals, np.full_like(work, work.mean())),
    "waits that may be negative": lambda arrivals, work: np.cumsum(work - np.diff(arrivals, append=0)),
    "the sojourn for the wait": lambda arrivals, work: lindley(arrivals, work) + work,
    "last come, first served": last_come_first_served,
    "service from arrival on": lambda arrivals, work: np.zeros_like(work),
}


def assert_waits(rounds, waits):
    horizon_s = rounds["start_s"][-1]
    np.testing.assert_allclose(rounds["wait_s"], waits, rtol=1e-9, atol=1e-9 * math.sqrt(horizon_s))


def test_every_wait_follows_lindleys_recursion(served):
    arrivals_s, work_s, rounds = served("exponential", 0.8)
    assert_waits(rounds, lindley(arrivals_s, work_s))
    arrivals_s, work_s, rounds = finished(arrivals_s, work_s, rounds)
    grain_s = 4 * np.spacing(arrivals_s[-1])  # of a clock that has come so far
    np.testing.assert_allclose(rounds["delay_s"], work_s, rtol=1e-9, atol=grain_s)
    np.testing.assert_allclose(rounds["start_s"], arrivals_s + rounds["wait_s"], rtol=1e-12)


@pytest.mark.parametrize("bug", WRONG_WAITS)
def test_lindleys_recursion_rejects(served, bug):
    arrivals_s, work_s, rounds = served("exponential", 0.8)
    with pytest.raises(AssertionError):
        assert_waits(rounds, WRONG_WAITS[bug](arrivals_s, work_s))


def z_of_mean_sojourn(law, load, sojourn_s):
    mean_s, sd_of_2e5, _ = LAWS[law, load]
    return (warm(sojourn_s).mean() - mean_s) / (sd_of_2e5 * math.sqrt(2e5 / len(sojourn_s)))


def warm(values):
    """Leave out the first tenth, as the deviations were measured."""
    return values[len(values) // 10 :]


@pytest.mark.parametrize(("law", "load"), LAWS)
def test_mean_time_in_the_system(served, law, load):
    """|z| <= 5: two-sided p = 6e-7 with the known deviation; the seed is fixed."""
    _, _, rounds = finished(*served(law, load))
    assert abs(z_of_mean_sojourn(law, load, rounds["wait_s"] + rounds["delay_s"])) <= 5


@pytest.mark.parametrize(("law", "load"), LAWS)
def test_mean_time_in_the_system_rejects(served, law, load):
    arrivals_s, work_s, rounds = finished(*served(law, load))
    other = "constant" if law == "exponential" else "exponential"
    sojourn_s = rounds["wait_s"] + rounds["delay_s"]
    for wrong_s in (
        rounds["wait_s"],
        rounds["delay_s"],
        sojourn_s + rounds["wait_s"],
        lindley(1.1 * arrivals_s, work_s) + work_s,
    ):
        assert abs(z_of_mean_sojourn(law, load, wrong_s)) > 5
    assert abs(z_of_mean_sojourn(other, load, sojourn_s)) > 5


def test_mean_wait_and_tail_of_mm1(served):
    """W_q = 1 and the 95 % point of T is 5.991465 at load 0.5 (Q1)."""
    _, _, rounds = finished(*served("exponential", 0.5))
    wait_s, sojourn_s = warm(rounds["wait_s"]), warm(rounds["wait_s"] + rounds["delay_s"])
    sd = 0.0144 * math.sqrt(2e5 / len(rounds["wait_s"]))
    assert abs(wait_s.mean() - 1.0) <= 5 * sd
    # Neighbours are alike; the relaxation time 1/(1-sqrt(load))^2 bounds for how long.
    relaxation = 1 / (1 - math.sqrt(0.5)) ** 2
    sd_of_share = math.sqrt(0.05 * 0.95 * 2 * relaxation / len(sojourn_s))
    above = (sojourn_s > 5.991465).mean()
    assert abs(above - 0.05) <= 5 * sd_of_share
    assert abs((wait_s > 5.991465).mean() - 0.05) > 5 * sd_of_share


def area_under_number_in_system(arrivals_s, departures_s):
    """Return the integral of N dt, by walking over arrivals and departures."""
    steps = sorted([(t, 1) for t in arrivals_s.tolist()] + [(t, -1) for t in departures_s.tolist()])
    area, number, since_s = [], 0, 0.0
    for time_s, step in steps:
        area.append(number * (time_s - since_s))
        number, since_s = number + step, time_s
    assert number == 0
    return math.fsum(area)


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_littles_law_from_empty_to_empty(served, load):
    arrivals_s, _, rounds = finished(*served("exponential", load))
    departures_s = rounds["start_s"] + rounds["delay_s"]
    empty = np.flatnonzero(arrivals_s[1:] > departures_s[:-1])[-1] + 1
    sojourns_s = (rounds["wait_s"] + rounds["delay_s"])[:empty]
    area = area_under_number_in_system(arrivals_s[:empty], departures_s[:empty])
    assert math.isclose(area, math.fsum(sojourns_s), rel_tol=1e-9)
    assert not math.isclose(area, math.fsum(rounds["wait_s"][:empty]), rel_tol=1e-3)
    assert not math.isclose(area, math.fsum(sojourns_s) + rounds["wait_s"].max(), rel_tol=1e-9)


def test_busy_time_is_the_sum_of_the_work(served):
    arrivals_s, work_s, rounds = finished(*served("exponential", 0.8))
    departures_s = rounds["start_s"] + rounds["delay_s"]
    idle_s = np.maximum(0.0, arrivals_s[1:] - departures_s[:-1])
    busy_s = departures_s[-1] - arrivals_s[0] - math.fsum(idle_s)
    assert math.isclose(busy_s, math.fsum(work_s), rel_tol=1e-9)
    assert not math.isclose(busy_s, math.fsum(work_s) - np.median(work_s), rel_tol=1e-9)
