"""The scenario as others use it: attributes, columns, changes, equality, hash, text."""

import pickle
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError

from mecsim.errors import ScenarioError
from mecsim.scenario.load import load_scenario
from mecsim.scenario.schema import Scenario
from mecsim.scenario.workload import Continuous, Periodic, Poisson, Synchronous
from mecsim.world.mobility.static import Static
from mecsim.world.mobility.waypoint import RandomWaypoint

MINIMAL = """
schema = 1
name = "minimal"
duration_s = 100
[area]
size_m = [100, 50]
[servers]
positions_m = [[0, 0], [100, 50]]
bandwidth_mhz = [10, 20]
max_power_w = 10
gpu = ["A100-fp32", { peak_tflops = 2, board_power_w = 30 }]
gpu_count = 8
[users]
count = 3
mobility = { model = "static" }
max_power_w = [0.1, 0.2, 0.3]
gpu = "GTX1080-fp32"
gpu_count = 4
[workload]
adapter_params = 1e6
token_bits = { exponential = 20e6, per = "round" }
"""


@pytest.fixture(scope="module")
def minimal() -> Scenario:
    return Scenario.from_toml(MINIMAL)


def test_defaults_are_the_physical_ones(minimal):
    assert minimal.warmup_s == 0
    assert minimal.servers.gpu_utilisation == 0.55
    assert minimal.users.epochs == 1
    assert isinstance(minimal.workload.rounds, Continuous)
    assert minimal.workload.rounds.think_s == 0
    assert minimal.workload.bits_per_token_id == 32
    assert minimal.workload.flops_per_param_and_token == 6
    assert minimal.workload.bits_per_param == 32
    channel = minimal.channel
    assert (channel.carrier_ghz, channel.path_loss, channel.min_distance_m) == (2, "log_distance_128", 10)
    assert (channel.shadowing.sigma_db, channel.shadowing.decorrelation_m) == (8, 50)
    assert (channel.fading.model, channel.fading.block_s) == ("rayleigh", 0.01)
    assert (channel.noise_dbm_per_hz, channel.noise_figure_db) == (-174, 0)
    assert minimal.service.sharing == "reserved"
    assert (minimal.handover.mode, minimal.handover.latency_s, minimal.handover.backhaul_gbps) == (
        "migrate",
        0.05,
        1,
    )
    reallocation = minimal.reallocation
    assert (reallocation.period_s, reallocation.csi) == (5, "local_mean")
    assert (reallocation.decision_latency, reallocation.on_invalid) == ("none", "raise")
    objective = minimal.objective
    assert (objective.delay_weight_per_s, objective.energy_weight_per_j) == (0.5, 0.005)
    # A score is at most s1 ln(1 + 3 s2), which the defaults make 1000.
    assert objective.score_scale * np.log(1 + 3 * objective.score_slope) == pytest.approx(1000)
    assert minimal.record.positions_s == 10
    assert minimal.record.allocations is True


def test_columns_have_one_value_for_each(minimal):
    assert minimal.servers.count == 2
    assert minimal.servers.column("bandwidth_mhz") == [10, 20]
    assert minimal.servers.column("max_power_w") == [10, 10]
    assert minimal.users.column("max_power_w") == [0.1, 0.2, 0.3]
    assert minimal.users.column("gpu_count") == [4, 4, 4]
    assert all(isinstance(value, float) for value in minimal.users.column("gpu_count"))
    cards = minimal.servers.gpu_cards()
    assert [card.name for card in cards] == ["A100-fp32", "custom"]
    assert [(card.peak_tflops, card.board_power_w) for card in cards] == [(19.5, 400), (2, 30)]
    assert len(minimal.users.gpu_cards()) == 3


@pytest.mark.parametrize(
    ("rounds", "kind"),
    [
        ({"mode": "continuous", "think_s": 3}, Continuous),
        ({"mode": "synchronous"}, Synchronous),
        ({"mode": "poisson", "rate_per_s": 0.1}, Poisson),
        ({"mode": "periodic", "period_s": 60, "staggered": False}, Periodic),
    ],
)
def test_rounds_by_mode(minimal, rounds, kind):
    changed = minimal.with_changes({"workload.rounds": rounds}).workload.rounds
    assert isinstance(changed, kind)
    assert {name: getattr(changed, name) for name in rounds} == rounds


