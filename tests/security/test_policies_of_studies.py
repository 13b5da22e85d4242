"""A study file names policies, and a policy is code: what it may name, and when it is looked at.

Bug it would catch: a study of somebody else that runs a file lying beside it, or a command, for being read.
"""

from pathlib import Path

import pytest

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
    assert "mine.py is a file of code" in problem
    assert "--allow-local-policies" in problem
    assert not Path("imported").exists()
    assert len(load_study(path, allow_local_policies=True).runs) == 2
    assert Path("imported").exists()


def test_the_command_says_what_to_do_and_does_it(capsys):
    path = written('"mine.py:Mine"')
    for command in (
        ["sweep", str(path)],
        ["sweep", str(path), "--dry-run"],
        ["sweep", str(path), "--status"],
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
@pytest.mark.parametrize("allowed", [False, True])
def test_what_is_no_policy_is_never_called(policy, allowed):
    with pytest.raises(StudyError, match=r"theirs\.toml:4: .*must be a class with a method allocate"):
        load_study(written(policy), allow_local_policies=allowed)
    assert not Path("made").exists()
