"""Rounds as jobs of queues: rows Q1 to Q5 and Q7 of docs/verification.md, on runs of the engine.

One user with Poisson rounds and local training is a first-come, first-served queue. Users who arrive, do
one round on the only server and leave form a processor-sharing queue. Users who only stay, with few
places, form Erlang's loss system.
"""

from __future__ import annotations

import math
import sys
from typing import Any, NamedTuple

import numpy as np

from mecsim.engine.roster import UserStatus
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.system.arrays import Floats
from mecsim.testing.verification.broken_engine import other_record, other_scenario, zeroed
from mecsim.testing.verification.finding import (
    Check,
    Finding,
    Judge,
    Setting,
    equal,
    mean,
    no_difference,
    per_cycle,
)
from mecsim.testing.verification.mutant import reused
from mecsim.testing.verification.reference_queues import (
    lindley_waits,
    shared_ends,
    sigma_of_refusals,
    stationary_law,
)
from mecsim.world.world import World

# One second of work is 1e6 token bits for 1e6 parameters at 1 TFLOP/s.
_SECONDS = {
    "warmup_s": 0,
    "servers.positions_m": [[250, 200]],
    "servers.gpu": {"peak_tflops": 1, "board_power_w": 100},
    "servers.gpu_count": 1,
    "servers.gpu_utilisation": 1,
    "users.gpu": {"peak_tflops": 1, "board_power_w": 100},
    "users.gpu_count": 1,
    "users.gpu_utilisation": 1,
    "users.mobility": {"model": "static"},
    "workload.adapter_params": 1e6,
    "workload.token_bits": 1e6,
    "workload.bits_per_token_id": 1,
    "workload.flops_per_param_and_token": 1,
    "workload.bits_per_param": 0,
    "channel.shadowing.sigma_db": 0,
    "channel.fading": {"model": "none"},
}
_TOKEN_BITS = {
    "exponential": {"exponential": 1e6, "per": "round"},
    "constant": 1e6,
    # Mean 1 s, mean square 2.6875 s^2.
    "two sizes": {"choice": [0.25e6, 0.25e6, 0.25e6, 3.25e6], "per": "round"},
}
# Mean time in the system at load 0.5, and the deviation of a mean over 2e5 jobs.
_SOJOURN_S = {"exponential": (2.0, 0.0144), "constant": (1.5, 0.0039)}
_JOBS = 25_000


class Jobs(NamedTuple):
    """Jobs in the order of their arrival, (J,) each, in s, without those that are unfinished at the end."""

    arrivals_s: Floats
    work_s: Floats
    starts_s: Floats
    ends_s: Floats
    sojourns_s: Floats


def scenario_of(changes: dict[str, Any]) -> Scenario:
    """Return a scenario in which a unit of work takes a second."""
    until_s = changes["duration_s"]
    rare = {"reallocation.period_s": 2 * until_s, "record.positions_s": 2 * until_s}
    return load_scenario("smoke").with_changes(_SECONDS | rare | changes)


@reused
def in_turn(setting: Setting, law: str) -> Jobs:
    """Return the rounds of one user at load 0.5."""
    scenario = scenario_of(
        {
            "duration_s": 2.0 * _JOBS * setting.size,
            "users.count": 1,
            "workload.rounds": {"mode": "poisson", "rate_per_s": 0.5},
            "workload.token_bits": _TOKEN_BITS[law],
        }
    )
    seed = 1 + setting.seed
    rounds = Simulation(scenario, make_policy("local_only"), seed).run().rounds
    done = rounds["outcome"] == "finished"
    count = int(done.sum())
    workload = World(scenario, seed).workload
    params, flops = workload.work(np.zeros(count, dtype=np.int64), np.arange(count))
    starts_s = rounds["start_s"][done]
    arrivals_s = workload.arrivals_s(0, scenario.duration_s)[:count]
    delay_s = rounds["delay_s"][done]
    sojourns_s = rounds["wait_s"][done] + delay_s
    return Jobs(arrivals_s, params * flops / 1e12, starts_s, starts_s + delay_s, sojourns_s)