def test_mobility_by_model(minimal):
    assert isinstance(minimal.users.mobility, Static)
    moving = minimal.with_changes({"users.mobility": {"model": "random_waypoint", "speed_mps": [1, 15]}})
    assert isinstance(moving.users.mobility, RandomWaypoint)
    assert (moving.users.mobility.speed_mps, moving.users.mobility.pause_s) == ((1, 15), (0, 0))


def test_everything_is_frozen(minimal):
    with pytest.raises(ValidationError):
        minimal.duration_s = 3
    with pytest.raises(ValidationError):
        minimal.servers.bandwidth_mhz = 3
    assert isinstance(minimal.servers.positions_m, tuple)


def test_changes_are_made_to_a_copy_and_checked(minimal):
    changed = minimal.with_changes({"servers.bandwidth_mhz": 40, "channel.shadowing.sigma_db": 0})
    assert changed.servers.column("bandwidth_mhz") == [40, 40]
    assert changed.channel.shadowing.sigma_db == 0
    assert minimal.servers.column("bandwidth_mhz") == [10, 20]
    assert minimal.with_changes({}) == minimal
    with pytest.raises(ScenarioError) as caught:
        minimal.with_changes({"servers.bandwith_mhz": 40, "users.count": 0})
    assert len(caught.value.problems) == 2
    assert "servers.bandwith_mhz = 40: unknown key; did you mean 'bandwidth_mhz'?" in str(caught.value)
    with pytest.raises(ScenarioError, match=r"duration_s\.x: duration_s is not a table"):
        minimal.with_changes({"duration_s.x": 1})


def test_changes_take_numpy_numbers_and_arrays(minimal):
    changed = minimal.with_changes(
        {"servers.gpu_count": np.int64(3), "servers.bandwidth_mhz": np.array([1.5, 2.5])}
    )
    assert changed.servers.gpu_count == 3
    assert changed.servers.column("bandwidth_mhz") == [1.5, 2.5]
    assert minimal.with_changes({"users.max_power_w": [np.float64(1), 2, 3]}).users.max_power_w == (1, 2, 3)


def test_changes_leave_what_they_are_given_alone(minimal):
    """Mutant: a table among the changes is taken as it is, and the next change writes into it."""
    changes = {"workload.rounds": {"mode": "poisson"}, "workload.rounds.rate_per_s": 2}
    assert minimal.with_changes(changes).workload.rounds.rate_per_s == 2
    assert changes["workload.rounds"] == {"mode": "poisson"}


def test_a_changed_scenario_does_not_show_the_old_text(minimal):
    assert minimal.text == MINIMAL
    changed = minimal.with_changes({"duration_s": 200})
    assert Scenario.from_toml(changed.text) == changed


def test_round_trip(minimal):
    again = Scenario.from_toml(minimal.to_toml())
    assert again == minimal
    assert again.sha256 == minimal.sha256
    assert again.to_toml() == minimal.to_toml()


@pytest.mark.parametrize(
    "gpu",
    [
        "A100-fp32",
        ["A100-fp32", "T4-fp16"],
        {"peak_tflops": 1, "board_power_w": 2},
        {"name": "A100-fp32", "peak_tflops": 1, "board_power_w": 2},  # not the one of the catalogue
        {"name": "mine", "peak_tflops": 1, "board_power_w": 2, "source": "measured"},
    ],
)
def test_cards_round_trip(minimal, gpu):
    changed = minimal.with_changes({"servers.gpu": gpu})
    again = Scenario.from_toml(changed.to_toml())
    assert again.servers.gpu_cards() == changed.servers.gpu_cards()
    assert again.sha256 == changed.sha256
    assert ('gpu = "A100-fp32"' in changed.to_toml()) == (gpu == "A100-fp32")


def test_text_round_trips_whatever_the_description_holds(minimal):
    description = "quotes \" ' \\ and\nlines\tand \x7f \x01 é 漢 \U0001f600 # = [ ]"
    changed = minimal.with_changes({"description": description})
    assert Scenario.from_toml(changed.to_toml()).description == description


def test_pickle_keeps_values_and_text(minimal):
    again = pickle.loads(pickle.dumps(minimal))
    assert again == minimal
    assert again.text == minimal.text
    assert again.sha256 == minimal.sha256


