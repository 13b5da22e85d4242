"""What is wrong with a run as a measurement: too short, rounds lost, decisions not followed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mecsim.results.after_warmup import rounds_after_warmup
from mecsim.results.notes import run_notes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mecsim.results.result import Results

FEW_ROUNDS = 10


def run_troubles(results: Results, metrics: Mapping[str, float]) -> list[str]:
    """Return reasons to doubt the numbers of one run, whose metrics are known, one line each."""
    troubles = [*run_notes(results, metrics), *_length(results)]
    outcome = results.rounds["outcome"].value_counts()
    for name, means in (("dropped", "were dropped"), ("out_of_energy", "ended with an empty battery")):
        if name in outcome:
            troubles.append(f"{outcome[name]} rounds {means} and are in no average of delay or energy")
    status = results.epochs["status"].value_counts()
    for name, means in (("held", "were infeasible"), ("late", "came too late")):
        if name in status:
            troubles.append(
                f"{status[name]} of {len(results.epochs)} decisions {means}; the one before was held"
            )
    return troubles


def _length(results: Results) -> list[str]:
    rounds = rounds_after_warmup(results)
    if rounds.empty:
        return []
    each = rounds.groupby("user").size()
    if each.median() >= FEW_ROUNDS:
        return []
    return [f"too short: half of the users finished fewer than {FEW_ROUNDS} rounds after the warm-up"]
