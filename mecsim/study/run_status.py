"""The status of a run in its folder; the one rule of when a run is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from mecsim import plugin_files
from mecsim.errors import OtherSchema, ResultStoreError
from mecsim.results.manifest import MANIFEST, read_manifest
from mecsim.results.metrics import METRICS
from mecsim.results.provenance import differences
from mecsim.results.store import verify_run
from mecsim.study.decision_run import DecisionRun, read_decision
from mecsim.study.failure_note import read_failure
from mecsim.study.plan import Run
from mecsim.study.snapshot import DECISION_MEASURES
from mecsim.tables import KEYS

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "failed", "missing", "outdated", "damaged"]
_METRICS = {metric.name for metric in METRICS}
STATUSES: tuple[Status, ...] = get_args(Status)


class RunStatus(NamedTuple):
    """Whether a run is done, with the reason if it is not, and its manifest where that can be read."""

    run: Run
    status: Status
    why: str = ""
    manifest: dict[str, Any] | None = None


def run_status(run: Run, place: Path, *, verify: bool = False, exact: bool = False) -> RunStatus:
    """Return whether a run is done; ``simulate`` and every study go by this.

    A run is ``finished``, and not computed again, if its folder is complete and its identity is that
    of the run asked for: the same scenario, policy, parameters and seed, computed by the same code of
    mecsim and policy, Python and packages. It is ``outdated`` if the identity or the schema differs,
    ``damaged`` if the folder is not what was written, ``failed`` if there is a note of its failure,
    else ``missing``.

    Parameters
    ----------
    run : Run
        What is asked for.
    place : Path
        Its folder, or the file of a decision.
    verify : bool
        Whether to compare the tables with their SHA-256.
    exact : bool
        Whether a run is outdated too if another computation could give other bits: a policy that does
        not ship with mecsim may read files that nobody can list, decisions may take their measured
        time, processors and BLAS threads may differ. ``mecsim run`` and ``compare`` ask for this, a
        sweep does not: it resumes on whatever machine of a cluster comes next.
    """
    is_decision = isinstance(run, DecisionRun)
    file = place if is_decision else place / MANIFEST
    if not (file.exists() or file.is_symlink()):
        reason = read_failure(place.parent, run.run_id)
        return RunStatus(run, "missing") if reason is None else RunStatus(run, "failed", reason)
    read = read_decision if is_decision else verify_run if verify else read_manifest
    try:
        manifest = read(place)
    except OtherSchema:
        return RunStatus(run, "outdated", "of another version of the format")
    except ResultStoreError as error:
        return RunStatus(run, "damaged", str(error))
    names = DECISION_MEASURES if is_decision else _METRICS
    complete = names <= manifest.get("metrics", {}).keys() and "notes" in manifest
    if manifest["identity"] != run.identity or not complete:
        return RunStatus(run, "outdated", "of other code, packages or policy file", manifest)
    if exact and (reason := _inexact(manifest)):
        return RunStatus(run, "outdated", reason, manifest)
    return RunStatus(run, "finished", "", manifest)


def _inexact(manifest: dict[str, Any]) -> str:
    """Return why another computation of a run could give other bits; empty if it could not."""
    if not manifest["policy_is_own"]:
        return "of a policy that does not ship with mecsim"
    if not manifest.get("reproducible", True):
        return "with measured decision times"
    if plugin_files.UNKNOWN in manifest.get("plugins", {}).values():
        return "with a plug-in of unknown version"
    changed = differences(manifest["environment"])
    return f"of another environment: {', '.join(changed)}" if changed else ""


def statuses(runs: Iterable[Run], folder: Path, *, verify: bool = False) -> list[RunStatus]:
    """Return the status of each run of a study in its folder, as :func:`run_status`."""
    return [run_status(run, folder / run.stored_as, verify=verify) for run in runs]


def table(states: Iterable[RunStatus]) -> pd.DataFrame:
    """Return one row a run: its keys, swept values, status, and the metrics of finished ones."""
    import pandas as pd

    names = [metric.name for metric in METRICS]
    rows = []
    for state in states:
        run = state.run
        keys = dict(zip(KEYS, (run.scenario.name, run.policy.label, run.seed), strict=True))
        metrics = state.manifest["metrics"] if state.status == "finished" and state.manifest else {}
        told = {"state": state.status, "why": state.why}
        rows.append(keys | dict(run.swept) | told | {name: metrics.get(name) for name in names})
    return pd.DataFrame(rows).astype(dict.fromkeys(names, "float64"))