def test_points_of_ready_made_tables_are_checked_too(minimal):
    """Mutant: tables that are models already go unchecked into another area."""
    tables = {"schema": 1, **dict(minimal)}
    del tables["schema_version"]
    assert Scenario(**tables) == minimal
    with pytest.raises(ValidationError):
        Scenario(**{**tables, "area": {"size_m": [10, 10]}})


@pytest.mark.parametrize(
    "edit",
    [
        ("duration_s = 100", "duration_s = 100.0"),
        ("duration_s = 100", "duration_s = 1e2  # a comment"),
        ("size_m = [100, 50]", "size_m = [\n  1_00,\n  5e+1,\n]"),
        ("[0, 0]", "[-0.0, 0.0]"),
        ("[servers]\n", "[servers]\ngpu_utilisation = 0.55\n"),
        ('name = "minimal"', "name = 'minimal'\ndescription = 'other'"),
        ('gpu = "GTX1080-fp32"', 'gpu = { peak_tflops = 8.873, board_power_w = 180, source = "me" }'),
    ],
)
def test_hash_does_not_depend_on_spelling(minimal, edit):
    """M1. Mutant: a hash of the text."""
    other = MINIMAL.replace(*edit)
    assert other != MINIMAL
    assert Scenario.from_toml(other).sha256 == minimal.sha256


def test_equal_scenarios_have_equal_python_hashes(minimal):
    other = Scenario.from_toml(MINIMAL.replace("[0, 0]", "[-0.0, 0]"))
    assert other == minimal
    assert hash(other) == hash(minimal)
    assert minimal != minimal.with_changes({"description": "x"})
    assert minimal != "minimal"


def test_hash_is_the_same_in_another_process(minimal):
    """Mutant: a hash that rests on Python's randomised `hash`."""
    code = (
        "import sys; from mecsim.scenario.schema import Scenario as S; print(S.from_toml(sys.argv[1]).sha256)"
    )
    told = subprocess.run([sys.executable, "-c", code, MINIMAL], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == minimal.sha256


def test_switched_off_names_every_effect():
    campus = load_scenario("campus")
    assert campus.switched_off() == [
        "surroundings that move: ambient_hz = 0",
        "highest rate of a modem: rate = 'shannon'",
        "interference between cells: model = 'none'",
        "receiver noise: noise_figure_db = 0",
        "board power of GPUs: gpu_power = 'cubic'",
        "radio electronics: circuit_power_w, receive_power_w = 0",
        "passes through the base model: model = 'adapter'",
        "memory of GPUs: no base_model",
        "age of channel knowledge: csi_delay_s = 0",
        "errors of channel knowledge: csi_error_db = 0",
        "decision time: decision_latency = 'none'",
        "users who come and go: no users.arrivals",
        "server outages: no calendar.outages, no calendar.failures",
        "battery: no users.battery",
    ]
    effects = {
        "channel.shadowing.sigma_db": (0, "shadowing"),
        "channel.fading.model": ("none", "fading"),
        "users.mobility": ({"model": "static"}, "mobility"),
        "workload.bits_per_param": (0, "transfer"),
        "handover.latency_s": (0, "handover"),
        "reallocation.csi": ("instantaneous", "csi"),
    }
    for key, (value, word) in effects.items():
        more = set(campus.with_changes({key: value}).switched_off()) - set(campus.switched_off())
        assert len(more) == 1, key
        assert word in more.pop()
    fewer = {
        "channel.noise_figure_db": (7, "receiver"),
        "channel.fading.ambient_hz": (3, "surroundings"),
        "reallocation.csi_delay_s": (0.1, "age"),
        "reallocation.csi_error_db": (3, "errors"),
        "reallocation.decision_latency": ("measured", "decision"),
        "channel.interference.model": ("full_buffer", "interference"),
        "channel.rate": ("nr-256qam", "modem"),
    }
    for key, (value, word) in fewer.items():
        less = set(campus.switched_off()) - set(campus.with_changes({key: value}).switched_off())
        assert len(less) == 1, key
        assert word in less.pop()


def test_import_is_light():
    """Mutant: NumPy or SciPy imported with the schema, which `mecsim validate` would wait for."""
    code = (
        "import sys; from mecsim.scenario.load import load_scenario; load_scenario('paper');"
        "print([name for name in ('scipy', 'pandas', 'matplotlib', 'simpy') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
