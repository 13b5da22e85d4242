"""The outcome of a run of a study: its metrics, or why it failed."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mecsim.errors import MecsimError, ResultStoreError
from mecsim.escapes import printable, printable_lines
from mecsim.results.after_warmup import delay_sketch
from mecsim.results.metrics import run_metrics, stored_metrics
from mecsim.results.notes import run_notes
from mecsim.study.decision_run import DecisionRun, write_decision
from mecsim.study.plan import Run
from mecsim.study.progress import OnProgress
from mecsim.study.runner import execute, finished

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.results.result import Results
    from mecsim.study.shared_world import SharedWorld

RunOrigin = Literal["new", "reused", "replaced"]
FailureKind = Literal["", "raised", "killed", "timeout", "store"]


@dataclass(frozen=True, eq=False, slots=True)
class RunOutcome:
    """The outcome of one run of a study, without its tables.

    Parameters
    ----------
    run_id, policy, seed
        Which run.
    metrics : dict or None
        As in ``mecsim.results.metrics``; None if the run failed.
    delays : DataFrame or None
        The sketch of the delay distribution; None if the run failed, or was read from its manifest.
    notes : tuple of str
        Remarks on the metrics.
    origin : str
        ``"new"``, ``"reused"`` if a finished run was read instead, or ``"replaced"`` if the folder held
        a run that does not count as finished (:func:`mecsim.study.run_status.run_status`).
    error, details : str
        Why the run failed, in one line and with the traceback; empty if it did not.
    failure_kind : str
        How a run failed: it ``"raised"`` an exception, its process was ``"killed"``, it reached the
        ``"timeout"``, or the ``"store"`` could not be written; empty if it did not fail.
    wall_s : float
        Time the simulation took, in s; NaN if it failed.
    """

    run_id: str
    policy: str
    seed: int
    metrics: dict[str, float] | None = None
    delays: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    origin: RunOrigin = "new"
    error: str = ""
    details: str = ""
    failure_kind: FailureKind = ""
    wall_s: float = math.nan


def attempt(
    run: Run,
    folder: Path | None = None,
    on_progress: OnProgress | None = None,
    *,
    reuse: bool = True,
    before_writing: Callable[[], None] | None = None,
    shared: SharedWorld | None = None,
) -> RunOutcome:
    """Return the outcome of a run; raise nothing, because an exception would end all other runs.

    With ``reuse``, a finished run is read from its folder if another computation could not give
    other bits. A decision has a file, not a folder, and is always made anew. ``shared`` has the world, if
    other runs meet in it.
    """
    try:
        origin: RunOrigin = "replaced" if folder is not None and folder.exists() else "new"
        if isinstance(run, DecisionRun):
            assert folder is not None
            if before_writing is not None:
                before_writing()
            return replace(reused(run, write_decision(run, folder)), origin=origin)
        results = finished(run, folder) if reuse and folder is not None else None
        if results is not None:
            return _outcome(run, results, "reused")
        results = execute(
            run, out=folder, on_progress=on_progress, before_writing=before_writing, shared=shared
        )
        return _outcome(run, results, origin)
    except Exception as error:  # noqa: BLE001 - whatever a policy raises is the outcome of this run
        return failure(run, error)


def failure(run: Run, error: Exception, kind: FailureKind = "raised") -> RunOutcome:
    """Return the outcome of a run that ended with an error."""
    name = "" if isinstance(error, MecsimError) else f"{type(error).__name__}: "
    details = "".join(traceback.format_exception(error))
    if isinstance(error, ResultStoreError) and isinstance(error.__cause__, OSError):
        kind = "store"
    return RunOutcome(
        run.run_id,
        run.policy.label,
        run.seed,
        error=printable(" ".join(f"{name}{error}".split())),
        details=printable_lines(details),
        failure_kind=kind,
    )


def reused(run: Run, manifest: dict[str, Any]) -> RunOutcome:
    """Return the outcome of a finished run from its manifest, without reading its tables."""
    return RunOutcome(
        run.run_id,
        run.policy.label,
        run.seed,
        stored_metrics(manifest),
        notes=tuple(manifest["notes"]),
        origin="reused",
        wall_s=manifest["wall_s"],
    )


def _outcome(run: Run, results: Results, origin: RunOrigin) -> RunOutcome:
    if "metrics" in results.manifest:
        known = reused(run, results.manifest)
        return replace(known, origin=origin, delays=delay_sketch(results))
    metrics = run_metrics(results)
    return RunOutcome(
        run.run_id,
        run.policy.label,
        run.seed,
        metrics,
        delay_sketch(results),
        tuple(run_notes(results, metrics)),
        origin,
        wall_s=results.manifest["wall_s"],
    )
