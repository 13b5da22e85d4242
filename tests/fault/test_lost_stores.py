"""What a sweep stands on goes away under it: the scheduler, the versions of its workers, its folder."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from mecsim.cli import main
from mecsim.cli.console import exit_code
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results.manifest import manifest_sha256
from mecsim.study import cluster as on_cluster
from mecsim.study.compare import compare
from mecsim.study.spec import Study, load_study
from mecsim.study.sweep import sweep

STUDY = """
schema = 1
name = "lost"
scenarios = ["smoke"]
policies = ["gucaa", "nearest"]
replications = 6
"""
SCHEDULER = """
import asyncio, sys
from distributed import Nanny, Scheduler, Worker
async def serve():
    scheduler = await Scheduler(port=0, dashboard=False, host="127.0.0.1")
    worker = await Worker(scheduler.address, nthreads=1, name="only")
    print(scheduler.address, flush=True)
    await scheduler.finished()
asyncio.run(serve())
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    return load_study(file, {"duration_s": 12})


@pytest.fixture
def scheduler():
    """Yield the process of a scheduler with one worker, and its address."""
    pytest.importorskip("distributed", reason="the cluster extra is not installed")
    process = subprocess.Popen([sys.executable, "-c", SCHEDULER], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_workers_of_other_versions_and_a_scheduler_that_dies(
    study: Study, tmp_path: Path, scheduler, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    """Item 10. Mutants rejected: runs sent to any worker; waiting for a new scheduler for ever."""
    process, address = scheduler
    command = ["sweep", str(tmp_path / "study.toml"), "--set", "duration_s=12", "--executor", "dask",
               "--scheduler", address, "--out", str(tmp_path / "out"), "-q"]  # fmt: skip
    here = on_cluster.code_here() | {"packages.numpy": "9.9", "mecsim": "0.0"}
    with monkeypatch.context() as patched:
        patched.setattr(on_cluster, "code_here", lambda: here)
        with pytest.raises(MecsimError, match=r"worker .*: mecsim .*, here 0.0; packages.numpy .*, here 9.9"):
            sweep(study, out=tmp_path / "other", scheduler=address)
    assert not list((tmp_path / "other").glob("smoke-*"))

    finished = []

    def kill(done: float, total: int, message: str) -> None:
        if message:
            finished.append(message.partition(":")[0])
            process.kill()

    with pytest.raises(MecsimError, match="scheduler has ended or cannot be reached") as caught:
        sweep(study, out=tmp_path / "out", scheduler=address, on_progress=kill)
    assert exit_code(caught.value) == 1
    rows = (tmp_path / "out" / "runs.csv").read_text().splitlines()
    assert len(rows) == 1 + len(study.runs)
    assert finished
    assert sum(",finished," in row for row in rows) >= len(finished)
    monkeypatch.setattr(on_cluster, "_PATIENCE_S", 1)
    assert main(command) == 2
    assert "no dask scheduler answers" in capsys.readouterr().err
    again = sweep(study, out=tmp_path / "out", jobs=1)
    assert again.origins["reused"] >= len(finished)
    assert not again.failures


@pytest.mark.usefixtures("in_one_process")
def test_a_run_that_is_changed_under_a_study_is_an_error(study: Study, tmp_path: Path) -> None:
    """A policy may write into the folders of others. Mutant rejected: runs.csv with the changed numbers."""

    def change(done: float, total: int, message: str) -> None:
        for file in tmp_path.glob(f"*/{message.partition(':')[0]}/manifest.json") if message else ():
            manifest = json.loads(file.read_text())
            manifest["metrics"]["scr"] *= 2
            file.write_text(json.dumps(manifest | {"sha256": manifest_sha256(manifest)}))

    with pytest.raises(ResultStoreError, match="12 finished runs were changed while the study") as caught:
        sweep(study, out=tmp_path / "out", jobs=1, on_progress=change)
    assert exit_code(caught.value) == 1
    found = compare("smoke", ["nearest"], 1, out=tmp_path / "two", on_progress=change)
    with pytest.raises(ResultStoreError, match="was changed since it was finished") as caught:
        list(found.stored_runs()["nearest"])
    assert exit_code(caught.value) == 1


def test_a_scheduler_without_workers_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutant rejected: waiting without a word."""

    class Client:
        status = "running"

        def nthreads(self) -> dict[str, int]:
            return {}

    waits = iter([(), (), ("done",)])
    dask = SimpleNamespace(
        wait=lambda *_, **__: SimpleNamespace(done=next(waits)),
        TimeoutError=TimeoutError,
        CancelledError=OSError,
    )
    monkeypatch.setattr(on_cluster, "_ASK_EVERY_S", -1.0)
    monkeypatch.setattr(on_cluster, "_answers", lambda client: True)
    with pytest.warns(UserWarning, match="no worker is connected, the study waits") as told:
        assert on_cluster._done(dask, Client(), [], "tcp://a") == ["done"]  # type: ignore[arg-type]
    assert len(told) == 1


@pytest.mark.usefixtures("in_one_process")
def test_a_folder_that_is_deleted_under_a_study_is_an_error(study: Study, tmp_path: Path) -> None:
    """Item 10. Mutant rejected: the folder is made again, and the study says that all is well."""

    def delete(done: float, total: int, message: str) -> None:
        if message:
            shutil.rmtree(tmp_path / "out")

    def delete_one(done: float, total: int, message: str) -> None:
        if message and done == total:
            shutil.rmtree(tmp_path / "one" / message.partition(":")[0])

    for place, act in (("out", delete), ("one", delete_one)):
        with pytest.raises(ResultStoreError, match="deleted") as caught:
            sweep(study, out=tmp_path / place, jobs=1, on_progress=act)
        assert exit_code(caught.value) == 1
    with pytest.raises(ResultStoreError, match="deleted or replaced") as caught:
        compare("smoke", ["gucaa", "nearest"], 1, out=tmp_path / "out", on_progress=delete)
    assert exit_code(caught.value) == 1
