"""P4: just inside each bound is accepted, just outside refused with value and bound in the message."""

import math

import numpy as np
import pytest
from mecsim_policies.optim.rules import equal_split

from mecsim.config.base import SMALLEST
from mecsim.config.keys import keys_of
from mecsim.config.toml_text import toml_value
from mecsim.errors import MecsimError, ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.system.derived import derived_problems
from mecsim.world.world import World

FLOOR = SMALLEST

# Key: lowest accepted, highest refused below it, highest accepted, lowest refused above it.
BOUNDS = {
    "duration_s": (1e-6, 5e-7, 1e9, 1.1e9),
    "warmup_s": (0, -1, 3599, 3600),
    "servers.layout.inter_site_m": (0.001, 0.0005, 1e6, 1000001),
    "servers.layout.rings": (0, -1, 17, 18),
    "servers.layout.count": (1, 0, 2, 1001),
    "servers.bandwidth_mhz": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "servers.max_power_w": (FLOOR, FLOOR / 2, 1e5, 100001),
    "servers.gpu.peak_tflops": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "servers.gpu.board_power_w": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "servers.gpu.idle_power_w": (0, -1, 1e6, 1000001),
    "servers.gpu.memory_gb": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "servers.gpu_min": (0, -1, 0.95, 0.96),
    "servers.circuit_power_w": (0, -1, 1e5, 100001),
    "servers.receive_power_w": (0, -1, 1e5, 100001),
    "servers.gpu_count": (1, 0, 1000000, 1000001),
    "servers.gpu_utilisation": (1e-06, 5e-07, 1, 1.01),
    "servers.epochs": (1, 0, 1000000, 1000001),
    "users.count": (1, 0, 100000, 100001),
    "users.arrivals.rate_per_s": (FLOOR, FLOOR / 2, 1e1, 10001),
    "users.arrivals.rounds": (1, 0, 1000000000, 1000000001),
    "users.arrivals.stay_s.constant": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "users.arrivals.stay_s.exponential": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "users.max_present": (20, 0, 100000, 100001),
    "users.battery.capacity_j.constant": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "users.battery.capacity_j.exponential": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "users.battery.idle_w": (0, -1, 1e6, 1000001),
    "users.mobility.memory": (0, -1, 1, 1.1),
    "users.mobility.mean_speed_mps": (0, -1, 400, 401),
    "users.mobility.sigma_mps": (0, -1, 100, 101),
    "users.mobility.step_s": (0.1, 0.09, 1e4, 10001),
    "users.mobility.street_spacing_m": (1, 0.9, 1e5, 100001),
    "users.mobility.groups": (1, 0, 100000, 100001),
    "users.mobility.radius_m": (0.1, 0.09, 1e5, 100001),
    "users.mobility.start_s": (0, -1, 1e9, 1.1e9),
    "users.mobility.largest_gap_s": (1e-06, 5e-07, 1e7, 1.1e7),
    "users.max_power_w": (FLOOR, FLOOR / 2, 1e5, 100001),
    "users.gpu.peak_tflops": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "users.gpu.board_power_w": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "users.gpu.idle_power_w": (0, -1, 1e6, 1000001),
    "users.gpu.memory_gb": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "users.gpu_min": (0, -1, 0.95, 0.96),
    "users.circuit_power_w": (0, -1, 1e5, 100001),
    "users.receive_power_w": (0, -1, 1e5, 100001),
    "users.gpu_count": (1, 0, 1000000, 1000001),
    "users.gpu_utilisation": (1e-06, 5e-07, 1, 1.01),
    "users.epochs": (1, 0, 1000000, 1000001),
    "calendar.failures.mtbf_s": (1, 0, 1e12, 1.1e12),
    "calendar.failures.mttr_s": (1, 0, 1e12, 1.1e12),
    "workload.base_model.params": (1, 0.5, 1e14, 1.1e14),
    "workload.base_model.layers": (1, 0, 100000, 100001),
    "workload.base_model.width": (1, 0, 10000000, 10000001),
    "workload.tokens_per_sequence": (1, 0, 10000000, 10000001),
    "workload.batch_size": (1, 0, 1000000, 1000001),
    "workload.bits_per_activation": (1, 0.5, 1e4, 10001),
    "workload.rounds.think_s": (0, -1, 1e7, 1.1e7),
    "workload.rounds.rate_per_s": (FLOOR, FLOOR / 2, 1e4, 10001),
    "workload.rounds.period_s": (1e-06, 5e-07, 1e9, 1.1e9),
    "workload.adapter_params.constant": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "workload.adapter_params.exponential": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "workload.token_bits.constant": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "workload.token_bits.exponential": (FLOOR, FLOOR / 2, 1e15, 1.1e15),
    "workload.bits_per_token_id": (FLOOR, FLOOR / 2, 1e4, 10001),
    "workload.flops_per_param_and_token": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "workload.bits_per_param": (0, -1, 1e4, 10001),
    "channel.trace.power_dbm": (-100, -101, 100, 101),
    "channel.trace.bandwidth_mhz": (1e-6, 5e-7, 1e6, 1000001),
    "channel.carrier_ghz": (0.1, 0.099, 100, 101),
    "channel.log_distance.exponent": (0.001, 0.0005, 10, 11),
    "channel.log_distance.intercept_db": (0, -1, 400, 401),
    "channel.log_distance.reference_m": (0.001, 0.0005, 1e5, 100001),
    "channel.line_of_sight.decorrelation_m": (0.001, 0.0005, 1e5, 100001),
    "channel.server_height_m": (1.5, 1.4, 300, 301),
    "channel.user_height_m": (1.5, 1.4, 300, 301),
    "channel.min_distance_m": (0.001, 0.0005, 1e4, 10001),
    "channel.shadowing.sigma_db": (0, -1, 40, 41),
    "channel.shadowing.nlos_sigma_db": (0, -1, 40, 41),
    "channel.shadowing.decorrelation_m": (0.001, 0.0005, 1e5, 100001),
    "channel.fading.k_db": (-60, -61, 60, 61),
    "channel.fading.ambient_hz": (0, -1, 1e4, 10001),
    "channel.fading.block_s": (1e-5, 0.9e-5, 100, 101),
    "channel.interference.reuse": (1, 0, 1000, 1001),
    "channel.interference.activity": (1e-06, 5e-07, 1, 1.01),
    "channel.noise_dbm_per_hz": (-250, -251, 0, 1),
    "channel.noise_figure_db": (0, -1, 50, 51),
    **{
        f"channel.rate.{way}{name}": bounds
        for way in ("", "up.", "down.")
        for name, bounds in {
            "efficiency": (0.05, 0.049, 1, 1.01),
            "gap_db": (0, -1, 30, 31),
            "cap_bps_hz": (0.1, 0.099, 40, 41),
            "overhead": (0, -0.1, 0.9, 0.91),
        }.items()
    },
    "handover.latency_s": (0, -1, 1e4, 10001),
    "handover.backhaul_gbps": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "reallocation.period_s": (1e-3, 0.9e-3, 1e9, 1.1e9),
    "reallocation.min_interval_s": (0, -1, 1e9, 1.1e9),
    "reallocation.csi_delay_s": (0, -1, 1e4, 10001),
    "reallocation.csi_error_db": (0, -1, 40, 41),
    "reallocation.csi_error_decorrelation_s": (FLOOR, FLOOR / 2, 1e9, 1.1e9),
    "reallocation.decision_latency": (FLOOR, FLOOR / 2, 1e4, 10001),
    "reallocation.decision_deadline_s": (FLOOR, FLOOR / 2, 1e9, 1.1e9),
    "objective.delay_weight_per_s": (0, -1, 1e9, 1.1e9),
    "objective.energy_weight_per_j": (0, -1, 1e9, 1.1e9),
    "objective.score_scale": (FLOOR, FLOOR / 2, 1e12, 1.1e12),
    "objective.score_slope": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "record.positions_s": (1e-3, 0.9e-3, 1e9, 1.1e9),
    "record.window_s": (1e-3, 0.9e-3, 1e9, 1.1e9),
    "users.energy_budget_w": (FLOOR, FLOOR / 2, 1e6, 1000001),
    "learning.floor": (0, -1, 0.5, 1.1e9),
    "learning.a": (FLOOR, FLOOR / 2, 1e300, 1.1e300),
    "learning.b": (1e-6, 5e-7, 10, 11),
    "learning.target": (1.8, FLOOR / 2, 1e9, 1.1e9),
}

