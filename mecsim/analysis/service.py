"""What users get, beyond means: tails, fairness, missed deadlines, all the energy that was spent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from mecsim.errors import MecsimError
from mecsim.results.metrics import METRICS, Metric, rounds_after_warmup, run_metrics
from mecsim.results.result import Results

if TYPE_CHECKING:
    import pandas as pd

SERVICE_METRICS = (
    Metric("delay_p99_s", "s", "delay P99", "delay of a round, 99th percentile"),
    Metric("fairness", "1", "fairness", "Jain's index of the users' rounds finished"),
    Metric("spent_j", "J", "energy spent/round", "all energy spent per round finished, lost rounds included"),
    Metric("deadline_misses", "1", "deadline misses", "share of rounds later than the deadline, or lost"),
)
ALL_METRICS = {metric.name: metric for metric in (*METRICS, *SERVICE_METRICS)}
HIGHER_IS_BETTER = frozenset({"scr", "rounds_per_hour", "fairness"})
SHOWN = ("scr", "delay_s", "delay_p95_s", "energy_j", "rounds_per_hour", "handovers_per_round")


def all_metrics(results: Results, deadline_s: float = math.nan) -> dict[str, float]:
    """Return every metric of one run after its warm-up, those of ``run_metrics`` first.

    ``deadline_misses`` is NaN without a deadline.
    """
    delays_s = rounds_after_warmup(results)["delay_s"]
    return run_metrics(results) | {
        "delay_p99_s": float(delays_s.quantile(0.99)),
        "fairness": jain_index(_rounds_by_user(results)),
        "spent_j": spent_per_round(results),
        "deadline_misses": deadline_misses(results, deadline_s),
    }


def jain_index(amounts: ArrayLike) -> float:
    """Return (sum x)^2 / (n sum x^2): 1 if all get the same, 1/n if one gets everything.

    References
    ----------
    Jain, Chiu and Hawe, "A quantitative measure of fairness and discrimination for resource
    allocation in shared computer systems", DEC-TR-301 (1984).
    """
    x = np.asarray(amounts, dtype=np.float64)
    squares = float(x @ x)
    return float(x.sum()) ** 2 / (len(x) * squares) if squares > 0 else math.nan


def spent_per_round(results: Results) -> float:
    """Return the energy spent after the warm-up over the rounds finished in that time, in J.

    Other than the mean energy of finished rounds it counts what lost rounds have cost.
    """
    epochs = results.epochs[results.epochs["time_s"] >= results.manifest["warmup_s"]]
    finished = int(epochs["rounds_finished"].sum())
    return float(epochs["realised_energy_j"].sum()) / finished if finished else math.nan


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
    from mecsim.errors import nearest
    from mecsim.scenario.keys import either

    if name not in ALL_METRICS:
        raise MecsimError(
            f"metric = {name}: must be {either(tuple(ALL_METRICS))}{nearest(name, ALL_METRICS)}"
        )
    return name


def _rounds_by_user(results: Results) -> pd.Series[float]:
    """Return the rounds that each user finished after the warm-up; none for one that finished none."""
    rounds = results.rounds
    ended_s = rounds["start_s"] + rounds["delay_s"]
    finished = rounds["outcome"].eq("finished") & ended_s.ge(results.manifest["warmup_s"])
    by_user: pd.Series[float] = finished.groupby(rounds["user"]).sum().astype("float64")
    return by_user
