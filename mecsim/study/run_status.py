"""What a study folder holds of the runs that a study asks for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from mecsim.errors import OtherSchema, ResultStoreError
from mecsim.results.files import write_text
from mecsim.results.metrics import METRICS
from mecsim.results.store import MANIFEST, read_manifest, verify_run
from mecsim.study.decision_run import DecisionRun, read_decision
from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run
from mecsim.study.schedule import RunTimes
from mecsim.tables import KEYS

if TYPE_CHECKING:
    import pandas as pd

Status = Literal["finished", "failed", "missing", "outdated", "damaged"]
STATUSES: tuple[Status, ...] = get_args(Status)


class RunStatus(NamedTuple):
    """One run of a study: finished, failed when last tried, missing, outdated, or damaged.

    Outdated is a finished run of other code or packages, of a policy file that has changed since, or
    in another version of the format; the last has no manifest here.
    """

    run: Run
    status: Status
    why: str = ""
    manifest: dict[str, Any] | None = None


def look(runs: Iterable[Run], folder: Path, *, verify: bool = False) -> list[RunStatus]:
    """Return the state of each run; with ``verify``, tables are compared with their SHA-256."""
    return [_state(run, folder, verify) for run in runs]


def _state(run: Run, folder: Path, verify: bool) -> RunStatus:
    place = folder / run.kept_as
    read = read_decision if isinstance(run, DecisionRun) else verify_run if verify else read_manifest
    if not (place if isinstance(run, DecisionRun) else place / MANIFEST).is_file():
        mark = failure_mark(folder, run.run_id)
        if mark.is_file():
            return RunStatus(run, "failed", mark.read_text(encoding="utf-8").partition("\n")[0])
        return RunStatus(run, "missing")
    try:
        manifest = read(place)
    except OtherSchema:
        return RunStatus(run, "outdated", "of another version of the format")
    except ResultStoreError as error:
        return RunStatus(run, "damaged", str(error))
    if manifest.get("identity") != run.identity or "metrics" not in manifest:
        return RunStatus(run, "outdated", "of other code, packages or policy file", manifest)
    return RunStatus(run, "finished", "", manifest)


def failure_mark(folder: Path, run_id: str) -> Path:
    """Return the file that says why a run failed: the reason in its first line, then the traceback."""
    return folder / f"failed-{run_id}.txt"


def mark(folder: Path, outcome: RunOutcome) -> None:
    """Write down why a run failed, or remove what was written when it failed before."""
    file = failure_mark(folder, outcome.run_id)
    if outcome.error:
        reason = " ".join(outcome.error.split())
        write_text(file, f"{reason}\n\n{outcome.details}")
    else:
        file.unlink(missing_ok=True)


def rates(states: Iterable[RunStatus]) -> RunTimes:
    """Return what finished runs say about how long others will take."""
    found = RunTimes()
    for state in states:
        if state.manifest is not None:
            found.learn(state.run, state.manifest["wall_s"])
    return found


def table(states: Iterable[RunStatus]) -> pd.DataFrame:
    """Return one row a run: its keys, swept values, state, and the metrics of finished ones."""
    import pandas as pd

    rows = []
    for state in states:
        run = state.run
        keys = dict(zip(KEYS, (run.scenario.name, run.policy.label, run.seed), strict=True))
        metrics = state.manifest["metrics"] if state.status == "finished" and state.manifest else {}
        rows.append(
            keys
            | dict(run.swept)
            | {"state": state.status, "why": state.why}
            | {metric.name: metrics.get(metric.name) for metric in METRICS}
        )
    frame = pd.DataFrame(rows)
    names = [metric.name for metric in METRICS]
    return frame.astype(dict.fromkeys(names, "float64"))
