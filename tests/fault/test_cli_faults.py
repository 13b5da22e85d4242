"""Wrong input, failing policies, killed workers, Ctrl-C: the right exit code, a message, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mecsim import compare, load_results, load_scenario
from mecsim.cli import main

INSTANCE = Path(__file__).parents[1] / "data" / "instances" / "n6m2.json"

POLICIES = '''
import os, signal
from mecsim_policies.baselines import Gucaa

class Raises(Gucaa):
    """Raises in its third decision."""
    def allocate(self, observation):
        if observation.epoch == 2:
            return {}["oops"]
        return super().allocate(observation)

class TooMuch(Gucaa):
    """Grants twice the bandwidth there is."""
    def allocate(self, observation):
        from dataclasses import replace
        allocation = super().allocate(observation)
        return replace(allocation, bandwidth_hz=2 * allocation.bandwidth_hz)

class Nothing:
    """Returns None to a first question."""
    def allocate(self, observation):
        return None

class Elsewhere(Gucaa):
    """Sends everybody to a server that does not exist."""
    def allocate(self, observation):
        from dataclasses import replace
        allocation = super().allocate(observation)
        return replace(allocation, server=allocation.server + 9)

class OneUser(Gucaa):
    """Forgets everybody but one."""
    def allocate(self, observation):
        from dataclasses import replace
        allocation = super().allocate(observation)
        return replace(allocation, server=allocation.server[:1])

class Diary(Gucaa):
    """Keeps a trace that is none."""
    trace = "dear diary"

class Killed(Gucaa):
    """Kills its process, as the system does when memory runs out."""
    def allocate(self, observation):
        if observation.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().allocate(observation)
'''


pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("bad.py").write_text(POLICIES)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "smoke", "--policy", "gucca"], "did you mean 'gucaa'?"),
        (["run", "smokey"], "did you mean 'smoke'?"),
        (["run", "smoke", "--policy", "bad.py:Raise"], "did you mean 'Raises'?"),
        (["run", "smoke", "--policy", "gone.py:X"], "'gone.py' does not exist"),
        (["run", "smoke", "--policy", "gucaa:fraction=1"], "no parameter 'fraction'"),
        (["run", "smoke", "--set", "users.cuont=3"], "did you mean 'count'?"),
        (["run", "smoke", "--set", "users.count"], "must read KEY=VALUE"),
        (["run", "smoke", "--seed", "-1"], "--seed"),
        (["run", "smoke", "--sead", "1"], "--sead"),
        (["run"], "SCENARIO"),
        (["run", "smoke", "--out", "bad.py"], "is no run folder"),
        (["compare", "smoke", "--policies", ","], "no policy is given"),
        (["compare", "smoke", "--policies", "gucaa,gucaa"], "is given twice"),
        (["compare", "smoke", "--policies", "gucaa", "-r", "0"], "--replications"),
        (["compare", "smoke", "--policies", "gucaa", "-j", "0"], "jobs = 0"),
        (["validate", "."], "is a folder"),
        (["explain", "qqqzz"], "no key, metric, policy or card is called that"),
        (["solve", "gone.json", "--policy", "gucaa"], "gone.json: cannot be read"),
        (["solve", "bad.py", "--policy", "gucaa"], "not JSON"),
        (["solve", str(INSTANCE)], "--policy"),
        (["solve", str(INSTANCE), "--policy", "gucaa,gucca"], "did you mean 'gucaa'?"),
        (["solve", str(INSTANCE), "--policy", "gucaa,gucaa"], "is given twice"),
        (["solve", str(INSTANCE), "--policy", ","], "no policy is given"),
        (["solve", str(INSTANCE), "-p", "rucaa,gucaa", "--trace", "t.csv"], "stored by rucaa, gucaa"),
        (["solve", str(INSTANCE), "-p", "bad.py:Diary", "--trace", "t.csv"], "stored by Diary"),
        (["solve", str(INSTANCE), "-p", "dashf", "--trace", "no/t.csv"], "no/t.csv: cannot be written"),
        (["paper", "--seeds", "0"], "--seeds"),
        (["new", "no/such/folder/x.toml"], "cannot be written"),
        (["new", "-.toml"], ""),
        (["bogus"], "bogus"),
    ],
    ids=lambda value: " ".join(value)[-50:] if isinstance(value, list) else "",
)
def test_wrong_input_is_exit_code_2_and_a_message(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert words in " ".join(printed.err.split())
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert not Path("results").exists() or not list(Path("results").rglob("manifest.json"))


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("bad.py:Raises", "raised KeyError: 'oops'"),
        ("bad.py:TooMuch", "bandwidth_hz of server"),
        ("bad.py:Nothing", "returned None"),
    ],
)
def test_a_run_that_fails_is_exit_code_1(policy: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "smoke", "--policy", policy, "-q"]) == 1
    printed = capsys.readouterr()
    assert words in printed.err
    assert f"policy '{policy.rpartition(':')[2]}' at t =" in printed.err
    assert "Traceback" not in printed.err
    assert not list(Path("results").iterdir())


def test_an_exception_in_a_policy_is_placed_in_the_persons_own_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["run", "smoke", "--policy", "bad.py:Raises", "-q"])
    line = next(n for n, text in enumerate(POLICIES.splitlines(), 1) if "oops" in text)
    assert f'bad.py:{line}: in allocate: return {{}}["oops"]' in capsys.readouterr().err


@pytest.mark.parametrize("policy", ["bad.py:Raises", "bad.py:Nothing"])
def test_solve_with_a_broken_policy(policy: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.py").write_text(POLICIES.replace("epoch == 2", "epoch == 0"))
    assert main(["solve", str(INSTANCE), "--policy", policy]) == 1
    message = capsys.readouterr().err
    assert message.startswith(f"policy '{policy.rpartition(':')[2]}'")
    assert "raised KeyError: 'oops' (" in message or "returned None" in message


@pytest.mark.parametrize(
    ("policy", "words"), [("Elsewhere", "must be a server, 0 to 1"), ("OneUser", "the shape must be (6,)")]
)
def test_solve_names_what_cannot_be_shown(
    policy: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mutant rejected: costs computed first, which ends in an IndexError."""
    assert main(["solve", str(INSTANCE), "--policy", f"gucaa,bad.py:{policy}"]) == 1
    printed = capsys.readouterr()
    assert f"policy '{policy}': server of" in printed.err
    assert words in printed.err
    assert "Traceback" not in printed.err


