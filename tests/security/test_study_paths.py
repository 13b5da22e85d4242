"""A study file reads scenarios in its own folder and below, and shows nothing of other files."""

import pytest

from mecsim import load_scenario
from mecsim.errors import PolicyNotFound, ScenarioError, StudyError
from mecsim.registry import make_policy
from mecsim.study.spec import load_study

MINE = "root_x_0_0_private"
BEYOND = "must be in the study's folder or below it, or the name of a shipped scenario"
TRACE = "t_s,user_id,x_m,y_m\n" + "".join(f"{t},{u},{t},{t}\n" for u in "abcd" for t in range(100))


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder for a study with scenarios in it and below; beside it a scenario, a secret and a trace."""
    home = tmp_path / "home"
    (home / "below").mkdir(parents=True)
    for path in (home / "in.toml", home / "below" / "in.toml", tmp_path / "out.toml"):
        path.write_text(load_scenario("smoke").text)
    (tmp_path / "secret").write_text(f'{MINE} = "{MINE}\n')
    (tmp_path / "out.csv").write_text(TRACE)
    (home / "bad.toml").write_text(f'{MINE} = "{MINE}\n')
    (home / "link.toml").symlink_to(tmp_path / "out.toml")
    (home / "loop.toml").symlink_to("loop.toml")
    (home / "to").symlink_to("fro")
    (home / "fro").symlink_to("to")
    (home / "nowhere.toml").symlink_to("gone.toml")
    monkeypatch.chdir(tmp_path)
    return home


def written(desk, scenario, grid=""):
    path = desk / "s.toml"
    path.write_text(
        f'schema = 1\nname = "s"\nscenarios = ["{scenario}"]\npolicies = ["gucaa"]\nreplications = 1\n{grid}'
    )
    return path


@pytest.mark.parametrize("name", ["in.toml", "below/in.toml", "below/../in.toml", "smoke", "smoke.toml"])
def test_scenarios_in_the_folder_and_shipped_ones_are_read(desk, name):
    assert load_study(written(desk, name)).runs[0].scenario.name == "smoke"


def test_a_scenario_in_the_present_folder_does_not_stand_for_another(desk, tmp_path):
    """Mutant: a name is looked for in the folder where the command was given."""
    (tmp_path / "smoke").write_text("no scenario")
    assert load_study(written(desk, "smoke")).runs[0].scenario.name == "smoke"
    with pytest.raises(StudyError, match="no such file, nor a shipped scenario"):
        load_study(written(desk, "out.toml"))


@pytest.mark.parametrize(
    "name", ["../out.toml", "below/../../out.toml", "link.toml", "/etc/passwd", "../secret", "../gone.toml"]
)
def test_scenarios_beyond_it_are_refused(desk, name):
    """The message is the same whether the file exists. Mutants: only ``..``; links not followed."""
    with pytest.raises(StudyError) as caught:
        load_study(written(desk, name))
    assert str(caught.value).endswith(f"s.toml:3: {name}: {BEYOND}")


@pytest.mark.parametrize("file", ["/etc/passwd", "../../out.csv", "{out}"])
@pytest.mark.parametrize("scenario", ["smoke", "in.toml"])
def test_a_grid_names_no_file_beyond_the_scenario(desk, tmp_path, file, scenario):
    """Mutant: what a grid changes is taken for what the user changes."""
    named = file.replace("{out}", str(tmp_path / "out.csv"))
    grid = f'[grid]\n"users.mobility" = [{{ model = "trace", file = "{named}" }}]\n'
    with pytest.raises(StudyError, match="must be in the scenario's folder or below it"):
        load_study(written(desk, scenario, grid))
    user_asks = {"users.mobility": {"model": "trace", "file": str(tmp_path / "out.csv")}}
    swept = load_study(written(desk, scenario, '[grid]\n"servers.bandwidth_mhz" = [5, 10]\n'), user_asks)
    assert len(swept.runs) == 2


def test_a_scenario_that_is_none_is_not_quoted(desk):
    with pytest.raises(StudyError, match=r"bad\.toml:1: not valid TOML") as caught:
        load_study(written(desk, "bad.toml"))
    assert MINE not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["loop.toml", "to/x.toml", "nowhere.toml", "below", "a\\u0000b", "x" * 5000, "."]
)
def test_what_cannot_be_read_is_said(desk, name):
    """Mutant: a loop of links ends in a traceback of pathlib."""
    with pytest.raises(StudyError, match=r"s\.toml:3: .*(oop|levels|leads to no file|folder|null|too long)"):
        load_study(written(desk, name))


@pytest.mark.parametrize("name", ["loop.toml", "to/x.toml", "nowhere.toml"])
def test_links_that_lead_nowhere_are_named_everywhere(desk, name, monkeypatch):
    monkeypatch.chdir(desk)
    for load, kind in ((load_scenario, ScenarioError), (load_study, StudyError)):
        with pytest.raises(kind, match="symbolic link"):
            load(name)
    (desk / "loop.py").symlink_to("loop.py")
    with pytest.raises(PolicyNotFound, match=r"loop\.py' cannot be read: .*symbolic link"):
        make_policy("loop.py:X")
