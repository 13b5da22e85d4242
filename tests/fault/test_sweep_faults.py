"""A sweep that is killed, starved, hung or damaged: finished runs are kept, and nothing wrong is counted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mecsim import load_results
from mecsim.cli import main
from mecsim.errors import ResultStoreError
from mecsim.results.store import MANIFEST
from mecsim.study import pool
from mecsim.study.spec import load_study
from mecsim.study.sweep import sweep
from mecsim.tables import SCHEMA, TABLES

STUDY = """
schema = 1
name = "faults"
scenarios = ["smoke"]
policies = [{policies}]
replications = {replications}
{more}
[grid]
duration_s = [{duration_s}]
"""
POLICIES = '''
import os, signal, time
from pathlib import Path
from mecsim_policies.baselines import Gucaa

class Raises(Gucaa):
    """Raises in its second decision."""
    def allocate(self, observation):
        if observation.epoch == 1:
            return {}["oops"]
        return super().allocate(observation)

class Once(Gucaa):
    """Raises in the first run of all, and never again."""
    def allocate(self, observation):
        if not Path("happened").exists():
            Path("happened").touch()
            raise MemoryError
        return super().allocate(observation)

class Hangs(Gucaa):
    """Never decides."""
    def allocate(self, observation):
        while True:
            time.sleep(0.01)

class Nan(Gucaa):
    """Grants no number."""
    def allocate(self, observation):
        from dataclasses import replace
        allocation = super().allocate(observation)
        return replace(allocation, bandwidth_hz=allocation.bandwidth_hz * float("nan"))

class Killed(Gucaa):
    """Kills its process, as the system does when memory runs out."""
    def allocate(self, observation):
        os.kill(os.getpid(), signal.SIGKILL)

class Forks(Gucaa):
    """Starts a process of its own and hangs; that process outlives it."""
    def allocate(self, observation):
        os.fork()
        while True:
            time.sleep(0.01)

class Crashes(Gucaa):
    """Reads where there is no memory."""
    def allocate(self, observation):
        import ctypes
        ctypes.string_at(0)

class Slow(Gucaa):
    """Takes a tenth of a second for a decision."""
    def allocate(self, observation):
        time.sleep(0.1)
        return super().allocate(observation)
'''
# A shell that starts something in the background lets it ignore Ctrl-C.
CLI = (
    "import signal, sys; from mecsim.cli import main; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(main(sys.argv[1:]))"
)
ALLOW = "--allow-local-policies"
posix = pytest.mark.skipif(os.name != "posix", reason="signals, fork")


pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("bad.py").write_text(POLICIES)


def write_study(
    policies: str = '"gucaa", "nearest"', replications: int = 1, more: str = "", duration_s: int = 20
) -> Path:
    path, given = Path("study.toml"), {"policies": policies, "replications": replications}
    path.write_text(STUDY.format(**given, more=more, duration_s=duration_s))
    return path


def manifests(folder: Path) -> list[Path]:
    return list(folder.glob(f"[!.]*/{MANIFEST}"))


def digests(folder: Path) -> dict[str, str]:
    """Return the digest of every run of a folder, recomputed from its tables."""
    found = {path.parent.name: json.loads(path.read_text())["digest"] for path in manifests(folder)}
    assert found == {name: load_results(folder / name).digest() for name in found}
    return found


def swept(study: Path, folder: Path) -> bool:
    return not sweep(study, out=folder, jobs=1).failures


@posix
@pytest.mark.usefixtures("in_one_process")
def test_a_sweep_killed_after_any_write_resumes_to_the_same_tables(
    tmp_path: Path, killed_after: Callable[..., bool]
) -> None:
    """F7, for k = 1, 2, 3 ... Mutants rejected: see the two tests below."""
    study, whole = write_study(duration_s=11), tmp_path / "whole"
    assert len(sweep(study, out=whole, jobs=1).outcomes) == 2
    undisturbed = digests(whole)
    kept_counts = set()
    # A run's tables are written in one way: its first and last one will do.
    first, per_run, middle = 7, len(TABLES) + 4, range(1, len(TABLES) - 1)
    for step in (k for k in range(1, 60) if k < first or (k - first) % per_run not in middle):
        folder = tmp_path / f"killed-{step}"
        ended = killed_after(step, lambda folder=folder: swept(study, folder))
        kept = {path.parent.name: path.stat().st_mtime_ns for path in manifests(folder)}
        kept_counts.add(len(kept))
        assert digests(folder).items() <= undisturbed.items()
        resumed = sweep(study, out=folder, jobs=1)
        assert resumed.origins["reused"] == len(kept)
        assert {name: (folder / name / MANIFEST).stat().st_mtime_ns for name in kept} == kept
        assert digests(folder) == undisturbed
        assert {path.name for path in folder.iterdir()} == {
            *undisturbed,
            "runs.csv",
            "study.toml",
            "plan.json",
        }
        shutil.rmtree(folder)
        if ended:
            break
    assert ended
    assert kept_counts == {0, 1, 2}


@posix
@pytest.mark.usefixtures("in_one_process")
def test_writing_under_the_final_name_would_be_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_after: Callable[..., bool]
) -> None:
    """Mutant: no hidden folder, the manifest first. A kill then leaves a run that is not whole."""
    from mecsim.results import store

    def at_once(results, part):
        target = part.parent / part.name[1:].rsplit(".", 2)[0]
        target.mkdir()
        manifest = {"schema": SCHEMA, "tables": dict.fromkeys(results.tables)} | results.manifest
        store.write_file(target / MANIFEST, json.dumps(manifest).encode())
        raise OSError

    monkeypatch.setattr(store, "_write_parts", at_once)
    study = write_study()
    step, folder = 0, tmp_path / "killed-0"
    while not manifests(folder):
        step += 1
        folder = tmp_path / f"killed-{step}"
        killed_after(step, lambda folder=folder: swept(study, folder))
    with pytest.raises(ResultStoreError):
        load_results(folder)


@posix
def test_a_sweep_killed_with_its_children_at_work_resumes(tmp_path: Path) -> None:
    """F7 with the real processes: no child or file outlives the sweep; finished runs are not run again."""
    study = write_study('"bad.py:Slow"', 6)
    (tmp_path / "tmp").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", CLI, "sweep", str(study), ALLOW, "-j", "2", "-q", "--out", "out"],
        start_new_session=True, stdout=subprocess.DEVNULL, env=os.environ | {"TMPDIR": str(tmp_path / "tmp")},
    )  # fmt: skip
    wait_for(lambda: manifests(Path("out")))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not members(process.pid))
    assert Path("out/.lock").is_file()
    assert not list((tmp_path / "tmp").iterdir())
    done = len(manifests(Path("out")))
    resumed = sweep(study, allow_local_policies=True, out="out", jobs=2)
    assert resumed.origins == {"reused": done, "new": 6 - done}
    assert 1 <= done < 6
    assert not list(Path("out").glob(".*"))


def wait_for(what) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def members(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "sid,stat,args"], capture_output=True, text=True, check=True).stdout
    rows = [row.split(None, 2) for row in listed.splitlines()[1:]]
    return [row[2] for row in rows if row[0] == str(session) and not row[1].startswith("Z")]


@posix
def test_every_way_to_fail_is_named_and_costs_its_own_run_only(capsys: pytest.CaptureFixture[str]) -> None:
    """F1, F2, F3, F6 in one study.

    Mutants rejected: a pool that is lost with one of its workers; waiting for a process that the
    policy has started, for ever.
    """
    names = ("Raises", "Hangs", "Nan", "Killed", "Once", "Forks", "Crashes")
    bad = ", ".join(f'"bad.py:{name}"' for name in names)
    study = write_study(f'"gucaa", {bad}', more="limit_s = 4")
    assert main(["sweep", str(study), ALLOW, "-j", "2", "-q", "--json", "--out", "out"]) == 1
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    failures = {f["run_id"].split("-")[1]: (f["kind"], f["error"]) for f in told["failures"]}
    assert {name: kind for name, (kind, _) in failures.items()} == {
        "Raises": "raised",
        "Hangs": "timeout",
        "Nan": "raised",
        "Killed": "killed",
        "Forks": "timeout",
        "Crashes": "killed",
    }
    assert "raised KeyError: 'oops'" in failures["Raises"][1]
    assert "limit of 4 s" in failures["Hangs"][1]
    assert "signal 9" in failures["Killed"][1]
    assert "crashed: Fatal Python error: Segmentation fault" in failures["Crashes"][1]
    assert "6 of 8 runs failed" in printed.err
    # The one that failed only once is whole.
    assert set(load_results("out").rounds["policy"]) == {"gucaa", "Once"}
    marks = {path.name.split("-")[2]: path.read_text() for path in Path("out").glob("failed-*.txt")}
    for name in ("Hangs", "Crashes"):
        assert "in allocate" in marks[name]
    assert 'return {}["oops"]' in marks["Raises"]
    assert main(["sweep", str(study), ALLOW, "--status", "--json", "--out", "out"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["finished"], status["failed"], status["missing"]) == (2, 6, 0)


@posix
@pytest.mark.usefixtures("in_one_process")
def test_a_disk_that_is_full_stops_the_sweep_and_the_same_command_goes_on(
    capsys: pytest.CaptureFixture[str], plain_cli: str
) -> None:
    """F8 with a limit of the system. Mutant rejected: every further run computed and lost."""
    study = write_study(replications=2)
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));" + plain_cli
    done = subprocess.run(
        [sys.executable, "-c", limited, "sweep", str(study), "-j", "1", "-q", "--out", "out"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "File too large" in done.stderr
    assert "the same command goes on" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in Path("out").iterdir()} == {"study.toml", "plan.json"}
    assert sweep(study, out="out", jobs=1).origins == {"new": 4}


def test_a_folder_that_cannot_be_written_is_refused_before_any_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study()
    Path("file").touch()
    assert main(["sweep", str(study), "-q", "--out", "file/out"]) in (1, 2)
    assert "cannot be made" in capsys.readouterr().err
    Path("out").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert main(["sweep", str(study), "-q", "--out", "out"]) == 2
    assert "cannot be written to" in capsys.readouterr().err
    assert not list(Path("out").iterdir())


@pytest.mark.usefixtures("in_one_process")
@pytest.mark.parametrize("harm", ["truncated", "bit", "manifest", "gone"])
def test_a_damaged_run_is_moved_away_and_run_again(harm: str) -> None:
    """F9. Mutant rejected: trust in a manifest that is there."""
    study = write_study()
    first = sweep(study, out="out", jobs=1)
    before = digests(Path("out"))
    victim = Path("out") / first.outcomes[0].run_id
    table, manifest = victim / "rounds.parquet", victim / MANIFEST
    content = table.read_bytes()
    if harm == "truncated":
        table.write_bytes(content[:-10])
    elif harm == "bit":
        table.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
    elif harm == "gone":
        table.unlink()
    else:
        manifest.write_text(manifest.read_text()[:100])
    again = sweep(study, out="out", jobs=1)
    assert again.origins == {"reused": 1, "new": 1}
    (aside,) = again.damaged
    assert aside.is_dir()
    assert aside.name.startswith(victim.name)
    assert digests(Path("out")) == before
    assert sweep(study, out="out", jobs=1).origins == {"reused": 2}


@pytest.mark.usefixtures("in_one_process")
def test_other_code_or_another_policy_file_makes_a_run_outdated(monkeypatch: pytest.MonkeyPatch) -> None:
    study = write_study('"gucaa", "bad.py:Slow"')
    sweep(study, allow_local_policies=True, out="out", jobs=1)
    assert sweep(study, allow_local_policies=True, out="out", jobs=1).origins == {"reused": 2}
    Path("bad.py").write_text(POLICIES + "\n")
    assert sweep(study, allow_local_policies=True, out="out", jobs=1).origins == {"reused": 1, "replaced": 1}
    from mecsim.study import plan

    here = plan.environment()
    monkeypatch.setattr(plan, "environment", lambda: here | {"code_sha256": "other"})
    assert sweep(study, allow_local_policies=True, out="out", jobs=1).origins == {"replaced": 2}


@posix
@pytest.mark.usefixtures("in_one_process")
def test_two_sweeps_on_one_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """F11. Mutant rejected: no lock. A lock whose holder was killed is no obstacle."""
    from mecsim.results.lock import folder_lock

    study = write_study()
    Path("out").mkdir()
    holder = subprocess.Popen(
        [sys.executable, "-c", "from pathlib import Path; from mecsim.results.lock import folder_lock\n"
         "with folder_lock(Path('out')): print('held', flush=True); input()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None
    assert holder.stdout.readline()
    for command in (["sweep", str(study), "-q"], ["compare", "smoke", "-p", "gucaa", "-r", "1", "-q"]):
        assert main([*command, "-j", "1", "--out", "out"]) == 2
        assert f"process {holder.pid} on" in capsys.readouterr().err
    with pytest.raises(ResultStoreError, match="is being written"), folder_lock(Path("out"), (1, 2)):
        pass
    holder.kill()
    holder.communicate()
    assert Path("out/.lock").is_file()
    assert sweep(study, out="out", jobs=1).origins == {"new": 2}
    assert not Path("out/.lock").exists()


@posix
def test_ctrl_c_keeps_finished_runs_and_leaves_nobody_behind() -> None:
    """F12."""
    study = write_study('"bad.py:Slow"', 30)
    process = subprocess.Popen(
        [sys.executable, "-c", CLI, "sweep", str(study), ALLOW, "-j", "2", "--out", "out"],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: manifests(Path("out")))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted; finished runs are kept" in err
    assert "Traceback" not in err
    assert not list(Path("out").glob(".*"))
    wait_for(lambda: not members(process.pid))
    assert digests(Path("out"))


def test_what_cannot_be_sent_to_a_child_is_that_runs_outcome() -> None:
    from mecsim_policies.baselines import Gucaa

    from mecsim.study.plan import Run
    from mecsim.study.policy_choice import PolicyChoice

    class Open(Gucaa):
        def __init__(self):
            super().__init__()
            self.lock = threading.Lock()

    policy = Open()
    scenario = load_study(write_study()).runs[0].scenario
    choices = [PolicyChoice("x:Open", label="open", instance=policy), PolicyChoice.of("gucaa")]
    runs = [Run(scenario, choice, 0) for choice in choices]
    found = {o.policy: o for o in pool.run_in_workers(runs, 2, None)}
    assert "cannot pickle" in found["open"].error
    assert not found["gucaa"].error