# Bounds of both numbers of a pair, in the same order.
PAIRS = {
    "area.size_m": ([0.001, 1], [0.0005, 1], [1e6, 1e6], [1e6, 1000001]),
    "users.mobility.speed_mps": ([1e-6, 1], [5e-7, 1], [400, 400], [1, 401]),
    "users.mobility.pause_s": ([0, 0], [-1, 0], [1e7, 1e7], [0, 1.1e7]),
    "users.mobility.member_speed_mps": ([1e-6, 1], [5e-7, 1], [400, 400], [1, 401]),
    "users.mobility.member_pause_s": ([0, 0], [-1, 0], [1e7, 1e7], [0, 1.1e7]),
    "users.mobility.offset_m": ([-1e8, -1e8], [-1.1e8, 0], [1e8, 1e8], [0, 1.1e8]),
    "area.origin_deg": ([-89, -180], [-90, 0], [89, 180], [0, 181]),
    "servers.layout.offset_m": ([-100, -100], [-1.1e8, 0], [50, 50], [0, 1.1e8]),
    "servers.layout.origin_deg": ([-89, -180], [-90, 0], [89, 180], [0, 181]),
    "users.layout.offset_m": ([-100, -100], [-1.1e8, 0], [50, 50], [0, 1.1e8]),
    "users.layout.origin_deg": ([-89, -180], [-90, 0], [89, 180], [0, 181]),
    "users.mobility.origin_deg": ([-89, -180], [-90, 0], [89, 180], [0, 181]),
    "workload.token_bits.uniform": ([FLOOR, 1], [FLOOR / 2, 1], [1e15, 1e15], [1, 1.1e15]),
    "workload.adapter_params.uniform": ([FLOOR, 1], [FLOOR / 2, 1], [1e15, 1e15], [1, 1.1e15]),
}

