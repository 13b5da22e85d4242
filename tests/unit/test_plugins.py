"""Models of one's own: registered, by --plugin and by entry points; known to all that reads a scenario."""

import json
import pickle
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import mecsim
from mecsim import Scenario, load_plugin, register_mobility, register_path_loss
from mecsim.cli import main
from mecsim.config.keys import keys_of
from mecsim.errors import PluginError, ScenarioError
from mecsim.scenario.explain import explain, json_schema
from mecsim.scenario.models import MOBILITY, PATH_LOSS, list_models, models
from mecsim.scenario.template import new_scenario_text
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import execute, finished
from mecsim.world.channel.model import PathLossModel
from mecsim.world.mobility.legs import standing
from mecsim.world.mobility.model import MobilityModel
from mecsim.world.world import World

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "extending.md"
FILES = dict(re.findall(r'^```python title="([\w.-]+)"\n(.*?)^```$', GUIDE.read_text("utf-8"), re.M | re.S))
WALK = {"model": "levy_walk", "speed_mps": 1.5}
TEXT = """
schema = 1
name = "own"
duration_s = 20
[area]
size_m = [500, 400]
[servers]
positions_m = [[120, 200], [380, 200]]
bandwidth_mhz = 10
max_power_w = 10
gpu = "A100-fp32"
gpu_count = 8
[users]
count = 3
max_power_w = 0.2
gpu = "GTX1080-fp32"
gpu_count = 4
mobility = { model = "levy_walk", speed_mps = 1.5 }
[workload]
adapter_params = 1e6
token_bits = 1e6
[channel]
path_loss = { model = "two_ray", reflection = -0.8 }
"""


@pytest.fixture
def files(tmp_path):
    """The two files of the guide, in a folder that is no place for imports."""
    for name in ("levy_walk.py", "two_ray.py"):
        (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    return tmp_path


@pytest.fixture
def loaded(files):
    """The folder of the two files, both loaded."""
    for name in ("levy_walk.py", "two_ray.py"):
        load_plugin(files / name)
    return files


def problems(text):
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_toml(text, "own.toml")
    return caught.value.problems


def test_the_files_of_the_guide_are_short():
    assert all(len(FILES[name].splitlines()) < 60 for name in ("levy_walk.py", "two_ray.py"))


def test_the_name_of_a_model_is_known_only_after_its_file(files):
    before = "\n".join(problems(TEXT))
    assert "users.mobility.model = \"levy_walk\": must be 'gauss_markov'" in before
    assert load_plugin(files / "levy_walk.py") == ["levy_walk"]
    load_plugin(files / "two_ray.py")
    scenario = Scenario.from_toml(TEXT)
    assert (scenario.users.mobility.exponent, scenario.channel.path_loss.reflection) == (1.6, -0.8)
    assert scenario.channel.heights_m == (10.0, 1.5)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "speed_mps = 1.5",
            "speed_mps = 0",
            "own.toml:18: users.mobility.speed_mps = 0: must be a number > 0",
        ),
        ("speed_mps", "sped_mps", "sped_mps = 1.5: unknown key; did you mean 'speed_mps'?"),
        ("levy_walk", "levy_wolk", "did you mean 'levy_walk'?"),
        (
            "reflection = -0.8",
            "reflection = 0.5",
            "own.toml:23: channel.path_loss.reflection = 0.5: must be a number >= -1 and <= 0",
        ),
        ("reflection", "reflexion", "unknown key; did you mean 'reflection'?"),
        ("two_ray", "tow_ray", "channel.path_loss.model = \"tow_ray\": must be 'two_ray'; did you mean"),
        (
            'path_loss = { model = "two_ray", reflection = -0.8 }',
            'path_loss = "two_rays"',
            "did you mean 'two_ray'",
        ),
        ('path_loss = { model = "two_ray", reflection = -0.8 }', "path_loss = 3", "path_loss = 3: must be"),
    ],
)
@pytest.mark.usefixtures("loaded")
def test_parameters_are_checked_like_built_in_ones(old, new, told):
    lines = problems(TEXT.replace(old, new))
    assert len(lines) == 1, lines
    assert told in lines[0], lines[0]


