"""Outcomes of runs as JSON: what comes from a process with foreign code is data, never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np

from mecsim.errors import MecsimError
from mecsim.results.manifest import read_manifest
from mecsim.results.metrics import METRICS, same_metrics, stored_metrics
from mecsim.study.decision_run import DecisionRun, read_decision
from mecsim.study.outcome import FailureKind, RunOrigin, RunOutcome
from mecsim.study.plan import Run

_MOST_TEXT = 1 << 18
_TEXTS = ("error", "details", "failure_kind", "origin")


def encoded(outcome: RunOutcome) -> dict[str, Any]:
    """Return an outcome as JSON knows it; floats keep every bit."""
    delays = None
    if outcome.delays is not None:
        delays = {name: outcome.delays[name].tolist() for name in ("delay_s", "weight")}
    return {
        "run_id": outcome.run_id,
        "metrics": outcome.metrics and {name: float(value) for name, value in outcome.metrics.items()},
        "delays": delays,
        "notes": list(outcome.notes),
        "wall_s": float(outcome.wall_s),
        **{name: getattr(outcome, name)[:_MOST_TEXT] for name in _TEXTS},
    }


def decoded(value: Any, run: Run, folder: Path | None) -> RunOutcome:
    """Return the outcome of a run from the answer of its process.

    Raises
    ------
    ValueError
        If it is not one, of this run, complete, or does not go with what is in its folder.
    """
    try:
        if value["run_id"] != run.run_id:
            raise ValueError(f"an answer of the run {value['run_id']!r}")
        error, details, kind, origin = (_text(value[name]) for name in _TEXTS)
        notes = tuple(_text(note) for note in value["notes"])
        if kind not in get_args(FailureKind) or origin not in get_args(RunOrigin):
            raise ValueError(f"an answer of kind {kind!r} and origin {origin!r}")
        if bool(error) == (value["metrics"] is not None) or bool(error) != bool(kind):
            raise ValueError("an answer that is neither a result nor a failure")
        known = {"run_id": run.run_id, "policy": run.policy.label, "seed": run.seed}
        if error:
            return RunOutcome(**known, error=error, details=details, failure_kind=kind)  # type: ignore[arg-type]
        outcome = RunOutcome(
            **known,  # type: ignore[arg-type]
            metrics=_metrics(value["metrics"], run),
            delays=_delays(value["delays"]),
            notes=notes,
            origin=origin,  # type: ignore[arg-type]
            wall_s=_number(value["wall_s"]),
        )
        _compare_with_store(outcome, run, folder)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"an answer that lacks something: {error}") from error
    return outcome


def _metrics(given: dict[str, Any], run: Run) -> dict[str, float]:
    names = [metric.name for metric in METRICS]
    if not isinstance(run, DecisionRun) and sorted(given) != sorted(names):
        raise ValueError("an answer with other metrics")
    return {name: _number(value) for name, value in given.items()}


def _delays(given: dict[str, Any] | None) -> Any:
    if given is None:
        return None
    import pandas as pd

    columns = {
        name: np.array([_number(v) for v in given[name]], np.float64) for name in ("delay_s", "weight")
    }
    return pd.DataFrame(columns)


def _compare_with_store(outcome: RunOutcome, run: Run, folder: Path | None) -> None:
    """Refuse a result that is not, or is not the same, in the folder of its run."""
    if folder is None:
        return
    try:
        record = read_decision(folder) if isinstance(run, DecisionRun) else read_manifest(folder)
    except MecsimError as error:
        raise ValueError(f"an answer without results: {error}") from error
    assert outcome.metrics is not None
    same = same_metrics(stored_metrics(record), outcome.metrics)
    if record.get("run_id") != run.run_id or not same:
        raise ValueError("an answer that differs from the results in the folder of the run")


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise TypeError(f"{given!r} is no number")
    return float(given)


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r} is no text")
    # A lone surrogate cannot be written to any file.
    return given[:_MOST_TEXT].encode("utf-8", "backslashreplace").decode()
