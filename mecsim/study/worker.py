"""One place where runs are made one after the other, each in the right process.

Built-in code runs in a process that is used again; foreign code, and every run with a time limit, in a
child of the fork server.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from mecsim.errors import ResultStoreError, RunFailed
from mecsim.results.result import Results
from mecsim.results.store import load_run
from mecsim.study.isolated_run import IsolatedRun
from mecsim.study.isolation.place import frames
from mecsim.study.outcome import RunOutcome, attempt
from mecsim.study.plan import Run
from mecsim.study.progress import OnProgress, told_where
from mecsim.study.runner import execute
from mecsim.study.shared_world import SharedWorld
from mecsim.study.worker_process import WorkerProcess


class Worker:
    """Makes one run at a time, in processes that may die without harm to others."""

    def __init__(self) -> None:
        self._process = WorkerProcess()
        self._isolated: IsolatedRun | None = None
        self._is_ended = False

    def attempt(
        self,
        run: Run,
        folder: Path | None,
        limit_s: float | None = None,
        *,
        reuse: bool = False,
        shares: bool = False,
    ) -> RunOutcome:
        """Return the outcome of a run, also if its process dies or takes longer than ``limit_s``.

        ``shares`` says whether other runs meet in its world.
        """
        if not needs_isolation(run, limit_s):
            return self._process.attempt(run, folder, reuse=reuse, shares=shares)
        self._isolated = IsolatedRun(run, folder, limit_s, reuse=reuse)
        if self._is_ended:
            self._isolated.stop()
        return self._isolated.attempt()

    def end(self) -> None:
        """End the processes; an attempt that is under way returns where it was."""
        self._is_ended = True
        if self._isolated is not None:
            self._isolated.stop()
        self._process.end()


def needs_isolation(run: Run, limit_s: float | None) -> bool:
    """Return whether a run gets a process of its own: there alone can it be ended, and do no harm."""
    return limit_s is not None or run.is_foreign


def attempt_here(
    run: Run,
    folder: Path | None,
    limit_s: float | None = None,
    on_progress: OnProgress | None = None,
    *,
    reuse: bool = True,
    shared: SharedWorld | None = None,
) -> RunOutcome:
    """Return the outcome of a run that this process waits for, and makes itself if it may.

    ``shared`` has its world, if other runs meet in it.

    Raises
    ------
    KeyboardInterrupt
        With a note of where the run was.
    """
    if needs_isolation(run, limit_s):
        return IsolatedRun(run, folder, limit_s, on_progress, reuse=reuse).attempt()
    with told_where(f"policy '{run.policy.label}'", on_progress) as note:
        return attempt(run, folder, note, reuse=reuse, shared=shared)


def results_of(
    run: Run,
    folder: Path | None = None,
    limit_s: float | None = None,
    on_progress: OnProgress | None = None,
) -> Results:
    """Return the results of one run, made here if it may be, and written to its folder if one is given.

    Raises
    ------
    PolicyFailed, InvalidAllocation, ResultStoreError
        As :func:`mecsim.study.runner.execute`.
    RunFailed
        If a process of its own was needed and did not finish the run.
    KeyboardInterrupt
        With a note of where the run was.
    """
    if not needs_isolation(run, limit_s):
        with told_where(f"policy '{run.policy.label}'", on_progress) as note:
            return execute(run, out=folder, on_progress=note)
    if folder is None:
        with TemporaryDirectory() as place:
            return results_of(run, Path(place, run.run_id), limit_s, on_progress)
    outcome = IsolatedRun(run, folder, limit_s, on_progress).attempt()
    if outcome.failure_kind == "store":
        raise ResultStoreError(outcome.error) from OSError(outcome.error)
    if outcome.error:
        raise RunFailed("\n".join([outcome.error, *frames(outcome.details)]))
    return load_run(folder)