_GAUSS_MARKOV = {"model": "gauss_markov", "memory": 0.5, "mean_speed_mps": 1, "sigma_mps": 1}
_WITH_A_MODEL = {
    "workload.base_model": {"params": 1e9, "layers": 4, "width": 64},
    "servers.gpu": {"peak_tflops": 1, "board_power_w": 1},
}
_MANHATTAN = {"model": "manhattan", "street_spacing_m": 9, "speed_mps": [1, 2]}
_GROUP = {"model": "group", "groups": 2, "radius_m": 9, "speed_mps": [1, 2], "member_speed_mps": [1, 2]}
_IN_GROUPS = {"area.size_m": [1e6, 1e6], "users.mobility": _GROUP}
_BY_TRACE = {"users.mobility": {"model": "trace", "file": "traces/park.gpx"}}
_IN_A_FILE = {"model": "file", "file": "traces/park-sites.csv"}
_MEASURED = {"file": "traces/campus-gains.csv", "columns": {"rsrp": "gain_db"}}
_RATIOS = _MEASURED | {"columns": {"snr": "gain_db"}, "power_dbm": 23.0}
_HEXAGON = {"model": "hexagonal", "inter_site_m": 1, "rings": 0}

# Tables that a key needs around it, where the scenario below has others.
SETTINGS = {
    **{
        f"servers.layout.{name}": {"servers.positions_m": None, "servers.layout": _IN_A_FILE}
        for name in ("count", "offset_m", "origin_deg")
    },
    "learning.": {"learning": {"floor": 0.1, "a": 10.0, "b": 0.3, "target": 2.0}},
    "users.layout.": {"users.layout": _IN_A_FILE, "users.count": 1, "users.mobility": {"model": "static"}},
    "servers.layout.": {"servers.positions_m": None, "servers.layout": _HEXAGON},
    **{
        f"users.mobility.{name}": {"users.mobility": _GAUSS_MARKOV}
        for name in ("memory", "mean_speed_mps", "sigma_mps", "step_s")
    },
    "users.mobility.street_spacing_m": {"area.size_m": [1e6, 1e6], "users.mobility": _MANHATTAN},
    **{f"users.mobility.{name}": _IN_GROUPS for name in ("groups", "radius_m", "member_")},
    **{
        f"users.mobility.{name}": _BY_TRACE for name in ("start_s", "largest_gap_s", "offset_m", "origin_deg")
    },
    "users.arrivals.stay_s.": {"users.arrivals": {"rate_per_s": 1, "stay_s": {}}},
    "users.arrivals.": {"users.arrivals": {"rate_per_s": 1}},
    "users.battery.capacity_j.": {"users.battery": {"capacity_j": {}}},
    "users.battery.": {"users.battery": {"capacity_j": 1000}},
    "calendar.failures.": {"calendar.failures": {"mtbf_s": 3600, "mttr_s": 60}},
    "servers.gpu_min": {
        "servers.gpu": {"peak_tflops": 1, "board_power_w": 1, "idle_power_w": 0},
        "servers.gpu_power": "shared",
    },
    "servers.gpu.": {"servers.gpu": {"peak_tflops": 1, "board_power_w": 1}},
    "users.gpu.": {"users.gpu": {"peak_tflops": 1, "board_power_w": 1}},
    "workload.base_model.": _WITH_A_MODEL,
    "workload.tokens_per_sequence": _WITH_A_MODEL,
    "workload.batch_size": _WITH_A_MODEL,
    "workload.bits_per_activation": _WITH_A_MODEL | {"workload.model": "split"},
    "users.mobility.": {"users.mobility": {"model": "random_waypoint", "speed_mps": [1, 2]}},
    "workload.rounds.rate_per_s": {"workload.rounds": {"mode": "poisson", "rate_per_s": 1}},
    "workload.rounds.period_s": {"duration_s": 60, "workload.rounds": {"mode": "periodic", "period_s": 1}},
    "duration_s": {
        "reallocation.period_s": 1e3,
        "channel.fading.block_s": 1,
        "record.positions_s": 1e3,
        "warmup_s": 0,
    },
    "workload.token_bits.": {"workload.token_bits": {}},
    "workload.adapter_params.": {"workload.adapter_params": {}},
    "channel.trace.power_dbm": {"channel.model": "trace", "channel.trace": _MEASURED},
    "channel.trace.bandwidth_mhz": {"channel.model": "trace", "channel.trace": _RATIOS},
    "channel.log_distance.": {"channel.path_loss": "log_distance"},
    "channel.line_of_sight.": {"channel.path_loss": "uma"},
    "channel.shadowing.nlos_sigma_db": {"channel.path_loss": "umi"},
    "channel.fading.k_db": {"channel.fading.model": "rician"},
    "channel.fading.ambient_hz": {"channel.fading.model": "rayleigh"},
    "channel.rate.up.": {"channel.rate": {"down": {"cap_bps_hz": 5}}},
    "channel.rate.down.": {"channel.rate": {"up": {"cap_bps_hz": 5}}},
    "channel.rate.cap_bps_hz": {"channel.rate": {}},
    "channel.rate.": {"channel.rate": {"cap_bps_hz": 5}},
    "channel.interference.": {"channel.interference.model": "full_buffer"},
}


