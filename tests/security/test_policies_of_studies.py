"""A study file names policies, and a policy is code: what it may name, and when it is looked at.

Bug it would catch: a study of somebody else that runs a file lying beside it, or a module, for being read.
"""

import importlib
import sys
from pathlib import Path

import pytest
from mecsim_policies.baselines import Nearest

from mecsim import load_scenario, plugins
from mecsim.cli import main
from mecsim.errors import StudyError
from mecsim.study.spec import load_study
from mecsim.study.sweep import sweep

STUDY = """schema = 1
name = "theirs"
scenarios = ["smoke"]
policies = ["gucaa", {policy}]
replications = 1
"""
CODE = """
from pathlib import Path
from mecsim_policies.baselines import Gucaa

Path("imported").touch()

class Mine(Gucaa):
    pass
"""
NAMED = {
    "a text": '"mine.py:Mine"',
    "with parameters": '"mine.py:Mine:local_fraction=0.3"',
    "a table": '{ name = "mine.py:Mine", label = "gucaa-2" }',
    "from the root": '"{here}/mine.py:Mine"',
    "within another": "\"hysteresis:policy='mine.py:Mine'\"",
    "a key of another": '{ name = "hysteresis", policy = "mine.py:Mine" }',
    "two deep": '{ name = "hysteresis", policy = "hysteresis:policy=mine.py:Mine" }',
}


@pytest.fixture(autouse=True)
def _desk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(CODE)
    load_scenario("smoke")  # the models of scenarios are imported, as they are in any study


def written(policy):
    path = Path("theirs.toml")
    path.write_text(STUDY.replace("{policy}", policy.replace("{here}", str(Path.cwd()))))
    return path


@pytest.mark.parametrize("how", NAMED)
def test_a_file_of_code_is_not_looked_at_unless_it_is_allowed(how):
    """Mutants: the check after the import; only the outermost policy checked; only texts checked."""
    path = written(NAMED[how])
    with pytest.raises(StudyError) as caught:
        load_study(path)
    (problem,) = caught.value.problems
    assert problem.startswith("theirs.toml:4: policy '")
    assert "mine.py:Mine is code" in problem
    assert "--allow-local-policies" in problem
    assert not Path("imported").exists()
    assert len(load_study(path, allow_local_policies=True).runs) == 2
    assert Path("imported").exists()


MODULES = [
    *(
        '"antigravity:fly"',
        '"this:s"',
        '"unittest.__main__:X"',
        '"./mine:Mine"',
        '"mine:Mine"',
        '"os:mkdir:path=made"',
    ),
    '"mecsim_policies.baselines:Gucaa"',
    '{ name = "this:s" }',
    '{ name = "this:s", label = "gucaa" }',
    '{ name = "os:mkdir", path = "made" }',
    "\"hysteresis:policy='this:s'\"",
    '"hysteresis:policy=this:s"',
    "\"hysteresis:policy=(hysteresis:policy='this:s:a=1')\"",
    '{ name = "hysteresis", policy = "this:s" }',
    '{ name = "hysteresis", policy = " this:s" }',
    '{ name = "hysteresis", policy = { name = "this:s" } }',
    '{ name = "hysteresis", policy = { name = "hysteresis", policy = "this:s" } }',
    '{ name = "hysteresis", margin = ["this:s"] }',
    '{ name = "hysteresis", other = [[{ first = "hysteresis:policy=\'this:s\'" }]] }',
    '{ name = "gucaa", local_fraction = "this: s" }',
]


@pytest.mark.parametrize("policy", MODULES)
def test_a_module_is_not_imported_unless_it_is_allowed(policy, monkeypatch):
    """Mutants: only files are refused; only the parameter policy is looked at; gucaa is made first."""
    path = written(policy)
    monkeypatch.setattr(importlib, "import_module", None)  # what the registry imports with
    for name in ("this", "antigravity", "unittest.__main__"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(StudyError, match="is code, and a study runs only registered policies"):
        load_study(path)
    assert not {"this", "antigravity", "unittest.__main__"} & set(sys.modules)
    assert sorted(file.name for file in Path().iterdir()) == ["mine.py", "theirs.toml"]


def test_no_registered_policy_is_imported_before_another_one_is_refused(monkeypatch):
    """Mutant: policies are made one after the other."""
    monkeypatch.setattr("mecsim.plugins.find", None)
    text = STUDY.replace("{policy}", '"this:s", "nearst", "mine.py:Mine"')
    Path("theirs.toml").write_text(text)
    with pytest.raises(StudyError) as caught:
        load_study("theirs.toml")
    parts = ("this:s", "did you mean 'nearest'", "mine.py")
    assert all(part in told for part, told in zip(parts, caught.value.problems, strict=True))


def test_names_registered_in_python_need_no_leave(monkeypatch):
    monkeypatch.setitem(plugins._registered, "mecsim.policies", {"here": Nearest})
    assert len(load_study(written('"hysteresis:policy=here", "here"')).runs) == 3


@pytest.mark.parametrize("table", ["users.mobility", "channel.path_loss"])
@pytest.mark.parametrize("name", ["this:s", "mine.py:Mine", "mine.py", "this", "unittest.__main__"])
def test_models_are_registered_ones_whatever_is_allowed(table, name):
    """Only ``--plugin`` of the command line and calls in Python bring models."""
    path = written('"nearest"')
    path.write_text(path.read_text() + f'[grid]\n"{table}" = [{{ model = "{name}" }}]\n')
    with pytest.raises(StudyError, match=r"model = .*must be"):
        load_study(path, allow_local_policies=True)
    assert not Path("imported").exists()


def test_the_command_says_what_to_do_and_does_it(capsys):
    path = written('"mine.py:Mine"')
    for command in (
        ["sweep", str(path)],
        ["sweep", str(path), "--dry-run"],
        ["sweep", str(path), "--status"],
        ["sweep", str(path), "--shard", "1/2"],
    ):
        assert main(command) == 2
        assert "give --allow-local-policies" in " ".join(capsys.readouterr().err.split())
    assert sorted(file.name for file in Path().iterdir()) == ["mine.py", "theirs.toml"]
    assert main(["sweep", str(path), "--status", "--allow-local-policies"]) == 0
    assert "2 missing" in capsys.readouterr().out


def test_a_call_in_python_is_asked_too():
    path = written('"mine.py:Mine"')
    with pytest.raises(StudyError, match=r"allow_local_policies=True in Python"):
        sweep(path)
    assert len(load_study(path, allow_local_policies=True).runs) == 2


def test_what_is_named_on_the_command_line_is_run():
    arguments = ["--set", "duration_s=3", "--set", "warmup_s=0", "-q", "--out", "out"]
    assert main(["run", "smoke", "--policy", "mine.py:Mine", *arguments]) == 0
    assert Path("imported").exists()


@pytest.mark.parametrize(
    "policy",
    [
        '{ name = "os:mkdir", path = "made" }',
        '"os:mkdir:path=made"',
        '{ name = "subprocess:Popen", args = ["mkdir", "made"] }',
        '{ name = "hysteresis", policy = "os:mkdir:path=made" }',
    ],
)
def test_what_is_no_policy_is_never_called(policy):
    with pytest.raises(StudyError, match=r"theirs\.toml:4: .*must be a class with a method allocate"):
        load_study(written(policy), allow_local_policies=True)
    assert not Path("made").exists()
