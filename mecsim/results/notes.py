"""What a reader of the metrics of a run must know."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from mecsim.messages import counted
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.learning import TOKENS
from mecsim.results.metrics import WINDOW_SCR, run_metrics
from mecsim.results.result import Results

MEASURED_DECISIONS = "decisions took the CPU time they were measured to take: no other run has these bits"
_MANY_OPEN = 0.1
_MOST_NAMED = 5


def notes_by_seed(notes: Iterable[tuple[str, int, str]]) -> list[str]:
    """Return one line for each policy and note, which names all its seeds, from (policy, seed, note)."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for policy, seed, note in notes:
        seeds.setdefault((policy, note), []).append(str(seed))
    return [f"{policy}, seed {', '.join(own)}: {note}" for (policy, note), own in seeds.items()]


def run_notes(results: Results, metrics: Mapping[str, float] | None = None) -> list[str]:
    """Return which metrics are missing, and which count rounds that are not finished, and why.

    ``metrics`` are those of the run, if they are known already.
    """
    notes = []
    values = run_metrics(results) if metrics is None else metrics
    warmup_s = results.manifest["warmup_s"]
    if not results.manifest.get("reproducible", True):
        notes += results.manifest.get("not_reproducible_because", [MEASURED_DECISIONS])
    if math.isnan(values["delay_s"]):
        notes.append(
            f"no round that started after the warm-up ({warmup_s:g} s) was finished: no delay, no energy"
        )
    else:
        notes += _open_rounds(AfterWarmup(results), values["open_windows"])
    if math.isnan(values["scr"]):
        notes.append(
            f"not every user finished a round that started after the warm-up ({warmup_s:g} s): no SCR"
            + (" but that of windows" if values.get(WINDOW_SCR, math.nan) >= 0 else "")
        )
    if TOKENS in results.manifest and math.isnan(values["time_to_target_s"]):
        notes.append("the loss did not reach its target within the run: no time and no energy to it")
    return notes


def judged(results: Results) -> dict[str, Any]:
    """Return what a manifest says of its run: ``metrics``, null where there is none, and ``notes``."""
    metrics = run_metrics(results)
    told = {name: None if math.isnan(value) else value for name, value in metrics.items()}
    return {"metrics": told, "notes": run_notes(results, metrics)}


def _open_rounds(run: AfterWarmup, open_share: float) -> list[str]:
    """Return what is said of rounds that count as far as they have got."""
    notes = []
    users = [str(user) for user in run.never_finished["user"]]
    if users:
        named = ", ".join(users[:_MOST_NAMED]) + (", ..." if len(users) > _MOST_NAMED else "")
        notes.append(
            f"{counted(len(users), 'user')} ({named}) finished no round after the warm-up; means over users "
            "count the open one as far as it has got"
        )
    if open_share > _MANY_OPEN:
        notes.append(
            f"in {100 * open_share:.0f} % of the users' windows no round ended; scr_window counts the open "
            "one as far as it has got: a longer record.window_s has fewer of them"
        )
    return notes
