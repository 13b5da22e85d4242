"""A study from its file to a folder of runs; it resumes after any interruption."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mecsim.errors import ResultStoreError, RunFailed
from mecsim.messages import counted
from mecsim.overview import Overview, Shown
from mecsim.results.csv_text import csv_text
from mecsim.results.files import make_folder, write_text
from mecsim.results.folder_plan import record_plan
from mecsim.results.leftovers import remove_parts, set_aside
from mecsim.results.lock import folder_lock
from mecsim.results.metrics import same_metrics, stored_metrics
from mecsim.study.failure_note import note_failure
from mecsim.study.folder_watch import FolderWatch
from mecsim.study.notebook_bar import study_bar
from mecsim.study.outcome import RunOutcome, reused
from mecsim.study.plan import Run
from mecsim.study.pool import run_queue, worker_count
from mecsim.study.progress import OnStudyProgress
from mecsim.study.record import record, refuse_other_changes
from mecsim.study.retry import Executor, with_retries
from mecsim.study.run_status import RunStatus, statuses, table
from mecsim.study.schedule import RunQueue, RunTimes
from mecsim.study.spec import Study, load_study

RESULTS = Path("results")
TABLE = "runs.csv"


@dataclass(frozen=True, eq=False, repr=False)
class Sweep(Shown):
    """The outcome of :func:`sweep`.

    Parameters
    ----------
    study : Study
        What was asked for.
    folder : Path
        Where the run folders are.
    outcomes : tuple of RunOutcome
        The outcome of every run of this process, in the order of the study.
    damaged : tuple of Path
        The new places of run folders that were damaged.
    """

    study: Study
    folder: Path
    outcomes: tuple[RunOutcome, ...]
    damaged: tuple[Path, ...] = ()

    def overview(self) -> Overview:
        """Return how many runs there are, how they came about, and where they are."""
        rows = [(origin, counted(count, "run")) for origin, count in self.origins.items()]
        rows += [("failed", counted(len(self.failures), "run"))] if self.failures else []
        return Overview(f"Sweep '{self.study.name}'", [*rows, ("folder", str(self.folder))])

    @property
    def failures(self) -> tuple[RunOutcome, ...]:
        """The runs that failed twice, or met the time limit."""
        return tuple(outcome for outcome in self.outcomes if outcome.error)

    @property
    def origins(self) -> Counter[str]:
        """How many finished runs are new, reused or replaced."""
        return Counter(outcome.origin for outcome in self.outcomes if not outcome.error)


def sweep(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    allow_local_policies: bool = False,
    jobs: int = -1,
    scheduler: str | None = None,
    shard: tuple[int, int] | None = None,
    on_progress: OnStudyProgress | None = None,
) -> Sweep:
    """Compute the missing runs of a study.

    Finished runs stay as they are if scenario, policy and its version, seed, code and packages are
    the same. A run that fails is tried once more, then marked with its traceback in
    ``failed-<run-id>.txt``; the others go on. One that meets the time limit is not tried again
    before the next call.

    Parameters
    ----------
    study : Study, str or Path
        A study, or its file.
    out : str or Path, optional
        Folder for one run folder each, ``runs.csv`` and ``study.toml``; ``results/<name>`` if left out.
    changes : mapping, optional
        Scenario keys to change in every scenario of the file.
    allow_local_policies : bool
        Whether policies of the file may be files of code.
    jobs : int
        Worker processes; -1 for every core. The tables do not depend on it.
    scheduler : str, optional
        Address of a dask scheduler, whose workers see the same folder; ``jobs`` is then not used.
    shard : tuple of int, optional
        ``(i, n)``: run only the i-th of n parts, i from 1.
    on_progress : callable, optional
        Called with runs done, their number, and a line about the last one; a notebook shows a bar where it
        is left out.

    Raises
    ------
    StudyError, MecsimError
        Before any run starts; also if the folder was swept with other ``changes``.
    ResultStoreError
        If another process writes to the folder, or it cannot be written (any more); finished runs stay.
    RunFailed
        If the dask scheduler ended; finished runs stay, and ``runs.csv`` is written.
    """
    asked = (
        study
        if isinstance(study, Study)
        else load_study(study, changes, allow_local_policies=allow_local_policies)
    )
    folder = make_folder(RESULTS / asked.name if out is None else out).absolute()
    runs = part(asked.runs, shard)
    refuse_other_changes(asked, folder)
    with folder_lock(folder, shard), study_bar(asked.name, on_progress) as tell:
        record(asked, folder)
        record_plan(
            folder,
            (run.policy.label for run in asked.runs),
            (run.scenario_sha256 for run in asked.runs),
        )
        # Other shards may be at work: remove only the leftovers of this one.
        mine = None if shard is None else [run.stored_as for run in runs]
        try:
            outcomes, damaged = complete(
                runs, folder, jobs, limit_s=asked.limit_s, scheduler=scheduler, mine=mine,
                on_progress=tell,
            )  # fmt: skip
        except RunFailed:
            write_table(asked, folder)
            raise
        _refuse_lost_runs(outcomes, write_table(asked, folder), folder)
    return Sweep(asked, folder, outcomes, damaged)


def complete(
    runs: Sequence[Run],
    folder: Path,
    jobs: int,
    *,
    limit_s: float | None = None,
    scheduler: str | None = None,
    mine: Sequence[str] | None = None,
    on_progress: OnStudyProgress | None = None,
) -> tuple[tuple[RunOutcome, ...], tuple[Path, ...]]:
    """Compute the missing ones of some runs, in a folder that is locked.

    Parameters
    ----------
    runs : sequence of Run
        Each only once.
    folder : Path
        Where they are kept.
    jobs : int
        Worker processes; -1 for every core.
    limit_s : float, optional
        Wall-clock limit of a run.
    scheduler : str, optional
        Address of a dask scheduler; worker processes of this machine if left out.
    mine : sequence of str, optional
        What is removed where it was not written to its end; in all of the folder if left out.
    on_progress : callable, optional
        As in :func:`sweep`.

    Returns
    -------
    tuple of RunOutcome, tuple of Path
        The outcome of every run; the new places of damaged ones.
    """
    at_once = worker_count(jobs, len(runs))
    remove_parts(folder, mine)
    states = statuses(runs, folder, verify=True)
    damaged = tuple(set_aside(folder / s.run.stored_as) for s in states if s.status == "damaged")
    found = {s.run.run_id: reused(s.run, s.manifest) for s in states if s.status == "finished" and s.manifest}
    waiting = [state.run for state in states if state.status != "finished"]
    if on_progress is not None:
        on_progress(len(found), len(runs), "")
    executor, watch = _executor(folder, limit_s, scheduler, RunTimes.of(states)), FolderWatch(folder)
    for outcome in with_retries(waiting, executor, at_once):
        watch.check()
        _refuse_a_broken_store(outcome, folder)
        note_failure(folder, outcome.run_id, outcome.error, outcome.details)
        found[outcome.run_id] = outcome
        if on_progress is not None:
            on_progress(len(found), len(runs), f"{outcome.run_id}: {outcome.error or outcome.origin}")
    # Processes that were killed just now may have left something.
    remove_parts(folder, mine)
    return tuple(found[run.run_id] for run in runs), damaged


def part(runs: Sequence[Run], shard: tuple[int, int] | None) -> Sequence[Run]:
    """Return the runs of a shard; which they are depends on the study alone."""
    if shard is None:
        return runs
    # By hash: by position, one shard might get all runs of the slowest policy.
    dealt = sorted(runs, key=lambda run: run.run_id[-8:])[shard[0] - 1 :: shard[1]]
    mine = {run.run_id for run in dealt}
    return [run for run in runs if run.run_id in mine]


def write_table(study: Study, folder: Path) -> list[RunStatus]:
    """Write ``runs.csv``, one row for each run of the study, and return their states."""
    states = statuses(study.runs, folder)
    write_text(folder / TABLE, csv_text(table(states)))
    return states


def _executor(folder: Path, limit_s: float | None, scheduler: str | None, times: RunTimes) -> Executor:
    if scheduler is None:
        return lambda runs, jobs: run_queue(RunQueue(runs, times), jobs, folder, limit_s)
    from mecsim.study.cluster import run_on_dask

    return lambda runs, _: run_on_dask(RunQueue(runs, times), scheduler, folder, limit_s)


def _refuse_lost_runs(outcomes: Sequence[RunOutcome], states: Sequence[RunStatus], folder: Path) -> None:
    """Raise ResultStoreError if somebody has deleted or changed what was finished."""
    stored = {state.run.run_id: state for state in states}
    finished = [outcome for outcome in outcomes if not outcome.error]
    lost = [outcome.run_id for outcome in finished if stored[outcome.run_id].status == "missing"]
    if lost:
        raise ResultStoreError(
            f"{folder}: {len(lost)} finished runs were deleted while the study ran, first {lost[0]}; "
            "the same command runs them again"
        ) from FileNotFoundError(lost[0])
    changed = [o.run_id for o in finished if not _is_the_same(o, stored[o.run_id])]
    if changed:
        raise ResultStoreError(
            f"{folder}: {len(changed)} finished runs were changed while the study ran, first {changed[0]}; "
            "look at the policies of the study, delete these folders, and run again"
        ) from OSError(changed[0])


def _is_the_same(outcome: RunOutcome, state: RunStatus) -> bool:
    """Return whether a folder has the metrics that its run has reported."""
    if state.status == "damaged" or state.manifest is None or outcome.metrics is None:
        return False
    return same_metrics(stored_metrics(state.manifest), outcome.metrics)


def _refuse_a_broken_store(outcome: RunOutcome, folder: Path) -> None:
    """Stop at the first run that cannot be written: those after it would be computed in vain."""
    if outcome.failure_kind == "store":
        raise ResultStoreError(
            f"{outcome.error}\n{folder}: the study stopped; finished runs are kept; the same command goes on"
        ) from OSError(outcome.error)
