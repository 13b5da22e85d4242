"""The same scenario in other words (docs/verification.md M1)."""

from mecsim.engine.simulation import Simulation
from mecsim.scenario.schema import Scenario


def test_units_and_spelling_do_not_matter(random_policy, digest):
    """M1: numbers, lists, tables and cards may be written in several ways."""
    plain = Scenario.from_toml(SPELLED_PLAINLY)
    runs = [
        digest(Simulation(scenario, random_policy(1), 1).run())
        for scenario in (plain, Scenario.from_toml(SPELLED_OTHERWISE), Scenario.from_toml(plain.to_toml()))
    ]
    assert runs[0] == runs[1] == runs[2]
    for wrong in ({"servers.bandwidth_mhz": 10.0000001}, {"users.max_power_w": [0.2, 0.2, 0.2000001]}):
        assert digest(Simulation(plain.with_changes(wrong), random_policy(1), 1).run()) != runs[0]


def test_the_same_numbers_have_the_same_hash_whatever_the_spelling():
    plain, other = Scenario.from_toml(SPELLED_PLAINLY), Scenario.from_toml(SPELLED_IN_ANOTHER_ORDER)
    assert plain.sha256 == other.sha256
    assert plain.with_changes({"servers.bandwidth_mhz": 10.0000001}).sha256 != plain.sha256


SPELLED_PLAINLY = """
schema = 1
name = "spelling"
duration_s = 20
[area]
size_m = [400, 200]
[servers]
positions_m = [[100, 100], [300, 100]]
bandwidth_mhz = 10
max_power_w = 10
gpu = "A100-fp32"
gpu_count = 8
[users]
count = 3
mobility = { model = "random_waypoint", speed_mps = [5, 15], pause_s = [0, 2] }
max_power_w = 0.2
gpu = "GTX1080-fp32"
gpu_count = 4
[workload]
rounds = { mode = "continuous" }
adapter_params = 1.2e6
token_bits = { uniform = [1e6, 5e6] }
"""

SPELLED_IN_ANOTHER_ORDER = """
name = "spelling"  # the name first
schema = 1
duration_s = 2e1
description = "told in other words"
workload.token_bits = { per = "user", uniform = [1_000_000, 5_000_000.0] }
workload.adapter_params = 1_200_000
channel.noise_dbm_per_hz = -174.0
[servers]
gpu_count = 8
gpu = { peak_tflops = 19.5, board_power_w = 400 }
max_power_w = 1e1
bandwidth_mhz = 10.0
positions_m = [[100.0, 1e2], [300, 100]]
[users]
count = 3
gpu_count = 4
max_power_w = 20e-2
gpu = { peak_tflops = 8.873, board_power_w = 180, name = "mine" }
mobility = { pause_s = [0.0, 2], speed_mps = [5.0, 15.0], model = "random_waypoint" }
[area]
size_m = [4e2, 200]
[channel.fading]
block_s = 1e-2
"""

SPELLED_OTHERWISE = (
    SPELLED_IN_ANOTHER_ORDER.replace("bandwidth_mhz = 10.0", "bandwidth_mhz = [10, 1e1]")
    .replace("gpu_count = 8", "gpu_count = [8, 8]")
    .replace("max_power_w = 20e-2", "max_power_w = [0.2, 0.20, 2e-1]")
)
