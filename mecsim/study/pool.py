"""Many runs on one machine: in this process, or in child processes that may die without harm to others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from mecsim.errors import MecsimError
from mecsim.results.leftovers import remove_parts
from mecsim.results.lock import folder_lock
from mecsim.study.outcome import RunOutcome, attempt, failure
from mecsim.study.plan import Run
from mecsim.study.schedule import RunQueue, RunTimes
from mecsim.study.worker_process import WorkerProcess

__all__ = ["RunOutcome", "attempt", "failure", "run_here", "run_in_workers", "run_waiting", "worker_count"]


def run_here(runs: Sequence[Run], out: Path | None, on_progress: Any) -> Iterator[RunOutcome]:
    """Run one after the other in this process; ``on_progress`` gets the share of a run done."""
    with folder_lock(out):
        for run in runs:
            tell = (
                None if on_progress is None else (lambda s, run=run: on_progress(s / run.scenario.duration_s))
            )
            yield attempt(run, run_folder(out, run), tell)


def run_in_workers(runs: Sequence[Run], jobs: int, out: Path | None) -> Iterator[RunOutcome]:
    """Yield outcomes as they come from ``jobs`` child processes with one BLAS thread each.

    A run whose process was killed is tried once more when the others are done.
    """
    killed = []
    by_id = {run.run_id: run for run in runs}
    with folder_lock(out):
        for outcome in run_waiting(RunQueue(runs, RunTimes()), jobs, out, reuse=True):
            if outcome.failure_kind == "killed":
                killed.append(by_id[outcome.run_id])
            else:
                yield outcome
        yield from run_waiting(RunQueue(killed, RunTimes()), 1, out, reuse=True)


def run_waiting(
    waiting: RunQueue, jobs: int, out: Path | None, limit_s: float | None = None, *, reuse: bool = False
) -> Iterator[RunOutcome]:
    """Yield the outcomes of runs as they come from ``jobs`` child processes.

    Every run is tried once. When the caller stops early, children are ended and what they were
    writing is removed.
    """
    children = [WorkerProcess() for _ in range(min(jobs, len(waiting)))]
    free, busy, done = (
        list(children),
        dict[Future[RunOutcome], tuple[WorkerProcess, Run]](),
        list[RunOutcome](),
    )
    if not children:
        return
    with ThreadPoolExecutor(len(children)) as threads:
        try:
            while waiting or busy:
                while free and waiting:
                    child, run = free.pop(), waiting.take()
                    call = threads.submit(child.attempt, run, run_folder(out, run), limit_s, reuse=reuse)
                    busy[call] = child, run
                yield from done
                done.clear()
                for call in wait(busy, return_when=FIRST_COMPLETED).done:
                    child, run = busy.pop(call)
                    free.append(child)
                    done.append(call.result())
                    waiting.rates.learn(run, done[-1].wall_s)
            yield from done
        finally:
            for child in children:
                child.end()
            if out is not None:
                remove_parts(out, [run.kept_as for _, run in busy.values()])


def worker_count(jobs: int, runs: int) -> int:
    """Return how many processes to use: ``jobs``, all cores for -1, never more than runs.

    Raises
    ------
    MecsimError
        If ``jobs`` is no such number.
    """
    if jobs < 1 and jobs != -1:
        raise MecsimError(f"jobs = {jobs}: must be at least 1, or -1 for every core")
    return max(1, min(os.cpu_count() or 1 if jobs == -1 else jobs, runs))


def run_folder(out: Path | None, run: Run) -> Path | None:
    """Return where a run's folder, or the file of a decision, goes."""
    return None if out is None else out / run.kept_as
