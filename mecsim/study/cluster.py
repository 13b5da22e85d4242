"""The runs of a study on the workers of a dask scheduler, which need access to the study's folder."""

from __future__ import annotations

import logging
import time
import uuid
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mecsim.errors import MecsimError, RunFailed
from mecsim.study import cluster_worker
from mecsim.study.cluster_worker import RunRequest, WrongWorker, attempt_in_worker, code_here
from mecsim.study.isolated_run import outcome_of
from mecsim.study.isolation.ending import Ending
from mecsim.study.outcome import RunOutcome, failure
from mecsim.study.plan import Run
from mecsim.study.schedule import RunQueue

_PATIENCE_S = 30
_ASK_EVERY_S = 10.0
_WAITING = "the study waits for one; Ctrl-C ends it, and the same command goes on"


def run_on_dask(queue: RunQueue, address: str, out: Path, limit_s: float | None) -> Iterator[RunOutcome]:
    """Yield the outcomes of runs as they come from the workers of a scheduler.

    When a worker dies, dask gives its run to another one, three times at most. Two runs for each
    thread of a worker are submitted at a time, so that the longest of the others still come first
    once finished runs have shown how long they take.

    Raises
    ------
    MecsimError
        If dask is not installed, no scheduler answers at the address, or a worker has other versions.
    RunFailed
        If the scheduler ends or answers no more.
    """
    if not queue:
        return
    dask = _distributed()
    with _client(dask, address) as client:
        _refuse_other_versions(client)
        study = uuid.uuid4().hex
        pending: dict[Any, Run] = {}
        try:
            while queue or pending:
                room = 2 * max(sum(client.nthreads().values()), 1)
                while queue and len(pending) < room:
                    run = queue.take()
                    request = RunRequest.of(run, out / run.stored_as, limit_s, study)
                    key = f"{run.run_id}-{study}"
                    pending[client.submit(attempt_in_worker, request, key=key, pure=False)] = run
                for future in _done(dask, client, list(pending), address):
                    run = pending.pop(future)
                    outcome = _outcome(future, run, out / run.stored_as, limit_s)
                    queue.times.learn(run, outcome.wall_s)
                    yield outcome
        except OSError as error:
            raise _lost(address) from error
        finally:
            if client.status == "running":
                client.cancel(list(pending), force=True)


def _distributed() -> ModuleType:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MecsimError(
            f"--executor dask needs dask, which cannot be imported ({error}); "
            "install it with: pip install 'mecsim[cluster]'"
        ) from error


def _client(dask: ModuleType, address: str) -> Any:
    # What it logs of a scheduler that is lost are tracebacks; what a user needs is raised.
    for name in ("distributed.client", "distributed.utils"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return dask.Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise MecsimError(f"--scheduler {address}: no dask scheduler answers: {error}") from error


def _refuse_other_versions(client: Any) -> None:
    """Raise MecsimError with the name of every worker that would compute other bits."""
    here, problems = code_here(), []
    for worker, there in client.run(cluster_worker.code_here, on_error="return").items():
        if isinstance(there, BaseException):
            problems.append(f"worker {worker}: cannot tell its versions ({type(there).__name__}: {there})")
        elif there != here:
            problems.append(f"worker {worker}: {_differences(there, here)}")
    if problems:
        raise MecsimError(
            "\n".join([*problems, "no run was sent: give workers the same mecsim, Python and packages"])
        )


def _differences(there: dict[str, str], here: dict[str, str]) -> str:
    names = sorted(name for name in {*there, *here} if there.get(name) != here.get(name))
    return "; ".join(f"{name} {there.get(name, 'none')}, here {here.get(name, 'none')}" for name in names)


def _done(dask: ModuleType, client: Any, pending: list[Any], address: str) -> list[Any]:
    """Wait until runs are done, and return them; raise RunFailed if the scheduler is lost."""
    asked_s, is_waiting = time.monotonic(), False
    while True:
        try:
            done = list(dask.wait(pending, timeout=1.0, return_when="FIRST_COMPLETED").done)
        except (TimeoutError, dask.TimeoutError):
            done = []
        except dask.CancelledError:
            done = [future for future in pending if future.done()]
        is_due = time.monotonic() - asked_s > _ASK_EVERY_S
        if client.status != "running" or (is_due and not _answers(client)):
            raise _lost(address)
        if is_due and not is_waiting and not client.nthreads():
            is_waiting = True
            warnings.warn(f"--scheduler {address}: no worker is connected, {_WAITING}", stacklevel=2)
        asked_s = time.monotonic() if is_due else asked_s
        if done:
            return done


def _lost(address: str) -> RunFailed:
    return RunFailed(
        f"--scheduler {address}: the dask scheduler has ended or cannot be reached; finished runs are kept, "
        "and the same command goes on once a scheduler answers"
    )


def _answers(client: Any) -> bool:
    try:
        client.sync(client.scheduler.identity, callback_timeout=_PATIENCE_S)
    except Exception:  # noqa: BLE001 - whatever keeps the scheduler from answering
        return False
    return True


def _outcome(future: Any, run: Run, folder: Path, limit_s: float | None) -> RunOutcome:
    error = future.exception()
    if error is None:
        found = future.result()
        return outcome_of(found, run, folder, limit_s) if isinstance(found, Ending) else found
    if isinstance(error, WrongWorker):
        raise MecsimError(f"worker {error.args[0]}: {_differences(error.args[1], code_here())}")
    if isinstance(error, Exception):
        killed = type(error).__name__ in ("KilledWorker", "CancelledError", "FutureCancelledError")
        return failure(run, error, "killed" if killed else "raised")
    raise error
