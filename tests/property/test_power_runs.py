"""P5 for the power of devices: whatever is switched on, every policy runs, and the meters balance.

Bugs it would catch: a policy that goes below the lowest speed of a user, a solver that fails where a server's
GPUs are shared by nobody, a joule of electronics on no meter.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy

POLICIES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "dashf", "hysteresis")
CARDS = {
    "users.gpu": {"peak_tflops": 8.873, "board_power_w": 180, "idle_power_w": 9},
    "servers.gpu": {"peak_tflops": 19.5, "board_power_w": 400, "idle_power_w": 54},
}
watts = st.floats(0.0, 5.0)
keys = st.fixed_dictionaries(
    {
        "users.gpu_power": st.sampled_from(["cubic", "board"]),
        "servers.gpu_power": st.sampled_from(["cubic", "board", "shared"]),
    },
    optional={
        "users.gpu_min": st.floats(0.0, 0.95),
        "servers.gpu_min": st.floats(0.0, 0.95),
        "users.circuit_power_w": watts,
        "users.receive_power_w": watts,
        "servers.circuit_power_w": watts,
        "servers.receive_power_w": watts,
        "users.battery": st.just({"capacity_j": {"uniform": [50, 5000]}, "idle_w": 2}),
        "users.arrivals": st.just({"rate_per_s": 0.1, "stay_s": {"exponential": 20}}),
        "calendar.failures": st.just({"mtbf_s": 20, "mttr_s": 10}),
        "calendar.brownouts": st.just([{"server": 0, "from_s": 5, "to_s": 30, "gpu": 0.3, "bandwidth": 0.5}]),
        "handover.mode": st.sampled_from(["migrate", "restart", "pin"]),
        "service.sharing": st.just("work_conserving"),
        "users.mobility": st.just({"model": "random_waypoint", "speed_mps": [2, 20]}),
        "channel.fading.model": st.sampled_from(["none", "rayleigh", "ergodic"]),
    },
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(changes=keys)
def test_every_accepted_law_runs_with_every_policy(make_scenario, policy, changes):
    if changes["servers.gpu_power"] != "shared":
        changes = {name: value for name, value in changes.items() if name != "servers.gpu_min"}
    scenario = make_scenario(CARDS | {"duration_s": 40} | changes)
    record = Simulation(scenario, make_policy(policy), 1).run()
    ledger, rounds = record.ledger, record.rounds
    metered_j = ledger["user_meter_j"].sum() + ledger["server_meter_j"].sum()
    np.testing.assert_allclose(rounds["energy_j"].sum(), metered_j, rtol=1e-9)
    np.testing.assert_allclose(
        record.epochs["idle_j"].sum(), ledger["idle_j"].sum() + ledger["server_idle_j"].sum(), rtol=1e-9
    )
    assert np.isfinite(rounds["energy_j"]).all()
