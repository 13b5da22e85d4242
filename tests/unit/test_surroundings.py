"""What a command inherits and what a policy does to the process: neither decides how and where results go."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mecsim
from mecsim.cli.surroundings import figures_to_files
from mecsim.registry import make_policy
from mecsim.study.working_folder import same_folder

# What a notebook or a shell may have left behind; a command that draws must not mind.
INHERITED = {
    "MPLBACKEND": "module://no_such_package.backend_inline",
    "MPLCONFIGDIR": "/proc/no-such-folder",
    "TMPDIR": "/no-such-folder",
    "HOME": "/no-such-folder",
    "LC_ALL": "xx_YY",
    "COLUMNS": "0",
    "TERM": "dumb",
    "PYTHONIOENCODING": "ascii",
    "PYTHONWARNINGS": "error",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3",
}
SHORT = ("--set", "duration_s=20", "--set", "warmup_s=0", "-q")


def test_a_command_that_draws_minds_no_variable_it_inherits(tmp_path):
    """Mutants: pyplot, which asks for the window system; warnings of other packages as errors."""
    command = ["compare", "smoke", "-p", "nearest,gucaa", "-r", "2", "-j", "1", "--out", "both", *SHORT]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from mecsim.cli import main; sys.exit(main())", *command],
        cwd=tmp_path, env=os.environ | INHERITED, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"comparison.png", "report.html"} <= {path.name for path in (tmp_path / "both").iterdir()}
    assert "None" not in done.stdout


BACKENDS = """
import os, sys
from mecsim.cli.surroundings import figures_to_files
with figures_to_files():
    assert os.environ["MPLBACKEND"] == "Agg"
    import matplotlib
    inside = matplotlib.get_backend()
import matplotlib
print(inside, os.environ.get("MPLBACKEND"), matplotlib.rcParams._get_backend_or_none())
"""


@pytest.mark.parametrize(
    ("given", "after"), [("svg", "Agg svg svg"), (None, "Agg None None"), ("nonsense", "Agg nonsense Agg")]
)
def test_a_session_that_calls_a_command_keeps_its_own_backend(given, after):
    """Mutants: a variable that stays at Agg; matplotlib that was imported with it."""
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run(
        [sys.executable, "-c", BACKENDS],
        env=environment | ({"MPLBACKEND": given} if given else {}),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.split() == after.split()


def test_a_backend_chosen_before_is_left_alone(monkeypatch):
    import matplotlib

    monkeypatch.setenv("MPLBACKEND", "TkAgg")
    before = matplotlib.rcParams._get_backend_or_none()
    with figures_to_files():
        assert os.environ["MPLBACKEND"] == "Agg"
    assert os.environ["MPLBACKEND"] == "TkAgg"
    assert matplotlib.rcParams._get_backend_or_none() == before


class Moves:
    """A policy that changes the working folder, when it is made or when it decides."""

    def __init__(self, elsewhere):
        self.elsewhere, self.policy = elsewhere, make_policy("nearest")

    def allocate(self, observation):
        os.chdir(self.elsewhere)
        return self.policy.allocate(observation)


def test_a_policy_that_changes_the_folder_moves_no_results(tmp_path, monkeypatch):
    """Mutant: a relative path that is resolved when the run is over."""
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    scenario = mecsim.load_scenario("smoke").with_changes({"duration_s": 10, "warmup_s": 0})
    mecsim.simulate(scenario, Moves(tmp_path / "elsewhere"), seed=1, out="one")
    assert Path.cwd() == tmp_path / "here"
    mecsim.compare(scenario, [Moves(tmp_path / "elsewhere")], replications=2, jobs=1, out="many").save(
        "figures"
    )
    assert {path.name for path in Path().iterdir()} == {"one", "many", "figures"}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_that_is_gone_is_no_reason_to_fail(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").mkdir()
    os.chdir("gone")
    (tmp_path / "gone").rmdir()
    with same_folder():
        os.chdir(tmp_path)
    assert Path.cwd() == tmp_path


def test_no_report_is_not_announced(tmp_path, monkeypatch, capsys):
    """Mutant: `report: None`."""
    from mecsim.analysis.report import page
    from mecsim.cli import main
    from mecsim.errors import MecsimError

    def fails(*_, **__):
        raise MecsimError("no space")

    monkeypatch.setattr(page, "write_report", fails)
    assert main(["run", "smoke", "-p", "nearest", "--out", str(tmp_path / "run"), *SHORT[:-1]]) == 0
    streams = capsys.readouterr()
    assert "report:" not in streams.out
    assert "no report: no space" in streams.err
