"""A worker that is killed after its k-th write, k = 1, 2, 3 ...: on one machine and on dask, the same tables.

The policy does the killing from within: it counts what the process of its run writes, and kills the
victim, once, after the step that a file beside it names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mecsim import load_results
from mecsim.results.store import MANIFEST
from mecsim.study.spec import Study, load_study
from mecsim.study.sweep import Sweep, sweep
from mecsim.tables import TABLES

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

KILLER = '''
import os, signal, subprocess
from contextlib import suppress
from pathlib import Path
from mecsim_policies.baselines import Gucaa

HERE = Path(__file__).parent

def grandparent():
    """Return the process that started the server that forked the keeper of this process."""
    pid = os.getppid()
    for _ in range(2):
        pid = int(subprocess.run(["ps", "-o", "ppid=", "-p", str(pid)], capture_output=True).stdout)
    return pid

class Killer(Gucaa):
    """Kills the victim after a write."""
    def reset(self, info, rng):
        left = int((HERE / "step").read_text()) if (HERE / "step").exists() else 0
        victim = {"child": os.getpid, "worker": grandparent}[(HERE / "victim").read_text()]()

        def counted(original):
            def operation(*arguments, **more):
                nonlocal left
                answer = original(*arguments, **more)
                left -= 1
                if left == 0:
                    # Of two runs at the same time, the one that takes the file away.
                    with suppress(FileNotFoundError):
                        (HERE / "step").unlink()
                        os.kill(victim, signal.SIGKILL)
                return answer
            return operation

        if left > 0 and not hasattr(os, "counted"):
            os.counted = True
            os.fsync, Path.replace = counted(os.fsync), counted(Path.replace)
'''
STUDY = """
schema = 1
name = "killed"
scenarios = ["smoke"]
policies = ["killer.py:Killer"]
replications = 2
"""
FIRST, LAST = 1, len(TABLES) + 4
"""A run writes its tables, the manifest, their folder, the name, the folder above; all tables in one way."""
CLI = "import sys; from mecsim.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("killed")
    (root / "killer.py").write_text(KILLER)
    (root / "victim").write_text("child")
    (root / "study.toml").write_text(STUDY)
    return root


@pytest.fixture(scope="module")
def study(place: Path) -> Study:
    return load_study(place / "study.toml", {"duration_s": 12}, allow_local_policies=True)


@pytest.fixture(scope="module")
def expected(study: Study, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert sweep(study, out=folder, jobs=1).origins == {"new": 2}
    return load_results(folder).digest()


def kill_after_every_write(
    place: Path, out: Path, victim: str, do: Callable[[Path], Sweep], steps: tuple[int, ...]
) -> list[Sweep]:
    """Sweep into a new folder once for each step; every one of them must have killed."""
    (place / "victim").write_text(victim)
    done = []
    for step in steps:
        (place / "step").write_text(str(step))
        done.append(do(out / str(step)))
        assert not (place / "step").exists(), step
    return done


def test_a_child_killed_after_any_write(study: Study, expected: str, place: Path, tmp_path: Path) -> None:
    """F6. Mutants rejected: a run counted although it is not whole; a killed run that is not tried again."""
    found = kill_after_every_write(
        place,
        tmp_path,
        "child",
        lambda out: sweep(study, out=out, jobs=1),
        (FIRST, *range(LAST - 4, LAST + 1)),
    )
    for done in found:
        assert not done.failures
        assert load_results(done.folder).digest() == expected
        assert {path.name for path in done.folder.iterdir()} == {
            *(run.run_id for run in study.runs), "runs.csv", "study.toml", "plan.json",
        }  # fmt: skip
    # After the rename, the last but one, the run is there: its second try finds and replaces it.
    assert [done.origins["replaced"] for done in found] == [0, 0, 0, 0, 1, 1]


def test_a_dask_worker_or_its_child_killed_after_any_write(
    study: Study, expected: str, place: Path, tmp_path: Path, cluster
) -> None:
    """F6 on dask, first and last write: the child alone, then the worker, whose run goes to another.

    Mutant rejected: a run that was given to the dead worker and to nobody after it.
    """

    def on_dask(out: Path) -> Sweep:
        return sweep(study, out=out, scheduler=cluster.scheduler_address)

    for victim in ("child", "worker"):
        for done in kill_after_every_write(place, tmp_path / victim, victim, on_dask, (FIRST, LAST)):
            assert not done.failures
            assert load_results(done.folder).digest() == expected


def test_a_sweep_on_dask_that_is_killed_resumes(
    study: Study, expected: str, place: Path, tmp_path: Path, cluster
) -> None:
    """F7 on dask: killed when the first, then the last run is finished; none of them is run again."""
    (place / "victim").write_text("child")
    for k in (1, 2):
        out = tmp_path / str(k)
        arguments = ["--executor", "dask", "--scheduler", cluster.scheduler_address, "--set", "duration_s=12"]
        process = subprocess.Popen(
            [sys.executable, "-c", CLI, "sweep", str(place / "study.toml"), "-q", "--out", str(out),
             "--allow-local-policies", *arguments], stdout=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while len(list(out.glob(f"[!.]*/{MANIFEST}"))) < k and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kept = {path: json.loads(path.read_text())["started_utc"] for path in out.glob(f"[!.]*/{MANIFEST}")}
        done = sweep(study, out=out, scheduler=cluster.scheduler_address)
        assert done.origins["reused"] >= len(kept) >= k
        assert all(json.loads(path.read_text())["started_utc"] == at for path, at in kept.items())
        assert load_results(out).digest() == expected
