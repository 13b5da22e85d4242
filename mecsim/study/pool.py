"""Many runs on one machine: in this process, or in worker processes that may die without harm to others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

from mecsim.errors import MecsimError
from mecsim.results.leftovers import remove_parts
from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run
from mecsim.study.progress import OnProgress
from mecsim.study.schedule import RunQueue, RunTimes
from mecsim.study.shared_world import SharedWorld, met_often, world_key
from mecsim.study.worker import Worker, attempt_here

_PATIENCE_S = 5.0


def run_here(
    runs: Sequence[Run], out: Path | None, on_share: OnProgress | None, limit_s: float | None = None
) -> Iterator[RunOutcome]:
    """Run one after the other; ``on_share`` is called with the share of a run done.

    Runs of built-in code without a limit are made in this process.
    """
    shared, worlds = SharedWorld(), met_often(runs)
    for run in runs:
        place, tell = run_folder(out, run), _share_of(run, on_share)
        met = shared if world_key(run) in worlds else None
        yield attempt_here(run, place, limit_s, tell, shared=met)


def _share_of(run: Run, on_share: OnProgress | None) -> OnProgress | None:
    return None if on_share is None else lambda done_s: on_share(done_s / run.scenario.duration_s)


def run_in_workers(
    runs: Sequence[Run], jobs: int, out: Path | None, limit_s: float | None = None
) -> Iterator[RunOutcome]:
    """Yield outcomes as they come from ``jobs`` worker processes; finished runs in ``out`` are read."""
    return run_queue(RunQueue(runs, RunTimes()), jobs, out, limit_s, reuse=True)


def run_queue(
    queue: RunQueue, jobs: int, out: Path | None, limit_s: float | None = None, *, reuse: bool = False
) -> Iterator[RunOutcome]:
    """Yield the outcomes of runs as they come from ``jobs`` worker processes with one BLAS thread each.

    Every run is tried once. When the caller stops early, the processes are ended and what they were
    writing is removed.
    """
    workers = [Worker() for _ in range(min(jobs, len(queue)))]
    if not workers:
        return
    free, busy = list(workers), dict[Future[RunOutcome], tuple[Worker, Run]]()
    done, last = list[RunOutcome](), dict[Worker, Run]()
    worlds = met_often(queue)
    with ThreadPoolExecutor(len(workers)) as threads:
        try:
            while queue or busy:
                while free and queue:
                    worker = free.pop()
                    last[worker] = run = queue.take(last.get(worker))
                    place, shares = run_folder(out, run), world_key(run) in worlds
                    call = threads.submit(worker.attempt, run, place, limit_s, reuse=reuse, shares=shares)
                    busy[call] = worker, run
                yield from done
                done.clear()
                for call in wait(busy, return_when=FIRST_COMPLETED).done:
                    worker, run = busy.pop(call)
                    free.append(worker)
                    done.append(call.result())
                    queue.times.learn(run, done[-1].wall_s)
            yield from done
        except KeyboardInterrupt as interrupt:
            for worker in workers:
                worker.end()
            for note in _where(busy):
                interrupt.add_note(note)
            raise
        finally:
            for worker in workers:
                worker.end()
            if out is not None:
                remove_parts(out, [run.stored_as for _, run in busy.values()])


def _where(busy: dict[Future[RunOutcome], tuple[Worker, Run]]) -> Iterator[str]:
    """Yield where each run was when it was ended."""
    for call in wait(busy, timeout=_PATIENCE_S).done:
        outcome = call.result()
        if outcome.error:
            yield f"{outcome.run_id}: {outcome.error}"


def worker_count(jobs: int, runs: int) -> int:
    """Return how many processes to use: ``jobs``, all cores for -1, never more than runs.

    Raises
    ------
    MecsimError
        If ``jobs`` is no such number.
    """
    if jobs < 1 and jobs != -1:
        raise MecsimError(f"jobs = {jobs}: must be at least 1, or -1 for every core")
    return max(1, min(cores() if jobs == -1 else jobs, runs))


def cores() -> int:
    """Return how many processors this machine has."""
    return os.cpu_count() or 1


def run_folder(out: Path | None, run: Run) -> Path | None:
    """Return where a run's folder, or the file of a decision, goes."""
    return None if out is None else out / run.stored_as
