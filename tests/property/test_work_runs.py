"""P5 for the keys of work and memory: an accepted scenario runs with every policy, and keeps its work.

Bugs it would catch: a policy that fails where nothing fits or a charge is all there is; phi above its bound.
"""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy

POLICIES = ("rucaa", "gucaa", "nearest", "local_only", "edge_only", "aauco", "gucro", "dashf")

sizes = st.floats(1e3, 3e6)
bases = st.fixed_dictionaries({"params": sizes, "layers": st.integers(1, 8), "width": st.integers(2, 64)})
works = st.one_of(
    st.fixed_dictionaries({}, optional={"workload.share_data": st.booleans()}),
    st.fixed_dictionaries(
        {"workload.model": st.sampled_from(["adapter", "peft"]), "workload.base_model": bases},
        optional={"workload.share_data": st.booleans(), "workload.recompute": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"workload.model": st.just("split"), "workload.base_model": bases},
        optional={"workload.bits_per_activation": st.floats(16, 64)},
    ),
)
memory_gb = st.floats(1e-4, 0.1)
rest = st.fixed_dictionaries(
    {"users.gpu": memory_gb.map(lambda gb: {"peak_tflops": 9, "board_power_w": 180, "memory_gb": gb})},
    optional={
        "workload.precision": st.sampled_from(["fp32", "bf16", "int4"]),
        "workload.rounds": st.just({"mode": "poisson", "rate_per_s": 0.2}),
        "users.mobility": st.just({"model": "random_waypoint", "speed_mps": [2, 20]}),
        "users.classes": st.just([{"name": "one", "share": 1, "gpu_count": 1}, {"name": "two", "share": 1}]),
        "handover.mode": st.sampled_from(["migrate", "restart", "pin"]),
        "service.sharing": st.just("work_conserving"),
        "reallocation.csi": st.sampled_from(["instantaneous", "local_mean"]),
    },
)


@pytest.mark.parametrize("policy", POLICIES)
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(work=works, more=rest)
def test_every_accepted_work_runs(make_scenario, policy, work, more):
    if "workload.base_model" not in work:
        more = {name: value for name, value in more.items() if name != "workload.precision"}
    scenario = make_scenario({"duration_s": 20, "workload.token_bits": 5e6} | more | work)
    simulation = Simulation(scenario, make_policy(policy), 1)
    record = simulation.run()
    ledger, rounds = record.ledger, record.rounds
    done = ledger["work_served"] + ledger["work_left"] + ledger["work_dropped"]
    np.testing.assert_allclose(done, ledger["work_started"], rtol=1e-9, atol=1e-3)
    metered_j = ledger["user_meter_j"].sum() + ledger["server_meter_j"].sum()
    np.testing.assert_allclose(rounds["energy_j"].sum(), metered_j, rtol=1e-9)
    most = simulation.world.workload.users(np.zeros(3, dtype=np.int64)).local_fraction_max
    assert (rounds["local_fraction"] <= most[rounds["user"]] * (1 + 1e-6)).all()
