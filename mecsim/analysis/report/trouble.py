"""What is wrong with a run as a measurement: too short, unstable, decisions not followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.diagnostics import (
    Rounds,
    fewest_suspects,
    short_warmup,
    short_warmup_together,
    steady_growth,
)
from mecsim.results.after_warmup import rounds_after_warmup
from mecsim.results.metrics import run_notes

if TYPE_CHECKING:
    from mecsim.results.result import Results

FEW_ROUNDS = 10


def run_troubles(results: Results) -> list[str]:
    """Return what a reader must know before the numbers of one run, one line each."""
    troubles = [*run_notes(results), *_length(results)]
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


def policy_troubles(runs: Sequence[Rounds], warmup_s: float, duration_s: float) -> list[str]:
    """Return what replications of one policy say together: a load that grows, a warm-up that is too short.

    Growth counts if it is there in more replications than chance would put it.
    """
    if not runs:
        return []
    growing = [share for run in runs if (share := steady_growth(run, warmup_s)) > 0]
    if len(growing) >= fewest_suspects(len(runs)):
        percent = 100.0 * float(np.median(growing))
        where = f"in {len(growing)} of {len(runs)} runs"
        return [
            f"unstable: the time of a round grows steadily {where}, by {percent:.0f} % of its mean; "
            "means depend on the duration"
        ]
    alone = len(runs) == 1
    short = short_warmup(runs[0], warmup_s) if alone else short_warmup_together(runs, warmup_s, duration_s)
    if short is None:
        return []
    return [
        f"the warm-up of {warmup_s:g} s looks too short: with {short.needed_s:.0f} s "
        f"the mean time of a round changes by {100.0 * short.shift:+.2g} %"
    ]