@pytest.mark.usefixtures("loaded")
def test_a_path_loss_by_its_name_is_the_one_with_default_parameters():
    """Mutant: two spellings of one scenario with two hashes."""
    table = 'path_loss = { model = "two_ray", reflection = -0.8 }'
    spelt = [
        Scenario.from_toml(TEXT.replace(table, text))
        for text in ('path_loss = "two_ray"', 'path_loss = { model = "two_ray" }', table.replace("0.8", "1"))
    ]
    assert len({scenario.sha256 for scenario in spelt}) == 1
    assert spelt[0].channel.path_loss == "two_ray"
    assert Scenario.from_toml(TEXT).sha256 != spelt[0].sha256


@pytest.mark.usefixtures("loaded")
def test_a_scenario_goes_round_through_its_own_file():
    scenario = Scenario.from_toml(TEXT)
    again = Scenario.from_toml(scenario.to_toml())
    assert again == scenario
    assert again.sha256 == scenario.sha256
    assert scenario.with_changes({"users.mobility.speed_mps": 3}).users.mobility.speed_mps == 3
    with pytest.raises(ScenarioError, match="exponent = 9: must be a number > 0 and <= 3"):
        scenario.with_changes({"users.mobility.exponent": 9})


@pytest.mark.usefixtures("loaded")
def test_the_world_moves_and_loses_by_the_models():
    world = World(Scenario.from_toml(TEXT).with_changes({"channel.shadowing.sigma_db": 0}), 3)
    users, times_s = np.arange(3)[:, None], np.linspace(0.0, 20.0, 50)
    place_m = world.position_m(users, times_s)
    expected = Scenario.from_toml(TEXT).users.mobility.legs(np.array([500.0, 400.0]), 3, 2, 20.0)
    assert np.array_equal(place_m[2, 0], expected.start_m[0])
    far_m = np.hypot(*(place_m[0, 0] - [120.0, 200.0]))
    link = mecsim.world.channel.model.LinkGeometry(np.array([far_m]), 2e9, (10.0, 1.5))
    loss_db = Scenario.from_toml(TEXT).channel.path_loss.loss_db(link)[0]
    assert world.mean_gain(np.array(0), np.array(0), np.array(0.0)) == pytest.approx(10 ** (-loss_db / 10))


@pytest.mark.usefixtures("loaded")
def test_two_rays_fall_with_the_fourth_power_far_away():
    """Far beyond the breakpoint the loss is 40 log10 d - 20 log10(h1 h2); mutant: one ray alone."""
    model = models(PATH_LOSS)["two_ray"]()
    link = mecsim.world.channel.model.LinkGeometry(np.array([1e4, 1e5]), 2e9, (10.0, 1.5))
    expected = 40.0 * np.log10(link.ground_m) - 20.0 * np.log10(15.0)
    assert model.loss_db(link) == pytest.approx(expected, abs=0.02)
    one_ray = type(model)(reflection=0.0).loss_db(link)
    assert one_ray[1] != pytest.approx(expected[1], abs=10.0)


@pytest.mark.usefixtures("loaded")
def test_levy_flights_have_their_law():
    """The share of flights above l is that of the truncated Pareto law; mutant: an exponent too large."""
    model = models(MOBILITY)["levy_walk"](speed_mps=1.0, exponent=1.2, flight_m=(1.0, 100.0))
    legs = model.legs(np.array([1e6, 1e6]), 1, 0, 60_000.0)
    length_m = np.diff(legs.start_s)
    for least_m in (2.0, 10.0, 50.0):
        share = (least_m**-1.2 - 100.0**-1.2) / (1.0 - 100.0**-1.2)
        sigma = np.sqrt(share * (1.0 - share) / len(length_m))
        assert abs((length_m > least_m).mean() - share) < 4.0 * sigma
        wrong = (least_m**-1.8 - 100.0**-1.8) / (1.0 - 100.0**-1.8)
        assert abs((length_m > least_m).mean() - wrong) > 4.0 * sigma


def test_explain_schema_template_and_keys_know_the_models(files):
    assert "users.mobility.exponent" not in keys_of(Scenario).by_name
    for name in ("levy_walk.py", "two_ray.py"):
        load_plugin(files / name)
    assert "only with: model = 'levy_walk'" in explain("users.mobility.exponent")
    assert "allowed:   a number >= -1 and <= 0" in explain("channel.path_loss.reflection")
    assert "'two_ray'" in explain("channel.path_loss")
    assert "'levy_walk'" in explain("users.mobility.model")
    text = json.dumps(json_schema())
    assert "LevyWalk" in text
    assert "TwoRay" in text
    assert "levy_walk" in new_scenario_text("mine")


