"""With every effect of the world and of the decider switched on: docs/verification.md D1, D2, D6 and K7.

Bugs they would catch: a set of users walked in order of hashes as they come and go, a stream of an
outage or of an error drawn in order of use, a record that changes what it records, a policy's
computing time that leaks into the simulated clock.
"""

import json
import os
import subprocess
import sys
import time

import pandas as pd
import pytest

import mecsim
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.results.derive import all_tables
from mecsim.scenario.load import load_scenario
from mecsim.world.world import World

CHANGES = {
    "duration_s": 60,
    "warmup_s": 0,
    "area.size_m": [800, 800],
    "servers.positions_m": [[200, 400], [600, 400], [400, 700]],
    "users.count": 5,
    "users.mobility": {"model": "gauss_markov", "memory": 0.8, "mean_speed_mps": 8, "sigma_mps": 3},
    "users.arrivals": {"rate_per_s": 0.1, "stay_s": {"exponential": 40}, "hourly": [1.0, 0.5]},
    "users.max_present": 12,
    "users.battery": {"capacity_j": 45, "idle_w": 1},
    "users.classes": [
        {"name": "phone", "share": 2, "gpu_count": 1},
        {"name": "car", "share": 1, "gpu_count": 4, "max_power_w": 0.4},
    ],
    "calendar.failures": {"mtbf_s": 60, "mttr_s": 8},
    "calendar.on_outage": "restart",
    "calendar.brownouts": [{"from_s": 20, "to_s": 50, "server": 1, "bandwidth": 0.4, "gpu": 0.7}],
    "calendar.flash_crowds": [
        {"from_s": 30, "to_s": 40, "users": 4, "at_m": [400, 400], "radius_m": 60, "stay_s": 30}
    ],
    "channel.path_loss": "uma",
    "channel.carrier_ghz": 3.5,
    "channel.fading": {"model": "rician", "k_db": 6, "ambient_hz": 2},
    "channel.interference": {"model": "full_buffer", "reuse": 3, "activity": 0.5},
    "channel.rate": "nr-256qam",
    "handover.mode": "restart",
    "reallocation.csi": "effective",
    "reallocation.csi_delay_s": 0.5,
    "reallocation.csi_error_db": 3,
    "reallocation.decision_latency": 0.2,
    "reallocation.decision_deadline_s": 1.0,
    "reallocation.events": ["arrival", "departure", "outage"],
    "reallocation.min_interval_s": 1.0,
}


@pytest.fixture(scope="module")
def everything():
    return load_scenario("smoke").with_changes(CHANGES)


@pytest.fixture(scope="module")
def here(everything, request):
    """Return the digests of world and record in this process, and the record."""
    record = Simulation(everything, make_policy("dashf_plus"), 1).run()
    return World(everything, 1).digest(), record


def test_it_is_all_on(everything, here):
    """A scenario in which something never happens would prove nothing of it."""
    _, record = here
    outcomes = set(record.rounds["outcome"].tolist())
    assert {"finished", "dropped"} <= outcomes
    assert record.rounds["handovers"].sum() > 0
    assert record.rounds["restarts"].sum() > 0
    assert record.rounds["stall_s"].sum() > 0
    assert {"arrival", "departure", "outage"} <= set(record.epochs["cause"].tolist())
    assert record.counts["arrived"] > 5
    assert record.counts["out_of_energy"] > 0


PROCESS = """
import importlib.util, sys
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.scenario.schema import Scenario
from mecsim.world.world import World
spec = importlib.util.spec_from_file_location("shared", sys.argv[1])
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)
scenario = Scenario.from_toml(sys.stdin.read())
print(World(scenario, 1).digest())
print(shared.record_digest(Simulation(scenario, make_policy("dashf_plus"), 1).run()))
"""


def test_the_same_bits_in_another_process(everything, here, digest, request):
    """Hashes of strings have other seeds there than here, whatever the seed here is."""
    hash_seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    shared = str(request.config.rootpath / "tests" / "conftest.py")
    done = subprocess.run(
        [sys.executable, "-c", PROCESS, shared],
        input=everything.to_toml(), capture_output=True, text=True, check=True, timeout=120,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
    )  # fmt: skip
    assert done.stdout.split() == [here[0], digest(here[1])]


def test_the_same_tables_with_one_worker_and_two(everything, tmp_path):
    """D2; the measured CPU time of decisions apart."""
    tables = []
    for jobs in (1, 2):
        out = tmp_path / str(jobs)
        mecsim.compare(everything, policies=["aauco", "gucaa"], replications=2, jobs=jobs, out=out)
        files = sorted(out.rglob("rounds.parquet")) + sorted(out.rglob("epochs.parquet"))
        frames = [pd.read_parquet(file).drop(columns="decision_cpu_s", errors="ignore") for file in files]
        tables.append([json.dumps(frame.to_dict("list"), default=str) for frame in frames])
    assert len(tables[0]) == 8
    assert tables[0] == tables[1]


def test_what_is_recorded_changes_nothing(everything, here):
    """D6."""
    finer = everything.with_changes({"record.positions_s": 0.5})
    often = Simulation(finer, make_policy("dashf_plus"), 1).run()
    for name, column in here[1].rounds.items():
        assert (often.rounds[name] == column).all(), name
    samples = [
        len(all_tables(record, World(scenario, 1))["positions"]["time_s"])
        for record, scenario in ((often, finer), (here[1], everything))
    ]
    assert samples[0] > samples[1]


class Slow:
    """A policy that burns CPU time before it answers."""

    def __init__(self):
        self.policy = make_policy("gucaa")

    def allocate(self, observation):
        until = time.process_time() + 0.01
        while time.process_time() < until:
            pass
        return self.policy.allocate(observation)


def test_computing_time_moves_the_clock_only_if_the_scenario_says_so(everything):
    """K7; with ``measured`` latency it must."""
    quick, slow = (Simulation(everything, policy, 1).run() for policy in (make_policy("gucaa"), Slow()))
    for name, column in quick.rounds.items():
        assert (slow.rounds[name] == column).all(), name
    measured = everything.with_changes({"reallocation.decision_latency": "measured"})
    in_force = Simulation(measured, Slow(), 1).run().epochs
    later = in_force["in_force_s"][1:] - in_force["time_s"][1:]
    assert later.min() >= 0.01