@reused
def shared(setting: Setting) -> Jobs:
    """Return users who come at half the speed of the one server, are served together and leave."""
    scenario = scenario_of(
        {
            "duration_s": 3000.0 * setting.size,
            "users.count": 0,
            "users.arrivals": {"rate_per_s": 0.5, "rounds": 1},
            "workload.token_bits": {"exponential": 1e6},
            "service.sharing": "work_conserving",
            "reallocation.events": ["arrival"],
        }
    )
    seed = 5 + setting.seed
    world = World(scenario, seed)
    users = np.arange(world.user_count)
    work_s = np.prod(world.workload.work(users, np.zeros_like(users)), axis=0) / 1e12
    rounds = Simulation(scenario, make_policy("edge_only"), seed).run().rounds
    ends_s = np.full(len(users), np.inf)
    done = rounds["outcome"] == "finished"
    ends_s[rounds["user"][done]] = (rounds["start_s"] + rounds["delay_s"])[done]
    arrivals_s = world.population.enters_s
    return Jobs(arrivals_s, work_s, arrivals_s, ends_s, ends_s - arrivals_s)


def sojourn(law: str) -> Judge:
    """Return the check of the mean time in M/M/1 or M/D/1."""

    def judge(setting: Setting) -> Finding:
        jobs, (expected_s, sd_s) = in_turn(setting, law), _SOJOURN_S[law]
        time_s = jobs.ends_s - jobs.arrivals_s
        warm_s = time_s[len(time_s) // 10 :]
        return mean(warm_s, expected_s, sd_s * math.sqrt(2e5 / len(time_s)) * math.sqrt(len(warm_s)))

    return judge


def pollaczek_khinchine(setting: Setting) -> Finding:
    """Check W = load E[S^2] / (2 (1 - load)) of two sizes of work.

    Every job that finds the queue empty begins a cycle independent of all before; the last is left out.
    """
    jobs = in_turn(setting, "two sizes")
    waits_s = jobs.starts_s - jobs.arrivals_s
    first = np.flatnonzero(waits_s == 0.0)
    sums_s, sizes = np.add.reduceat(waits_s, first), np.diff(first)
    return per_cycle(sums_s[:-1], sizes, 0.5 * 2.6875 / (2.0 * 0.5))


def lindley(setting: Setting) -> Finding:
    """Check that every start is the arrival plus Lindley's wait."""
    jobs = in_turn(setting, "exponential")
    waits_s = lindley_waits(jobs.arrivals_s, jobs.work_s)
    return no_difference(jobs.starts_s, jobs.arrivals_s + waits_s, tol=1e-9)


def little(setting: Setting) -> Finding:
    """Check that the integral of the number of jobs is the sum of the recorded waits and delays."""
    jobs = in_turn(setting, "exponential")
    times_s = np.concatenate([jobs.arrivals_s, jobs.ends_s])
    order = np.argsort(times_s, kind="stable")
    steps = np.repeat([1, -1], len(jobs.ends_s))[order]
    area = math.fsum(np.cumsum(steps)[:-1] * np.diff(times_s[order]))
    return equal(area, math.fsum(jobs.sojourns_s), rel=1e-9)


def busy(setting: Setting) -> Finding:
    """Check that the user is busy for the sum of the work."""
    jobs = in_turn(setting, "exponential")
    idle_s = np.maximum(0.0, jobs.arrivals_s[1:] - jobs.ends_s[:-1])
    busy_s = jobs.ends_s[-1] - jobs.arrivals_s[0] - math.fsum(idle_s)
    return equal(busy_s, math.fsum(jobs.work_s), rel=1e-9)


def sharing(setting: Setting) -> Finding:
    """Check that every end is that of equal shares."""
    jobs = shared(setting)
    done = np.isfinite(jobs.ends_s)
    expected_s = shared_ends(jobs.arrivals_s, jobs.work_s)
    return no_difference(jobs.ends_s[done], expected_s[done], tol=1e-9)


def number_shared(setting: Setting) -> Finding:
    """Check E[N] = rho / (1 - rho) of M/G/1 processor sharing."""
    jobs, load = shared(setting), 0.5
    horizon_s = 3000.0 * setting.size
    there_s = np.minimum(jobs.ends_s, horizon_s) - jobs.arrivals_s
    number = math.fsum(there_s) / horizon_s
    sigma = math.sqrt(2.0 * load * (1.0 + load) / (1.0 - load) ** 4 / horizon_s)
    return mean([number], load / (1.0 - load), sigma)


def refused(setting: Setting) -> Finding:
    """Check that five places and 3 Erlang refuse 0.110054 of the arrivals."""
    stay = {"users.arrivals": {"rate_per_s": 0.5, "stay_s": {"exponential": 6.0}}}
    idle = {"workload.rounds": {"mode": "poisson", "rate_per_s": 1e-9}}
    came = _turned_away(setting, 20_000.0, 5, stay | idle, "nearest")
    ends = np.arange(1.0, 6.0)
    return mean(came, stationary_law(3.0, ends)[-1], sigma_of_refusals(3.0, ends))


def lost(setting: Setting) -> Finding:
    """Check that M/M/1/5 at load 0.8 loses 0.088819 of its jobs."""
    work = {
        "users.arrivals": {"rate_per_s": 0.8, "rounds": 1},
        "workload.token_bits": {"exponential": 1e6},
        "service.sharing": "work_conserving",
        "reallocation.events": ["arrival"],
    }
    came = _turned_away(setting, 3_000.0, 5, work, "edge_only")
    ends = np.ones(5)
    return mean(came, stationary_law(0.8, ends)[-1], sigma_of_refusals(0.8, ends))


def _turned_away(
    setting: Setting, duration_s: float, places: int, changes: dict[str, Any], policy: str
) -> Floats:
    """Return 1 for each user who arrived and found all places taken, 0 for the others."""
    room = {"duration_s": duration_s * setting.size, "users.count": 0, "users.max_present": places}
    record = Simulation(scenario_of(room | changes), make_policy(policy), 2 + setting.seed).run()
    status = record.ledger["status"]
    return np.where(status[status != UserStatus.NOT_YET] == UserStatus.REFUSED, 1.0, 0.0)


_HERE = sys.modules[__name__]
LESS_WORK = other_scenario(
    "a tenth of the work forgotten", _HERE, {"workload.flops_per_param_and_token": 0.9}
)
MEAN_WORK = other_scenario("the mean size for every job", _HERE, {"workload.token_bits": 1e6})
RESERVED = other_scenario("shares reserved for others", _HERE, {"service.sharing": "reserved"})
MORE_PLACES = other_scenario("two places too many", _HERE, {"users.max_present": 7})
FEWER_PLACES = other_scenario("two places too few", _HERE, {"users.max_present": 3})
NO_WAITS = other_record("waits not recorded", _HERE, zeroed("rounds", "wait_s"))

CHECKS = (
    Check("Q1 M/M/1", "mean sojourn at load 0.5, s", sojourn("exponential"), LESS_WORK, bug_size=1),
    Check("Q2 M/D/1", "mean sojourn at load 0.5, s", sojourn("constant"), LESS_WORK),
    Check("Q3 M/G/1", "mean wait, two sizes of work, s", pollaczek_khinchine, MEAN_WORK, bug_size=0.5),
    Check("Q4 M/G/1-PS", "E[N] at load 0.5", number_shared, RESERVED, bug_size=1),
    Check("Q5 Erlang B", "refused with 5 places", refused, MORE_PLACES, bug_size=0.5),
    Check("Q5 M/M/1/5", "lost at load 0.8", lost, FEWER_PLACES, bug_size=1),
    Check("Q7 Lindley", "every start", lindley, LESS_WORK, bug_size=1),
    Check("Q7 Little", "integral of N, s", little, NO_WAITS, bug_size=0.05),
    Check("Q7 busy", "time busy, s", busy, LESS_WORK, bug_size=1),
    Check("Q7 sharing", "every end", sharing, RESERVED, bug_size=1),
)