def test_the_identity_of_a_run_has_the_file_of_its_models(files):
    """Mutants: the name of the model alone; a changed file that keeps the results of the old one."""
    load_plugin(files / "levy_walk.py")
    load_plugin(files / "two_ray.py")
    one = Scenario.from_toml(TEXT)
    versions = one.plugin_versions()
    assert set(versions) == {"mobility model levy_walk", "path loss two_ray"}
    assert all(version.startswith("sha256 ") for version in versions.values())
    path = files / "levy_walk.py"
    path.write_text(path.read_text("utf-8") + "# changed\n", encoding="utf-8")
    load_plugin(path)
    assert Scenario.from_toml(TEXT).sha256 != one.sha256
    assert Scenario.from_toml(TEXT).plugin_versions()["path loss two_ray"] == versions["path loss two_ray"]
    assert mecsim.load_scenario("campus").plugin_versions() == {}


def test_a_worker_gets_the_content_of_the_file(loaded):
    """Mutant: a path, which another machine does not have; or a class that only this process knows."""
    scenario = Scenario.from_toml(TEXT)
    content = pickle.dumps(scenario)
    for name in ("levy_walk.py", "two_ray.py"):
        (loaded / name).unlink()
    program = """
        import pickle, sys
        scenario = pickle.load(sys.stdin.buffer)
        changed = scenario.with_changes({"users.mobility.speed_mps": 1.5})
        from mecsim.world.world import World
        print(scenario.sha256, changed.sha256, World(scenario, 3).digest())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], input=content, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    expected = [scenario.sha256, scenario.sha256, World(scenario, 3).digest()]
    assert done.stdout.decode().split() == expected


def test_commands_take_plugin_files(files, capsys):
    (files / "own.toml").write_text(TEXT, encoding="utf-8")
    options = ["--plugin", str(files / "levy_walk.py"), "--plugin", str(files / "two_ray.py")]
    assert main(["validate", str(files / "own.toml")]) == 2
    assert "must be 'gauss_markov'" in capsys.readouterr().err
    assert main(["validate", str(files / "own.toml"), *options]) == 0
    out = str(files / "out")
    assert main(["run", str(files / "own.toml"), "--out", out, "-q", *options]) == 0
    manifest = json.loads((files / "out" / "manifest.json").read_text("utf-8"))
    assert set(manifest["plugins"]) == {"mobility model levy_walk", "path loss two_ray"}
    capsys.readouterr()
    assert main(["models", "--json", *options]) == 0
    listed = {(entry["kind"], entry["name"]): entry for entry in json.loads(capsys.readouterr().out)}
    assert listed["mobility model", "levy_walk"]["origin"].startswith("sha256 ")
    assert listed["path loss", "uma"]["origin"].startswith("mecsim ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_package", "cannot be imported: ModuleNotFoundError"),
        ("x = 1", "defines no model"),
        (
            "from mecsim import MobilityModel\nclass M(MobilityModel):\n    model: str = 'm'\n",
            "defines no model",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_reason(tmp_path, capsys, text, told):
    (tmp_path / "bad.py").write_text(text, encoding="utf-8")
    with pytest.raises(PluginError, match=told):
        load_plugin(tmp_path / "bad.py")
    assert main(["validate", "smoke", "--plugin", str(tmp_path / "bad.py")]) == 2
    assert told in capsys.readouterr().err
    assert main(["validate", "smoke", "--plugin", str(tmp_path / "none.py")]) == 2
    assert "does not exist" in capsys.readouterr().err


class Centre(MobilityModel):
    """Everybody stands in the middle."""

    model: Literal["centre"] = "centre"

    def legs(self, size_m, seed, user, until_s):
        return standing(size_m / 2.0)


class Constant(PathLossModel):
    """A loss of 100 dB."""

    model: Literal["constant"] = "constant"

    def loss_db(self, link):
        return np.full(link.ground_m.shape, 100.0)


def test_a_class_is_registered_in_python():
    register_mobility("centre", Centre)
    register_path_loss("constant", Constant)
    changes = {
        "users.mobility": {"model": "centre"},
        "channel.path_loss": "constant",
        "channel.shadowing.sigma_db": 0,
    }
    world = World(mecsim.load_scenario("smoke").with_changes(changes), 1)
    assert world.mean_gain(np.array(0), np.array(0), np.array(0.0)) == pytest.approx(1e-10)
    assert world.scenario.plugin_versions()["path loss constant"].startswith("sha256 ")


@pytest.mark.parametrize(
    ("register", "name", "model", "told"),
    [
        (register_mobility, "static", Centre, 'model: Literal["static"]'),
        (register_mobility, "middle", Centre, 'must say its name: model: Literal["middle"] = "middle"'),
        (register_mobility, "constant", Constant, "derived from the base class of every mobility model"),
        (register_path_loss, "centre", Centre, "derived from the base class of every path loss"),
        (register_mobility, "centre", Centre(), "must be a class"),
    ],
)
def test_what_cannot_be_registered_is_said(register, name, model, told):
    with pytest.raises(PluginError) as caught:
        register(name, model)
    assert told in str(caught.value)


def test_an_installed_name_is_not_taken_over():
    class Other(Centre):
        model: Literal["static"] = "static"  # type: ignore[assignment]

    with pytest.raises(PluginError, match="'static' is already provided by mecsim"):
        register_mobility("static", Other)


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """Install a foreign distribution with one good model and two broken ones."""
    folder = tmp_path / "site"
    info = folder / "somebodys_models-1.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-models\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(
        "[mecsim.mobility]\nlevy_walk = somebodys_models:LevyWalk\nlame = somebodys_models:Lame\n"
        "gone = somebodys_module_that_is_not_there:M\n"
    )
    lame = "\n\nclass Lame(MobilityModel):\n    model: Literal['lame'] = 'lame'\n"
    (folder / "somebodys_models.py").write_text(FILES["levy_walk.py"] + lame)
    monkeypatch.syspath_prepend(str(folder))
    yield
    sys.modules.pop("somebodys_models", None)


@pytest.mark.usefixtures("foreign")
def test_entry_points_are_found_and_broken_ones_listed_with_their_reason():
    entries = {entry.name: entry for entry in list_models(MOBILITY)}
    assert (entries["levy_walk"].origin, entries["levy_walk"].error) == ("somebodys-models 1.5", "")
    assert entries["lame"].error == "the method legs is missing"
    assert "No module named 'somebodys_module_that_is_not_there'" in entries["gone"].error
    smoke = mecsim.load_scenario("smoke")
    moving = smoke.with_changes({"users.mobility": WALK})
    assert moving.plugin_versions() == {"mobility model levy_walk": "somebodys-models 1.5"}
    assert pickle.loads(pickle.dumps(moving)) == moving
    with pytest.raises(ScenarioError, match=r"cannot be used: the method legs is missing"):
        smoke.with_changes({"users.mobility": {"model": "lame"}})


def test_a_scenario_names_no_file_and_no_module(files):
    for name in (
        str(files / "levy_walk.py"),
        f"{files / 'levy_walk.py'}:LevyWalk",
        "mecsim.world.mobility.static:Static",
    ):
        told = problems(TEXT.replace('"levy_walk", speed_mps = 1.5', f"'{name}'"))
        assert "users.mobility.model" in told[0]
        assert "must be 'gauss_markov'" in told[0]


def test_runs_with_code_of_unknown_version_are_run_again(tmp_path):
    """Mutant: results of a class typed at a prompt that stand for those of its changed successor."""
    space = {"__name__": "typed", "MobilityModel": MobilityModel, "standing": standing, "Literal": Literal}
    text = (
        "class Corner(MobilityModel):\n    model: Literal['corner'] = 'corner'\n"
        "    def legs(self, size_m, seed, user, until_s):\n        return standing(0.1 * size_m)\n"
    )
    exec(text, space)  # noqa: S102 - what a prompt does
    register_mobility("corner", space["Corner"])
    changes = {"users.mobility": {"model": "corner"}, "duration_s": 20}
    scenario = mecsim.load_scenario("smoke").with_changes(changes)
    assert scenario.plugin_versions() == {"mobility model corner": "unknown"}
    run = Run(scenario, PolicyChoice.of("nearest"), 1)
    execute(run, out=tmp_path / "run")
    assert finished(run, tmp_path / "run") is None
    known = Run(mecsim.load_scenario("smoke").with_changes({"duration_s": 20}), run.policy, 1)
    execute(known, out=tmp_path / "known")
    assert finished(known, tmp_path / "known") is not None
