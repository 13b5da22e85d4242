"""Policies compared on the same worlds."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mecsim.errors import MecsimError, RunFailed
from mecsim.results.files import make_folder
from mecsim.results.folder_plan import record_plan
from mecsim.results.lock import folder_lock
from mecsim.results.metrics import headline
from mecsim.study.comparison import Comparison
from mecsim.study.failure_note import note_failure
from mecsim.study.folder_watch import FolderWatch
from mecsim.study.notebook_bar import study_bar
from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run, plan
from mecsim.study.policy_choice import choose_policies
from mecsim.study.pool import run_here, run_in_workers, worker_count
from mecsim.study.progress import OnStudyProgress
from mecsim.study.retry import with_retries
from mecsim.study.runner import as_scenario

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike


def compare(
    scenario: Scenario | str | Path,
    policies: Sequence[PolicyLike] | Mapping[str, PolicyLike],
    replications: int = 10,
    *,
    seed: int = 0,
    jobs: int = 1,
    limit_s: float | None = None,
    out: str | Path | None = None,
    on_progress: OnStudyProgress | None = None,
) -> Comparison:
    """Compare policies on the same replications of one scenario.

    Replication k has the seed ``seed + k`` under every policy, so all see the same world. A run
    that fails is tried once more, then named in a warning and in ``failures``; the others go on.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, a scenario file, or the name of a shipped one.
    policies : sequence, or mapping of labels
        Each as in :func:`mecsim.simulate`: a name, a class, an object, or a mapping with ``name``, optionally
        ``label``, and parameters. ``{"plain": Mine(), "edge": Mine(phi=0), "dashf": "dashf"}`` has them by
        label; several objects of one class get labels of what they differ in. Differences are taken to the
        first.
    replications : int
        Runs of each policy, at least 1; intervals need 2.
    seed : int
        Seed of the first replication.
    jobs : int
        Worker processes; 1 runs here, -1 uses every core. The tables do not depend on it. A policy that does
        not ship with mecsim runs in a process of its own, whatever their number.
    limit_s : float, optional
        Wall-clock time after which a run is ended, and has failed.
    out : str or Path, optional
        Folder for one run folder each. A finished run found there is read instead of run again if
        nothing that its bits depend on has changed, else it is replaced.
    on_progress : callable, optional
        Called with runs done (a fraction where that is known), their number, and a line about the last one; a
        notebook shows a bar where it is left out.

    Raises
    ------
    ScenarioError, PolicyNotFound, PolicyFailed, ResultStoreError
        Before any run starts.
    RunFailed
        If every run failed.
    """
    if replications < 1:
        raise MecsimError(f"replications = {replications}: must be at least 1")
    if seed < 0:
        raise MecsimError(f"seed = {seed}: must not be negative")
    check_limit(limit_s)
    runs = plan(as_scenario(scenario), choose_policies(policies, limit_s=limit_s), replications, seed)
    folder = None if out is None else make_folder(out)
    # Workers finish in any order; nothing after this line shows it.
    workers = worker_count(jobs, len(runs))
    with study_bar(runs[0].scenario.name, on_progress) as tell:
        by_id = {o.run_id: o for o in _outcomes(runs, workers, folder, limit_s, tell)}
    comparison = Comparison(
        scenario=runs[0].scenario.name,
        policies=tuple(dict.fromkeys(run.policy.label for run in runs)),
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        outcomes=tuple(by_id[run.run_id] for run in runs),
        out=folder,
        headline=headline(runs[0].scenario.workload.rounds.mode),
    )
    _announce_failures(comparison)
    return comparison


def _outcomes(
    runs: Sequence[Run],
    workers: int,
    out: Path | None,
    limit_s: float | None,
    on_progress: OnStudyProgress | None,
) -> Iterator[RunOutcome]:
    """Yield the outcome of each run, and note in the folder which failed."""
    done = 0

    def report(more: float, message: str = "") -> None:
        if on_progress is not None:
            on_progress(done + more, len(runs), message)

    def executor(asked: Sequence[Run], jobs: int) -> Iterator[RunOutcome]:
        if workers > 1:
            return run_in_workers(asked, jobs, out, limit_s)
        return run_here(asked, out, report, limit_s)

    watch = FolderWatch(out)
    with folder_lock(out):
        if out is not None:
            record_plan(out, (run.policy.label for run in runs), (run.scenario_sha256 for run in runs))
        for outcome in with_retries(runs, executor, workers):
            watch.check()
            if out is not None:
                note_failure(out, outcome.run_id, outcome.error, outcome.details)
            done += 1
            report(0, f"{outcome.run_id}: {outcome.error or outcome.origin}")
            yield outcome


def check_limit(limit_s: float | None) -> None:
    """Refuse a limit that is no positive number."""
    if limit_s is not None and not limit_s > 0:
        raise MecsimError(f"limit_s = {limit_s}: must be above 0, in s")


def _announce_failures(comparison: Comparison) -> None:
    """Warn of failed runs; raise RunFailed if there are no others."""
    failures, total = comparison.failures, len(comparison.outcomes)
    if len(failures) == total:
        first = failures[0]
        note = f" (traceback in {comparison.out}/failed-{first.run_id}.txt)" if comparison.out else ""
        raise RunFailed(f"every run failed; the first, {first.run_id}: {first.error}{note}")
    if failures:
        named = "; ".join(f"{failed.run_id}: {failed.error}" for failed in failures)
        warnings.warn(f"{len(failures)} of {total} runs failed: {named}", RuntimeWarning, stacklevel=3)
