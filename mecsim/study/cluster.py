"""The runs of a study on the workers of a dask scheduler, which need access to the study's folder."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mecsim.errors import MecsimError
from mecsim.study.outcome import RunOutcome, failure
from mecsim.study.plan import Run
from mecsim.study.schedule import RunQueue
from mecsim.study.worker_process import attempt_in_worker

_PATIENCE_S = 30


def run_on_dask(queue: RunQueue, address: str, out: Path, limit_s: float | None) -> Iterator[RunOutcome]:
    """Yield the outcomes of runs as they come from the workers of a scheduler.

    When a worker dies, dask gives its run to another one, three times at most. Two runs for each
    thread of a worker are submitted at a time, so that the longest of the others still come first
    once finished runs have shown how long they take.

    Raises
    ------
    MecsimError
        If dask is not installed, or no scheduler answers at the address.
    """
    if not queue:
        return
    dask = _distributed()
    with _client(dask, address) as client:
        study = uuid.uuid4().hex
        pending: dict[str, Run] = {}
        done = dask.as_completed()

        def hand_out() -> None:
            room = 2 * max(sum(client.nthreads().values()), 1)
            while queue and len(pending) < room:
                run = queue.take()
                key = f"{run.run_id}-{study}"
                pending[key] = run
                done.add(client.submit(attempt_in_worker, run, out / run.stored_as, limit_s, study, key=key))

        try:
            hand_out()
            for future in done:
                run = pending.pop(future.key)
                outcome = _outcome(future, run)
                queue.times.learn(run, outcome.wall_s)
                hand_out()
                yield outcome
        finally:
            client.cancel(list(done.futures), force=True)


def _distributed() -> ModuleType:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise MecsimError(
            f"--executor dask needs dask, which cannot be imported ({error}); "
            "install it with: pip install 'mecsim[cluster]'"
        ) from error


def _client(dask: ModuleType, address: str) -> Any:
    try:
        return dask.Client(address, timeout=_PATIENCE_S)
    except (OSError, ValueError) as error:
        raise MecsimError(f"--scheduler {address}: no dask scheduler answers: {error}") from error


def _outcome(future: Any, run: Run) -> RunOutcome:
    error = future.exception()
    if error is None:
        outcome: RunOutcome = future.result()
        return outcome
    if isinstance(error, Exception):
        killed = type(error).__name__ in ("KilledWorker", "CancelledError")
        return failure(run, error, "killed" if killed else "raised")
    raise error
