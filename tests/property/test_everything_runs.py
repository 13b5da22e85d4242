"""P5: a scenario that is accepted runs, with every policy, whatever is switched on in it.

Each example is a minute of a few users with small rounds. Bugs it would catch: a policy or the engine
that fails on nobody, on a row of zero gains, on a server that is down, on users it has not seen before.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy

POLICIES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "dashf")
POLICIES += ("water_filling", "best_response", "matching", "card")

share = st.floats(0.1, 1.0)
times = st.tuples(st.floats(0, 50), st.floats(1, 40))


def interval(pair):
    return {"from_s": pair[0], "to_s": pair[0] + pair[1]}


outages = st.lists(st.tuples(times, st.integers(0, 1)), max_size=3).map(
    lambda found: [interval(pair) | {"server": server} for pair, server in found]
)
brownouts = st.lists(st.tuples(times, share, share), max_size=2).map(
    lambda found: [interval(pair) | {"bandwidth": b, "gpu": g} for pair, b, g in found]
)
crowds = st.lists(st.tuples(times, st.integers(1, 4), st.booleans()), max_size=1).map(
    lambda found: [
        interval(pair) | {"users": n, "at_m": [120, 200], "radius_m": 30} | ({"rounds": 1} if once else {})
        for pair, n, once in found
    ]
)
arrivals = st.fixed_dictionaries(
    {"rate_per_s": st.floats(0.01, 0.2)},
    optional={"stay_s": st.floats(1, 100), "rounds": st.integers(1, 3), "hourly": st.just([0.5, 1.0])},
)
classes = st.just([
    {"name": "one", "share": 1, "mobility": {"model": "static"}, "gpu_count": 1},
    {"name": "two", "share": 2, "battery": {"capacity_j": {"uniform": [50, 500]}, "idle_w": 5}},
])  # fmt: skip
numbers = st.fixed_dictionaries(
    {},
    optional={
        "efficiency": st.floats(0.05, 1),
        "gap_db": st.floats(0, 30),
        "cap_bps_hz": st.floats(0.1, 40),
        "overhead": st.floats(0, 0.9),
    },
)
rates = (
    st.sampled_from(["shannon", "nr-256qam", "lte-36942"])
    | numbers
    | st.fixed_dictionaries({"up": numbers, "down": numbers})
)
switches = st.fixed_dictionaries(
    {"workload.rounds": st.sampled_from([
        {"mode": "continuous", "think_s": 0.5}, {"mode": "synchronous"},
        {"mode": "poisson", "rate_per_s": 0.2}, {"mode": "periodic", "period_s": 7},
    ])},
    optional={
        "users.arrivals": arrivals,
        "users.max_present": st.integers(3, 6),
        "users.battery": st.fixed_dictionaries({"capacity_j": st.floats(10, 1e4)}),
        "users.classes": classes,
        "users.mobility": st.just({"model": "random_waypoint", "speed_mps": [2, 20]}),
        "calendar.outages": outages,
        "calendar.failures": st.just({"mtbf_s": 20, "mttr_s": 10}),
        "calendar.on_outage": st.sampled_from(["wait", "migrate", "restart"]),
        "calendar.brownouts": brownouts,
        "calendar.flash_crowds": crowds,
        "handover.mode": st.sampled_from(["migrate", "restart", "pin"]),
        "service.sharing": st.just("work_conserving"),
        "reallocation.events": st.lists(
            st.sampled_from(["round_start", "arrival", "departure", "outage"]), unique=True
        ),
        "reallocation.csi": st.sampled_from(["instantaneous", "local_mean", "effective"]),
        "reallocation.csi_error_db": st.floats(0, 6),
        "reallocation.csi_delay_s": st.floats(0, 3),
        "reallocation.decision_latency": st.floats(0.01, 8),
        "reallocation.decision_deadline_s": st.floats(0.5, 10),
        "channel.path_loss": st.sampled_from(["log_distance_128", "uma", "umi", "free_space"]),
        "channel.rate": rates,
        "channel.fading.model": st.sampled_from(["none", "rayleigh", "rician", "ergodic"]),
    },
)  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(changes=switches)
def test_every_accepted_scenario_runs(make_scenario, policy, changes):
    scenario = make_scenario({"duration_s": 60, "reallocation.min_interval_s": 1.0} | changes)
    record = Simulation(scenario, make_policy(policy), 1).run()
    ledger, rounds = record.ledger, record.rounds
    work = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(work, ledger["work_started"], rtol=1e-9, atol=1e-3)
    metered_j = ledger["user_meter_j"].sum() + ledger["server_meter_j"].sum()
    np.testing.assert_allclose(rounds["energy_j"].sum(), metered_j, rtol=1e-9)
    assert (rounds["start_s"] + rounds["delay_s"] <= 60 * (1 + 1e-9)).all()