def test_a_violation_keeps_a_policy_from_being_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["solve", str(INSTANCE), "--policy", "gucaa,bad.py:TooMuch"]) == 0
    printed = capsys.readouterr()
    assert "TooMuch: violated: bandwidth_hz of server 0" in printed.err
    starred = [line for line in printed.out.splitlines() if " * " in line and "SCR" not in line]
    assert len(starred) == 1
    assert "gucaa" in starred[0]


def test_solve_reports_violations_and_does_not_hide_the_allocation(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["solve", str(INSTANCE), "--policy", "bad.py:TooMuch"]) == 0
    printed = capsys.readouterr()
    assert "violated: bandwidth_hz of server 0" in printed.err
    assert "SCR" in printed.out


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_failed_runs_are_named_and_the_others_kept(jobs: str, capsys: pytest.CaptureFixture[str]) -> None:
    policies = "gucaa,bad.py:Raises"
    assert main(["compare", "smoke", "-p", policies, "-r", "2", "-j", jobs, "-q", "--out", "study"]) == 1
    printed = capsys.readouterr()
    assert "2 of 4 runs failed and are missing above" in printed.err
    assert printed.err.count("raised KeyError: 'oops'") == 2
    assert "gucaa" in printed.out
    assert set(load_results("study").rounds["policy"]) == {"gucaa"}
    assert len(list(Path("study").glob("failed-smoke-Raises-*.txt"))) == 2


def test_a_mended_policy_clears_its_failures(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "smoke", "-p", "gucaa,bad.py:Raises", "-r", "1", "-j", "1", "-q", "--out", "study"]
    assert main(command) == 1
    Path("bad.py").write_text(POLICIES.replace('return {}["oops"]', "pass"))
    assert main(command) == 0
    assert not list(Path("study").glob("failed-*"))


def test_an_ascii_pipe_and_a_folder_with_an_accent(tmp_path: Path, plain_cli: str) -> None:
    """F14. Mutant rejected: the default, where a plus-minus sign ends in a traceback."""
    short = ["--set", "duration_s=20", "-q", "--out", "à côté"]
    arguments = ["compare", "smoke", "-p", "nearest", "-r", "2", "-j", "1", *short]
    done = subprocess.run(
        [sys.executable, "-c", plain_cli, *arguments],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "nearest" in done.stdout
    assert len(load_results(tmp_path / "à côté").manifest["runs"]) == 2


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_killed_worker_costs_its_own_run_only(capsys: pytest.CaptureFixture[str]) -> None:
    """F6. Mutant rejected: a broken pool that ends every pending run."""
    policies = "bad.py:Killed,gucaa,nearest"
    assert main(["compare", "smoke", "-p", policies, "-r", "2", "-j", "2", "-q", "--out", "study"]) == 1
    printed = capsys.readouterr()
    assert "2 of 6 runs failed" in printed.err
    assert (
        printed.err.count("policy 'Killed' was killed by signal 9 (SIGKILL), by itself or for lack of") == 2
    )
    kept = load_results("study")
    assert {(m["policy"], m["seed"]) for m in kept.manifest["runs"]} == {
        (policy, seed) for policy in ("gucaa", "nearest") for seed in range(2)
    }
    assert not list(Path("study").glob(".*"))
    expected = compare("smoke", ["gucaa", "nearest"], replications=2)
    digests = {(m["policy"], m["seed"]): m["digest"] for m in kept.manifest["runs"]}
    assert len(set(digests.values())) == len(expected.outcomes)


@pytest.mark.skipif(os.name != "posix", reason="process groups")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_is_130_keeps_finished_runs_and_leaves_nobody_behind(jobs: str) -> None:
    """F12."""
    scenario = load_scenario("smoke").with_changes({"duration_s": 200})
    Path("long.toml").write_text(scenario.to_toml())
    code = (  # a shell that starts something in the background lets it ignore Ctrl-C
        "import signal, sys; from mecsim.cli import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["compare", "long.toml", "-p", "gucaa,nearest", "-r", "50", "-j", jobs, "--out", "study"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    # A folder whose name begins with a dot is still being written.
    while not list(Path("study").glob("[!.]*/manifest.json")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; finished runs are kept" in err
    assert "Traceback" not in err
    assert out == ""
    kept = load_results("study")
    assert kept.rounds["outcome"].eq("finished").any()
    assert not list(Path("study").glob(".*"))
    deadline = time.monotonic() + 10
    while _members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _members(process.pid) == []


def _members(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "sid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [row.split(None, 2) for row in listed.splitlines()[1:]]
    return [row[2] for row in rows if row[0] == str(session) and not row[1].startswith("Z")]