@pytest.fixture(scope="module")
def paper() -> Scenario:
    everywhere = {"servers.positions_m": [[0, 0], [0, 0]]}  # inside any area
    return load_scenario("paper").with_changes(everywhere)


def changed(paper, key, value):
    """Return the scenario with a value at a key, or the message that refuses it."""
    settings = next((more for start, more in SETTINGS.items() if key.startswith(start)), {})
    try:
        return paper.with_changes({**settings, key: value})
    except ScenarioError as error:
        return str(error)


def holds(scenario, key):
    value = scenario
    for name in key.split("."):
        value = getattr(value, name)
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.parametrize("key", [*BOUNDS, *PAIRS])
def test_bounds(paper, key):
    inside_low, outside_low, inside_high, outside_high = (BOUNDS | PAIRS)[key]
    for inside in (inside_low, inside_high):
        accepted = changed(paper, key, inside)
        assert isinstance(accepted, Scenario), accepted
        assert holds(accepted, key) == inside
    for outside in (outside_low, outside_high):
        message = changed(paper, key, outside)
        assert isinstance(message, str), f"{outside} accepted"
        assert f"{key} = {toml_value(outside)}: must be" in message


@pytest.mark.parametrize("key", BOUNDS)
def test_messages_carry_the_bound(paper, key):
    _, outside_low, _, outside_high = BOUNDS[key]
    fragment = keys_of(Scenario).by_name[key].fragment
    fragment = fragment.get("oneOf", [fragment])[0]
    low = fragment.get("minimum", fragment.get("exclusiveMinimum"))
    high = 3600 if key == "warmup_s" else fragment["maximum"]
    assert f" {low:g}" in changed(paper, key, outside_low)
    assert f" {high:.15g}" in changed(paper, key, outside_high)


