"""Users who come, do one round and leave, as queues (docs/verification.md Q4 and Q5).

All work is the one server's and is shared equally among those who are there: M/G/1 processor sharing,
whose mean number in the system is rho / (1 - rho) for any law of sizes. Users who only stay for a while,
with room for a few: Erlang's loss system. Bugs it would catch: a queue in place of sharing, a share that
stays with those who have left, one place too many or too few, refused users who take a place, sizes or
stays that depend on each other. Exponential sizes and stays are in `mecsim verify` (Q4, Q5, Q7).
"""

import math

import numpy as np
import pytest

from mecsim.engine.roster import UserStatus
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.testing.verification.reference_queues import shared_ends, sigma_of_refusals, stationary_law
from mecsim.world.world import World

RATE_PER_S, LOAD, DURATION_S = 0.5, 0.5, 2000.0
# Asymptotic variance of the time average of the number in an M/M/1 system, times the time (Q1).
SIGMA_L = math.sqrt(2.0 * LOAD * (1.0 + LOAD) / (1.0 - LOAD) ** 4 / DURATION_S)

QUEUE = {
    "duration_s": DURATION_S,
    "users.count": 0,
    "users.mobility": {"model": "static"},
    "users.arrivals": {"rate_per_s": RATE_PER_S, "rounds": 1},
    "servers.positions_m": [[250, 200]],
    "servers.gpu": {"peak_tflops": 1, "board_power_w": 100},
    "servers.gpu_count": 1,
    "servers.gpu_utilisation": 1,
    "workload.adapter_params": 1e6,
    "workload.flops_per_param_and_token": 1,
    "workload.bits_per_token_id": 1,
    "workload.bits_per_param": 0,
    "channel.shadowing.sigma_db": 0,
    "channel.fading": {"model": "none"},
    "service.sharing": "work_conserving",
    "reallocation.period_s": DURATION_S,
    "reallocation.events": ["arrival"],
    "record.positions_s": DURATION_S,
}


def one_after_another(arrivals_s, sizes_s):
    ends_s, free_s = np.empty(len(sizes_s)), 0.0
    for k, (arrival_s, size_s) in enumerate(zip(arrivals_s, sizes_s, strict=True)):
        free_s = ends_s[k] = max(free_s, arrival_s) + size_s
    return ends_s


@pytest.fixture(scope="module", params=["constant", "two sizes"])
def queue(request, make_scenario):
    """Return arrivals, sizes, sojourns of all who ended, by one law of sizes of mean 1 s."""
    sizes = {
        "constant": 1e6,
        "two sizes": {"choice": [0.25e6, 0.25e6, 0.25e6, 3.25e6]},
    }
    scenario = make_scenario(QUEUE | {"workload.token_bits": sizes[request.param]})
    world = World(scenario, 5)
    users = np.arange(world.user_count)
    sizes_s = np.prod(world.workload.work(users, np.zeros_like(users)), axis=0) / 1e12
    rounds = Simulation(scenario, make_policy("edge_only"), 5).run().rounds
    ends_s = np.full(len(users), np.inf)
    done = rounds["outcome"] == "finished"
    ends_s[rounds["user"][done]] = (rounds["start_s"] + rounds["delay_s"])[done]
    assert (rounds["wait_s"] == 0).all()
    return world.population.enters_s, sizes_s, ends_s


def test_every_sojourn_is_that_of_equal_shares(queue):
    arrivals_s, sizes_s, ends_s = queue
    done = np.isfinite(ends_s)
    assert done.sum() > 900
    expected_s = shared_ends(np.asarray(arrivals_s), np.asarray(sizes_s))
    np.testing.assert_allclose(ends_s[done], expected_s[done], rtol=1e-9)
    assert not np.allclose(ends_s[done], one_after_another(arrivals_s, sizes_s)[done], rtol=1e-3)
    no_departures = arrivals_s + sizes_s * np.arange(1, len(sizes_s) + 1)
    assert not np.allclose(ends_s[done], no_departures[done], rtol=1e-3)


def test_the_number_in_the_system_does_not_depend_on_the_law(queue, verdicts):
    """By Little its time average is the sum of the sojourns over the time."""
    arrivals_s, _, ends_s = queue
    sojourns_s = np.minimum(ends_s, DURATION_S) - arrivals_s
    verdicts.mean("L of M/G/1 PS", [sojourns_s.sum() / DURATION_S], LOAD / (1 - LOAD), SIGMA_L)


def test_a_queue_would_be_told_from_sharing(verdicts):
    """Mutant: first come first served has L = 0.75 for constant sizes; over a longer time, by hand."""
    rng = np.random.default_rng(3)
    arrivals_s = np.cumsum(rng.exponential(1 / RATE_PER_S, 20_000))
    sojourns_s = one_after_another(arrivals_s, np.ones(20_000)) - arrivals_s
    time_s = arrivals_s[-1]
    with verdicts.rejects("first come first served"):
        sigma = SIGMA_L * math.sqrt(DURATION_S / time_s)
        verdicts.mean("L", [sojourns_s.sum() / time_s], LOAD / (1 - LOAD), sigma)


def test_refused_users_are_erlangs_share_for_constant_stays(make_scenario, verdicts):
    scenario = make_scenario(QUEUE | {
        "duration_s": 20_000,
        "users.arrivals": {"rate_per_s": 0.5, "stay_s": 6.0},
        "users.max_present": 5,
        "workload.rounds": {"mode": "poisson", "rate_per_s": 1e-9},
        "reallocation.events": [],
        "reallocation.period_s": 1e5,
        "record.positions_s": 1e5,
    })  # fmt: skip
    assert stationary_law(3.0, np.arange(1.0, 6.0))[-1] == pytest.approx(0.110054, abs=1e-6)

    def check(places, duration_s=20_000):
        changes = {"users.max_present": places, "duration_s": duration_s}
        record = Simulation(scenario.with_changes(changes), make_policy("nearest"), 2).run()
        came = np.flatnonzero(record.ledger["status"] != UserStatus.NOT_YET)
        refused = record.ledger["status"][came] == UserStatus.REFUSED
        assert record.counts["refused"] == refused.sum()
        verdicts.mean("refused share", refused, 0.110054, sigma_of_refusals(3.0, np.arange(1.0, 6.0)))

    check(5)
    for places in (4, 6):
        with verdicts.rejects(f"{places} places"):
            check(places, 12_000)


def test_there_are_never_more_than_there_is_room_for(make_scenario):
    changes = {"duration_s": 2000, "users.arrivals": {"rate_per_s": 0.5, "stay_s": {"exponential": 10}}}
    scenario = make_scenario(QUEUE | changes | {"users.max_present": 3, "workload.token_bits": 1e6})
    record = Simulation(scenario, make_policy("edge_only"), 2).run()
    entered_s, left_s = record.ledger["entered_s"], record.ledger["left_s"]
    there = [((entered_s <= t) & (left_s > t)).sum() for t in entered_s[np.isfinite(entered_s)]]
    assert max(there) == 3
