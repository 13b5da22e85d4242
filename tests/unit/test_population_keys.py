"""Keys of users who come and go, classes, batteries and events: what is refused, and in which words."""

import pytest

from mecsim.errors import ScenarioError
from mecsim.scenario.explain import explain
from mecsim.scenario.load import load_scenario
from mecsim.world.population import NO_LIMIT
from mecsim.world.world import World

SMOKE = load_scenario("smoke")
CROWD = {"from_s": 0, "to_s": 1, "users": 3, "at_m": [10, 10]}
OUTAGE = {"server": 1, "from_s": 1, "to_s": 2}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"users.count": 0},
            "users.count = 0: must be a whole number >= 1 and <= 100000, or 0 with users.arr",
        ),
        (
            {"users.arrivals": {"rate_per_s": 1e4}},
            "users.arrivals.rate_per_s = 10000.0: must bring at most 100000 users in the run",
        ),
        ({"users.arrivals": {"rate_per_s": 1, "hourly": [-1]}}, "hourly[0] = -1: must be a number >= 0"),
        (
            {"users.arrivals": {"rate_per_s": 1, "stay": 3}},
            "users.arrivals.stay = 3: unknown key; did you mean",
        ),
        ({"users.max_present": 3}, "users.max_present = 3: must be >= count = 4, the users who are there"),
        ({"users.classes": [{"name": "a"}]}, "users.classes[0].share: missing, must be a number >= 1e-06"),
        (
            {"users.classes": [{"name": "a", "share": 1}, {"name": "a", "share": 1}]},
            'users.classes[1].name = "a": there is a class of this name before it',
        ),
        ({"users.classes": [{"name": "a", "share": 1, "gpu": "A10"}]}, "no such card in the catalogue"),
        (
            {"calendar.outages": [OUTAGE | {"server": 2}]},
            "calendar.outages[0].server = 2: must be a server, 0 to 1",
        ),
        (
            {"calendar.outages": [OUTAGE | {"to_s": 1}]},
            "calendar.outages[0].to_s = 1: must be after from_s = 1",
        ),
        (
            {"calendar.brownouts": [{"from_s": 1, "to_s": 2, "gpu": 0}]},
            "brownouts[0].gpu = 0: must be a number >= 1e-06",
        ),
        (
            {"calendar.failures": {"mtbf_s": 1e-5, "mttr_s": 1e-5}},
            "calendar.failures.mtbf_s = 1e-05: must bring at most 100000 outages in the run",
        ),
        (
            {"calendar.flash_crowds": [CROWD | {"at_m": [500, 10]}]},
            "calendar.flash_crowds[0].at_m = [500, 10]: must lie in the area",
        ),
        (
            {"users.classes": [{"name": "a", "share": 1, "delay_weight": 0, "energy_weight": 0}]},
            "objective.energy_weight_per_j = 0.005: with delay_weight_per_s = 0.5 and the weights of use",
        ),
        (
            {
                "users.classes": [{"name": "a", "share": 1, "delay_weight": 0}],
                "objective.energy_weight_per_j": 0,
            },
            "nobody costs anything: a class must have a delay_weight or an energy_weight > 0 where",
        ),
        ({"calendar.on_outage": "migrat"}, "must be 'wait', 'migrate' or 'restart'; did you mean 'migrate'?"),
        (
            {"users.count": 0, "users.arrivals": {"rate_per_s": 1}, "users.epochs": []},
            "users.epochs = []: must be one value for all, as there are no users at the start",
        ),
    ],
)
def test_what_is_refused(changes, told):
    with pytest.raises(ScenarioError) as caught:
        SMOKE.with_changes(changes)
    assert told in str(caught.value)


def test_all_problems_are_told_at_once():
    with pytest.raises(ScenarioError) as caught:
        SMOKE.with_changes({
            "users.battery": {"capacity_j": -1}, "users.arrivals": {}, "calendar.on_outage": "x",
            "calendar.outages": [{"server": 0, "from_s": 3}],
        })  # fmt: skip
    assert len(caught.value.problems) == 4


def test_the_keys_of_tables_in_a_list_are_explained():
    text = explain("calendar.brownouts")
    assert "\n    from_s     When it begins [s] (required)" in text
    assert "\n    bandwidth  Share of the bandwidth that is left" in text
    assert "\n    share            How many users are of this kind" in explain("users.classes")
    assert "\n    " not in explain("servers.positions_m")


def test_a_trace_says_itself_who_comes():
    with pytest.raises(ScenarioError, match=r"users\.mobility\.model = .*a trace says who comes"):
        load_scenario("gpx-walk").with_changes({"users.arrivals": {"rate_per_s": 0.1}})


def test_newcomers_take_the_values_of_the_residents_in_turn_and_those_of_their_class_first():
    scenario = SMOKE.with_changes({
        "users.arrivals": {"rate_per_s": 0.5, "rounds": 7},
        "users.max_power_w": [0.1, 0.2, 0.3, 0.4],
        "users.classes": [
            {"name": "a", "share": 1},
            {"name": "b", "share": 1, "gpu_count": 2, "token_bits": 1e6, "battery": {"capacity_j": 50}},
        ],
    })  # fmt: skip
    world = World(scenario, 1)
    kind, devices = world.population.kind, world.workload.devices
    assert world.user_count > 15
    assert devices["max_power_w"].tolist() == [(0.1, 0.2, 0.3, 0.4)[n % 4] for n in range(world.user_count)]
    assert devices["gpu_count"].tolist() == [2.0 if own else 4.0 for own in kind]
    flops_per_param = world.workload.users(world.population.kind * 0).flops_per_param
    assert ((flops_per_param == 6 * 1e6 / 32) == (kind == 1)).all()
    assert (world.population.capacity_j == 50).tolist() == (kind == 1).tolist()
    assert set(world.population.round_limit[:4].tolist()) == {NO_LIMIT}
    assert set(world.population.round_limit[4:].tolist()) == {7}


def test_what_is_switched_off_is_told():
    off = SMOKE.switched_off()
    on = SMOKE.with_changes({
        "users.arrivals": {"rate_per_s": 0.1}, "users.battery": {"capacity_j": 1},
        "calendar.failures": {"mtbf_s": 10, "mttr_s": 1},
    }).switched_off()  # fmt: skip
    for word in ("users who come and go", "server outages", "battery"):
        assert any(line.startswith(word) for line in off)
        assert not any(line.startswith(word) for line in on)
