"""Many runs on one machine: in this process, or in workers that may die without harm to the others."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mecsim.errors import MecsimError
from mecsim.results.metrics import delay_sketch, run_metrics, run_notes
from mecsim.results.store import remove_parts
from mecsim.study.plan import Run
from mecsim.study.runner import OnProgress, execute, finished

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.results.result import Results

Origin = Literal["new", "reused", "replaced"]


@dataclass(frozen=True, eq=False, slots=True)
class Outcome:
    """How one run of a study ended; small, whatever the size of its tables.

    Parameters
    ----------
    run_id, policy, seed
        Which run.
    metrics : dict or None
        As in ``mecsim.results.metrics``; None if the run failed.
    delays : DataFrame or None
        The sketch of the delay distribution; None if the run failed.
    notes : tuple of str
        What to know about the metrics.
    origin : str
        ``"new"``, ``"reused"`` if a finished run was read instead, or ``"replaced"`` if a finished
        run was there, but with other code, versions or a policy that is not mecsim's own.
    error, details : str
        Why the run failed, in one line and with the traceback; empty if it did not.
    """

    run_id: str
    policy: str
    seed: int
    metrics: dict[str, float] | None = None
    delays: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    origin: Origin = "new"
    error: str = ""
    details: str = ""


def attempt(run: Run, folder: Path | None = None, on_progress: OnProgress | None = None) -> Outcome:
    """Return the outcome of a run; never raise, for one exception would end all other runs."""
    try:
        results = None if folder is None else finished(run, folder)
        if results is not None:
            return _outcome(run, results, "reused")
        origin: Origin = "replaced" if folder is not None and folder.exists() else "new"
        return _outcome(run, execute(run, out=folder, on_progress=on_progress), origin)
    except Exception as error:  # noqa: BLE001 - whatever a policy may raise is this run's outcome
        return failure(run, error)


def failure(run: Run, error: Exception) -> Outcome:
    """Return the outcome of a run that ended with an error."""
    kind = "" if isinstance(error, MecsimError) else f"{type(error).__name__}: "
    details = "".join(traceback.format_exception(error))
    return Outcome(run.run_id, run.policy.label, run.seed, error=f"{kind}{error}", details=details)


def run_here(runs: Sequence[Run], out: Path | None, on_progress: Any) -> Iterator[Outcome]:
    """Run one after the other in this process; ``on_progress`` gets the share of a run done."""
    for run in runs:
        tell = None if on_progress is None else (lambda s, run=run: on_progress(s / run.scenario.duration_s))
        yield attempt(run, _folder(out, run), tell)


def run_in_workers(runs: Sequence[Run], jobs: int, out: Path | None) -> Iterator[Outcome]:
    """Yield outcomes as they come from ``jobs`` worker processes with one BLAS thread each.

    When a worker is killed, its pool is lost with all it had begun. The runs that may have been
    in work are then tried alone, so that a run which kills its worker is named and the others go on.
    """
    waiting = {run.run_id: run for run in runs}
    disturbed = True
    try:
        while waiting:
            for outcome in _until_broken(list(waiting.values()), jobs, out):
                del waiting[outcome.run_id]
                yield outcome
            for run in list(waiting.values())[: 2 * jobs]:
                alone = next(_until_broken([run], 1, out), None)
                del waiting[run.run_id]
                yield alone or failure(
                    run, MecsimError("its worker process was killed, perhaps for lack of memory")
                )
        disturbed = False
    finally:
        _end_workers()
        if disturbed and out is not None:
            remove_parts(out)


def _until_broken(runs: Sequence[Run], jobs: int, out: Path | None) -> Iterator[Outcome]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool

    # joblib runs a single job in this process, which is the one that must survive.
    jobs = max(jobs, 2)
    with parallel_config(backend="loky", inner_max_num_threads=1), suppress(BrokenProcessPool):
        parallel = Parallel(
            n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs"
        )
        yield from parallel(delayed(attempt)(run, _folder(out, run)) for run in runs)


def _end_workers() -> None:
    """Stop the pool: the next study must not meet modules that its policies have changed since."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)


def worker_count(jobs: int, runs: int) -> int:
    """Return how many processes to use: ``jobs``, all cores for -1, never more than runs."""
    return max(1, min(os.cpu_count() or 1 if jobs == -1 else jobs, runs))


def _folder(out: Path | None, run: Run) -> Path | None:
    return None if out is None else out / run.run_id


def _outcome(run: Run, results: Results, origin: Origin) -> Outcome:
    return Outcome(
        run.run_id,
        run.policy.label,
        run.seed,
        run_metrics(results),
        delay_sketch(results),
        tuple(run_notes(results)),
        origin,
    )
