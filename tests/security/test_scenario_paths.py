"""A scenario file names files in its own folder and below; a person names any on the command line."""

import pytest

from mecsim import load_scenario
from mecsim.errors import ScenarioError

TRACE = "t_s,user_id,x_m,y_m\n" + "".join(f"{t},{u},{t},{t}\n" for u in "abcd" for t in range(100))


@pytest.fixture
def desk(tmp_path):
    """A folder for a scenario, with a trace in it, one below, one beside, and a link that leads out."""
    home = tmp_path / "home"
    (home / "below").mkdir(parents=True)
    for path in (home / "in.csv", home / "below" / "in.csv", tmp_path / "out.csv"):
        path.write_text(TRACE)
    (home / "link.csv").symlink_to(tmp_path / "out.csv")
    return home


def written(desk, file):
    text = load_scenario("smoke").text
    (line,) = [line for line in text.splitlines() if line.startswith("mobility")]
    path = desk / "s.toml"
    path.write_text(text.replace(line, f'mobility = {{ model = "trace", file = "{file}" }}'))
    return path


@pytest.mark.parametrize("file", ["in.csv", "below/in.csv", "below/../in.csv"])
def test_files_in_the_folder_are_read(desk, file):
    assert load_scenario(written(desk, file)).users.mobility.file == file


@pytest.mark.parametrize(
    "file", ["../out.csv", "below/../../out.csv", "link.csv", "/etc/hostname", "../no.csv"]
)
def test_files_beyond_it_are_refused(desk, file):
    """The message is the same whether the file exists: a scenario cannot ask what there is."""
    with pytest.raises(ScenarioError, match=r"must be in the scenario's folder or below it") as caught:
        load_scenario(written(desk, file))
    assert "s.toml:" in str(caught.value)


def test_a_person_may_name_any(desk):
    changes = {"users.mobility": {"model": "trace", "file": str(desk.parent / "out.csv")}}
    changed = load_scenario(written(desk, "in.csv")).with_changes(changes)
    assert changed.users.mobility.file.endswith("out.csv")
