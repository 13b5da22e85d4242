"""P5 for the laws of rates, power, work and memory, all drawn at once: every policy runs, and all is metered.

Bugs it would catch: a policy that goes below the lowest speed of a user or above the phi that fits its
memory, or that fails where nothing fits, where a charge is all there is or where a server's GPUs are shared
by nobody; a joule of electronics or of idle GPUs on no meter.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy

POLICIES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "dashf", "hysteresis")
POLICIES += ("water_filling", "best_response", "best_response:sharing=equal", "matching", "card:layers=5")

watts, least = st.floats(0.0, 5.0), st.floats(0.0, 0.95)
memory_gb = st.floats(-6, -2).map(lambda exponent: 10.0**exponent)
cards = memory_gb.map(
    lambda gb: {
        "users.gpu": {"peak_tflops": 8.873, "board_power_w": 180, "idle_power_w": 9, "memory_gb": gb},
        "servers.gpu": {"peak_tflops": 19.5, "board_power_w": 400, "idle_power_w": 54},
    }
)
power = st.fixed_dictionaries(
    {
        "users.gpu_power": st.sampled_from(["cubic", "board"]),
        "servers.gpu_power": st.sampled_from(["cubic", "board", "shared"]),
    },
    optional={
        "users.gpu_min": least,
        "servers.gpu_min": least,
        "users.circuit_power_w": watts,
        "users.receive_power_w": watts,
        "servers.circuit_power_w": watts,
        "servers.receive_power_w": watts,
    },
)
sizes = st.floats(1e3, 3e6)
bases = st.fixed_dictionaries({"params": sizes, "layers": st.integers(1, 8), "width": st.integers(2, 64)})
precisions = st.sampled_from(["fp32", "bf16", "int4"])
works = st.one_of(
    st.fixed_dictionaries({}, optional={"workload.share_data": st.booleans()}),
    st.fixed_dictionaries(
        {"workload.model": st.sampled_from(["adapter", "peft"]), "workload.base_model": bases},
        optional={
            "workload.share_data": st.booleans(),
            "workload.recompute": st.booleans(),
            "workload.precision": precisions,
        },
    ),
    st.fixed_dictionaries(
        {"workload.model": st.just("split"), "workload.base_model": bases},
        optional={"workload.bits_per_activation": st.floats(16, 64), "workload.precision": precisions},
    ),
)
world = st.fixed_dictionaries(
    {},
    optional={
        "channel.rate": st.sampled_from(
            ["nr-256qam", "lte-36942", {"up": {"gap_db": 3}, "down": {"cap_bps_hz": 1}}]
        ),
        "channel.fading.model": st.sampled_from(["none", "rayleigh", "ergodic"]),
        "workload.rounds": st.just({"mode": "poisson", "rate_per_s": 0.2}),
        "users.mobility": st.just({"model": "random_waypoint", "speed_mps": [2, 20]}),
        "users.classes": st.just([{"name": "one", "share": 1, "gpu_count": 1}, {"name": "two", "share": 1}]),
        "users.battery": st.just({"capacity_j": {"uniform": [50, 5000]}, "idle_w": 2}),
        "users.arrivals": st.just({"rate_per_s": 0.1, "stay_s": {"exponential": 20}}),
        "calendar.failures": st.just({"mtbf_s": 20, "mttr_s": 10}),
        "calendar.brownouts": st.just([{"server": 0, "from_s": 5, "to_s": 30, "gpu": 0.3, "bandwidth": 0.5}]),
        "handover.mode": st.sampled_from(["migrate", "restart", "pin"]),
        "service.sharing": st.just("work_conserving"),
        "reallocation.csi": st.sampled_from(["instantaneous", "local_mean"]),
    },
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(card=cards, law=power, work=works, more=world)
def test_every_accepted_scenario_runs(make_scenario, policy, card, law, work, more):
    if law["servers.gpu_power"] != "shared":
        law = {name: value for name, value in law.items() if name != "servers.gpu_min"}
    scenario = make_scenario(card | {"duration_s": 30, "workload.token_bits": 5e6} | law | work | more)
    simulation = Simulation(scenario, make_policy(policy), 1)
    record = simulation.run()
    ledger, rounds = record.ledger, record.rounds
    done = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(done, ledger["work_started"], rtol=1e-9, atol=1e-3)
    metered_j = ledger["user_meter_j"].sum() + ledger["server_meter_j"].sum()
    np.testing.assert_allclose(rounds["energy_j"].sum(), metered_j, rtol=1e-9)
    idle_j = ledger["idle_j"].sum() + ledger["server_idle_j"].sum()
    np.testing.assert_allclose(record.epochs["idle_j"].sum(), idle_j, rtol=1e-9)
    assert np.isfinite(rounds["energy_j"]).all()
    users = simulation.world.user_count
    most = simulation.world.workload.users(np.zeros(users, dtype=np.int64)).local_fraction_max
    assert (rounds["local_fraction"] <= most[rounds["user"]] * (1 + 1e-6)).all()
