"""Keys of the power of devices: what they mean, what is refused, and that old hashes stay."""

import numpy as np
import pytest

from mecsim.errors import ScenarioError
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.load import load_scenario
from mecsim.world.world import World

CARD = {"peak_tflops": 10.0, "board_power_w": 100.0, "idle_power_w": 20.0}
SERVER = {"peak_tflops": 20.0, "board_power_w": 400.0, "idle_power_w": 50.0}
PAPER = load_scenario("paper")
HASH = "c07ca17aeed3db9ecd3e6906fb71ddb1f353f99c4aaac56f70af5dd5aab8702b"


def with_keys(**changes):
    cards = {"users.gpu": CARD, "servers.gpu": SERVER}
    return PAPER.with_changes(cards | {name.replace("__", "."): value for name, value in changes.items()})


def problems(**changes):
    with pytest.raises(ScenarioError) as error:
        with_keys(**changes)
    return "\n".join(error.value.problems)


def test_hashes_of_scenarios_without_these_keys_stay():
    """Run ids are made of them. Mutant: a default that counts in the hash."""
    assert PAPER.sha256 == HASH
    said = {"users.gpu_power": "cubic", "servers.gpu_min": 0.0, "users.circuit_power_w": 0.0}
    assert PAPER.with_changes(said).sha256 == HASH


@pytest.mark.parametrize(
    "change",
    [
        {"users__gpu_power": "board"},
        {"servers__gpu_power": "shared"},
        {"users__gpu_min": 0.1},
        {"users__circuit_power_w": 0.1},
        {"servers__receive_power_w": 2.0},
        {"users__gpu": CARD | {"idle_power_w": 21.0}},
    ],
)
def test_every_key_counts_in_the_hash(change):
    assert with_keys(**change).sha256 != with_keys().sha256


def test_the_idle_power_of_a_card_in_the_catalogue_counts_where_it_is_drawn(monkeypatch):
    """Else two catalogues would give one hash and two results."""
    fast = {"fast": {"peak_tflops": 10.0, "board_power_w": 100.0, "idle_power_w": 20.0, "source": "made"}}
    other = {"fast": fast["fast"] | {"idle_power_w": 30.0}}
    found = []
    for catalogue in (fast, other):
        for module in ("catalogue", "gpu_catalogue"):
            monkeypatch.setattr(f"mecsim.scenario.{module}.catalogue", lambda name, known=catalogue: known)
        monkeypatch.setattr(
            "mecsim.scenario.gpu_catalogue.gpu_card", lambda name: GpuCard.model_validate(name)
        )
        for law in ("cubic", "board"):
            scenario = PAPER.with_changes(
                {"users.gpu": "fast", "servers.gpu": "fast", "users.gpu_power": law}
            )
            found.append((law, scenario.sha256))
    assert found[0] == found[2]
    assert found[1] != found[3]


def test_kappa_and_idle_power_follow_the_law():
    """S1: k F^3 and the idle power add up to the board power. Mutant: kappa of the peak."""
    board = World(with_keys(users__gpu_power="board", servers__gpu_power="shared"), 0)
    users, servers = board.workload.devices, board.servers
    assert users["kappa"] * users["max_gpu_flops"] ** 3 + 20.0 == pytest.approx(np.full(10, 100.0))
    assert servers.kappa * servers.max_gpu_flops**3 + 50.0 == pytest.approx(np.full(2, 400.0))
    assert board.population.idle_w == pytest.approx(np.full(10, 4 * 20.0))
    assert board.power.shares_gpu.all()
    cubic = World(PAPER, 0)
    assert (cubic.workload.devices["kappa"] == 180.0 / 8.873e12**3).all()
    assert not cubic.population.idle_w.any()
    assert cubic.power is None


def test_a_card_written_out_draws_its_idle_power_by_the_cubic_law_too():
    assert World(with_keys(), 0).population.idle_w == pytest.approx(np.full(10, 80.0))


def test_classes_have_laws_of_their_own():
    classes = [
        {"name": "fast", "share": 1, "gpu_power": "board", "gpu_min": 0.5, "circuit_power_w": 0.1},
        {"name": "slow", "share": 1, "gpu_count": 1, "receive_power_w": 0.2},
    ]
    world = World(with_keys(users__classes=classes, users__gpu_min=0.1), 0)
    first = world.population.kind == 0
    kappa, top = world.workload.devices["kappa"], world.workload.devices["max_gpu_flops"]
    assert kappa[first] == pytest.approx(80.0 / top[0] ** 3)
    assert kappa[~first] == pytest.approx(100.0 / 1e13**3)
    assert (world.power.users.min_gpu_flops / top) == pytest.approx(np.where(first, 0.5, 0.1))
    assert world.power.users.circuit_power_w == pytest.approx(np.where(first, 0.1, 0.0))
    assert world.power.users.receive_power_w == pytest.approx(np.where(first, 0.0, 0.2))


def test_what_is_refused_and_why():
    """All at once, each with its key."""
    told = problems(
        users__gpu_power="shared",
        servers__gpu_power="board",
        servers__gpu_min=0.2,
        servers__gpu={"peak_tflops": 1.0, "board_power_w": 10.0, "idle_power_w": 10.0},
        users__circuit_power_w=-1.0,
    )
    assert "users.gpu_power" in told
    assert "servers.gpu_power" in told
    assert "needs an idle_power_w below board_power_w; those of 'custom' are 10 and 10 W" in told
    assert "users.circuit_power_w" in told
    bare = {"peak_tflops": 1.0, "board_power_w": 10.0}
    assert "without idle_power_w" in problems(users__gpu=bare, users__gpu_power="board")
    assert "only with gpu_power = 'shared'" in problems(servers__gpu_min=0.2)


def test_a_class_whose_card_cannot_have_its_law_is_named():
    bare = {"peak_tflops": 1.0, "board_power_w": 10.0}
    told = problems(users__gpu_power="board", users__classes=[{"name": "a", "share": 1, "gpu": bare}])
    assert "users.classes[0].gpu" in told
    told = problems(users__gpu=bare, users__classes=[{"name": "a", "share": 1, "gpu_power": "board"}])
    assert "users.classes[0].gpu_power" in told


def test_lists_have_one_value_for_each():
    assert with_keys(servers__circuit_power_w=[1.0, 2.0]).servers.column("circuit_power_w") == [1.0, 2.0]
    assert "has 3 values" in problems(servers__receive_power_w=[1.0, 2.0, 3.0])


def test_a_written_scenario_is_read_back():
    scenario = with_keys(servers__gpu_power="shared", servers__gpu_min=0.1, users__gpu_min=0.2)
    again = type(scenario).from_toml(scenario.to_toml())
    assert again == scenario
    assert again.sha256 == scenario.sha256