def test_every_number_is_in_the_table_above():
    """Mutant: a new key without bounds, or without a test of them."""
    numbers = set()
    for name, key in keys_of(Scenario).by_name.items():
        fragment = key.fragment.get("oneOf", [key.fragment])[0]
        if fragment.get("type") in ("number", "integer") and "const" not in fragment:
            assert {"minimum", "exclusiveMinimum"} & set(fragment), f"{name} has no lower bound"
            assert "maximum" in fragment, f"{name} has no upper bound"
            numbers.add(name)
    numbers -= {"workload.adapter_params", "workload.token_bits"}  # numbers or tables: `.constant` is here
    numbers -= {"users.arrivals.stay_s", "users.battery.capacity_j"}
    assert numbers == set(BOUNDS)


@pytest.mark.parametrize("key", BOUNDS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", [[1]], {"x": 1}, 10**400])
def test_no_key_takes_what_is_not_a_finite_number(paper, key, value):
    """Mutants: `True` passes for 1, `nan` passes comparisons, "1" is converted, a huge integer overflows."""
    message = changed(paper, key, value)
    assert isinstance(message, str), f"{key} = {value} accepted"
    assert "must be" in message
    assert key in message


@pytest.mark.parametrize("key", [*BOUNDS, *PAIRS])
def test_the_extremes_can_be_computed_with(paper, key):
    """Mutants: bounds of 5e-324, whose squares and inverses are 0 and infinite; overflow on the way."""
    few = paper.with_changes({"users.count": 2, "duration_s": 2, "warmup_s": 0})
    low, _, high, _ = (BOUNDS | PAIRS)[key]
    for value in (low, high):
        if key in ("users.count", "servers.layout.rings", "users.arrivals.rate_per_s") and value == high:
            continue  # large, not extreme
        scenario = changed(few, key, value)
        if isinstance(scenario, str):
            assert key in ("warmup_s", "users.max_present"), scenario
            continue
        try:
            with np.errstate(all="raise", under="ignore"):
                instance = World(scenario, 1).instance(0.0)
        except MecsimError as error:
            assert "park.gpx" in str(error)  # a trace that does not fit  # noqa: PT017
            continue
        assert derived_problems(instance) == []
        given = equal_split(instance, instance.gain.argmax(axis=1), 0.5)
        assert np.isfinite(instance.costs(given).delay_s).all()
        assert np.isfinite(instance.costs(given).energy_j).all()
        assert np.isfinite(instance.scr(given))


@pytest.mark.parametrize("key", [key for key, bounds in BOUNDS.items() if key.endswith(("count", "epochs"))])
def test_counts_are_whole(paper, key):
    for value in (1.5, 2.0):
        assert f"{key} = {value}: must be a whole number" in changed(paper, key, value)


@pytest.mark.parametrize("key", [*BOUNDS, *PAIRS])
def test_the_hash_covers_every_number(paper, key):
    """Mutant: a key that is left out of the hash, so that other scenarios pass for this one."""
    low, _, high, _ = (BOUNDS | PAIRS)[key]
    assert changed(paper, key, low).sha256 != changed(paper, key, high).sha256
