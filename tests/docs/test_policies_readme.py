"""The page on policies: what it shows runs, and what it lists is there."""

import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mecsim.registry import GROUP, list_policies, make_policy

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "policies" / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
MECSIM = [sys.executable, "-c", "import sys; from mecsim.cli import main; sys.exit(main())"]


def blocks(kind):
    return [text for label, text in BLOCKS if label == kind]


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the page's policy and a snapshot, as a reader would have it."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "my_policy.py").write_text(blocks("python")[0], encoding="utf-8")
    shutil.copy(REPOSITORY / "tests" / "data" / "instances" / "n6m2.json", folder / "snapshot.json")
    return folder


def run(command, folder):
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    }
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
def test_a_command_runs(desk, command):
    program, *arguments = shlex.split(command)
    assert program == "mecsim"
    assert "NeedBased" in run([*MECSIM, *arguments], desk)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_piece_of_code_runs(desk, number):
    assert run([sys.executable, "-c", blocks("python")[number]], desk).strip()


def test_a_command_that_fails_would_be_noticed(desk):
    with pytest.raises(AssertionError, match="did you mean 'NeedBased'"):
        run([*MECSIM, "run", "smoke", "--policy", "my_policy.py:NeedBsed"], desk)


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
