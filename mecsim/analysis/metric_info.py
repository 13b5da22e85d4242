"""What users get, beyond the metrics that every run has: missed deadlines; and which metrics there are."""

from __future__ import annotations

import math

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.results.metrics import METRICS, Metric
from mecsim.results.result import Results

DEADLINE_MISSES = Metric(
    "deadline_misses", "1", "deadline misses", "share of rounds later than the deadline, or lost"
)
ALL_METRICS = {metric.name: metric for metric in (*METRICS, DEADLINE_MISSES)}
HIGHER_IS_BETTER = frozenset({"scr", "rounds_per_hour", "fairness"})
SHOWN = ("scr", "delay_s", "delay_p95_s", "energy_j", "rounds_per_hour", "handovers_per_round")


def deadline_misses(results: Results, deadline_s: float) -> float:
    """Return the share of rounds that took longer than a deadline, waiting included, or were lost.

    Rounds that started after the warm-up; one cut off by the end of the run counts if it was late
    by then, and is left out if it was not. NaN for a deadline of NaN.
    """
    if math.isnan(deadline_s):
        return math.nan
    rounds = results.rounds[results.rounds["start_s"] >= results.manifest["warmup_s"]]
    late = (rounds["wait_s"] + rounds["delay_s"]) > deadline_s
    known = late | rounds["outcome"].ne("unfinished")
    missed = late | rounds["outcome"].isin(["dropped", "out_of_energy"])
    return float(missed[known].mean()) if known.any() else math.nan


def better_by(metric: str, difference: float) -> bool:
    """Tell whether a difference to the reference is for the better."""
    return difference > 0 if metric in HIGHER_IS_BETTER else difference < 0


def check_metric(name: str) -> str:
    """Return the name of a metric.

    Raises
    ------
    MecsimError
        If there is none of that name.
    """
    if name not in ALL_METRICS:
        raise MecsimError(
            f"metric = {name}: must be {either(tuple(ALL_METRICS))}{nearest(name, ALL_METRICS)}"
        )
    return name
