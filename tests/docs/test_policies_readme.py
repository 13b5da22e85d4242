"""The page on policies: what it shows runs, and what it lists is there."""

import inspect
import re
import shlex
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from mecsim.cli import main
from mecsim.registry import GROUP, list_policies, make_policy

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "policies" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


def blocks(kind):
    return [text for label, text in BLOCKS if label == kind]


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """The working folder of a reader: the page's policy, which can be imported, and a snapshot."""
    (tmp_path / "my_policy.py").write_text(blocks("python")[0], encoding="utf-8")
    shutil.copy(REPOSITORY / "tests" / "data" / "instances" / "n6m2.json", tmp_path / "snapshot.json")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("my_policy", None)


COMMANDS = [line.removeprefix("$ ") for text in blocks("console") for line in text.splitlines()]


def test_the_page_has_what_it_is_read_for():
    assert [label for label, _ in BLOCKS] == [
        "python",
        "console",
        "python",
        "python",
        "toml",
        "python",
        "python",
    ]
    assert len(COMMANDS) == 3
    assert len(PAGE.split()) < 1200, "no longer a page"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("desk", "without_pictures")
def test_a_command_runs(command, capsys):
    program, *arguments = shlex.split(command)
    assert program == "mecsim"
    assert main(arguments) == 0, capsys.readouterr().err
    assert "NeedBased" in capsys.readouterr().out


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.usefixtures("desk")
def test_a_piece_of_code_runs(number, capsys):
    exec(compile(blocks("python")[number], "policies/README.md", "exec"), {"__name__": "__main__"})  # noqa: S102 - our page
    assert capsys.readouterr().out.strip()


@pytest.mark.usefixtures("desk")
def test_a_command_that_fails_would_be_noticed(capsys):
    assert main(["run", "smoke", "--policy", "my_policy.py:NeedBsed"]) == 2
    assert "did you mean 'NeedBased'" in capsys.readouterr().err


def test_the_policy_of_the_page_is_feasible_and_better_than_an_equal_split(desk):
    from mecsim import Observation, load_instance

    instance = load_instance(desk / "snapshot.json")
    mine, nearest = (
        make_policy(spec).allocate(Observation.of(instance))
        for spec in (f"{desk / 'my_policy.py'}:NeedBased", "nearest")
    )
    assert mine.violations(instance) == ()
    assert instance.delay(mine).max() < instance.delay(nearest).max()


def test_the_entry_point_is_of_the_group_that_is_read():
    (table,) = blocks("toml")
    ((group, points),) = tomllib.loads(table)["project"]["entry-points"].items()
    assert group == GROUP
    ((name, target),) = points.items()
    assert target.endswith(":NeedBased")
    assert f"--policy {name}" in PAGE


def test_the_table_lists_every_shipped_policy_with_its_parameters():
    listed = dict(re.findall(r"^\| `([\w-]+)` \| (?:`(.*?)`)? ?\| .* \|$", PAGE, flags=re.MULTILINE))
    shipped = [entry.name for entry in list_policies() if entry.target.startswith("mecsim_policies")]
    assert sorted(listed) == sorted(shipped)
    for name, parameters in listed.items():
        accepted = inspect.signature(type(make_policy(name))).parameters.values()
        assert parameters == ", ".join(f"{p.name}={p.default}" for p in accepted), name


def test_every_field_the_page_names_exists():
    from mecsim import Observation, load_instance

    instance = load_instance(REPOSITORY / "tests" / "data" / "instances" / "n6m2.json")
    seen = Observation.of(instance)
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| [^`|].*\|$", PAGE, flags=re.MULTILINE)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert set(named) == {name for name in dir(seen) if not name.startswith("_")} - {"of"}
    for group, text in re.findall(r"`instance\.(users|servers)`\s+has `([^`]+)`", PAGE):
        assert all(hasattr(getattr(instance, group), name) for name in text.split()), group
