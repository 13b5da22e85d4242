"""The numbers a comparison is about, read off the tables of one run after its warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mecsim.results.result import Results

if TYPE_CHECKING:
    import pandas as pd

SKETCH_SIZE = 1000


class Metric(NamedTuple):
    """One number of a run: unit (``1`` for a pure number), a short label and what it means."""

    name: str
    unit: str
    label: str
    meaning: str


METRICS = (
    Metric(
        "scr", "1", "SCR", "realised service-cost ratio, mean over generations, or epochs if users change"
    ),
    Metric("delay_s", "s", "delay", "delay of a round, mean"),
    Metric("delay_p95_s", "s", "delay P95", "delay of a round, 95th percentile"),
    Metric("delay_p99_s", "s", "delay P99", "delay of a round, 99th percentile"),
    Metric("energy_j", "J", "energy/round", "energy of a round, mean"),
    Metric("spent_j", "J", "energy spent/round", "all energy spent per round finished, lost rounds included"),
    Metric("rounds_per_hour", "1/h", "rounds/h", "rounds finished per simulated hour, all users together"),
    Metric("fairness", "1", "fairness", "Jain's index of the users' rounds finished"),
    Metric("handovers_per_round", "1", "handovers/round", "changes of server within a round, mean"),
    Metric("local_j", "J", "local energy", "energy of the user's GPUs in a round, mean"),
    Metric("uplink_j", "J", "uplink energy", "energy of the user's radio in a round, mean"),
    Metric("server_j", "J", "server energy", "energy of the server's GPUs for a round, mean"),
    Metric("downlink_j", "J", "downlink energy", "energy of the server's radio for a round, mean"),
    Metric("stall_s", "s", "stall", "time of a round without any grant for its phase, mean"),
    Metric("decision_cpu_s", "s", "decision time", "CPU time of a decision, mean; measured"),
)
_ROUND_MEANS = ("delay_s", "energy_j", "local_j", "uplink_j", "server_j", "downlink_j", "stall_s")


def rounds_after_warmup(results: Results) -> pd.DataFrame:
    """Return the finished rounds that started at ``warmup_s`` or later."""
    rounds = results.rounds
    kept = rounds["outcome"].eq("finished") & rounds["start_s"].ge(results.manifest["warmup_s"])
    return rounds[kept]


def generations_after_warmup(results: Results) -> pd.DataFrame:
    """Return the generations of the rounds after the warm-up: users, score, delay, energy and SCR of each.

    Users who come later than the start belong to none. The rounds of every user are counted anew
    from the end of the warm-up, so that generation j holds the j-th of those rounds of every user.
    Without a warm-up that is ``results.generations``. Keeping the old numbers instead
    would leave only generations that the slowest user reaches and that the fastest has not begun
    before: none at all, where users are unlike enough.
    """
    columns = ["user", "round", "score", "delay_s", "energy_j"]
    rounds = rounds_after_warmup(results)[columns].sort_values(["user", "round"])
    rounds = rounds[rounds["user"] < results.manifest["users"]]
    groups = rounds.groupby(rounds.groupby("user").cumcount().rename("generation"))
    sums = groups[["score", "energy_j"]].sum()
    sums = sums.assign(users=groups.size(), delay_s=groups["delay_s"].max())
    whole: pd.DataFrame = sums.loc[sums["users"] == results.manifest["users"], ["users", *columns[2:]]]
    weights = results.manifest["objective"]
    cost = (
        weights["delay_weight_per_s"] * whole["delay_s"] + weights["energy_weight_per_j"] * whole["energy_j"]
    )
    return whole.assign(scr=(whole["score"] / cost).where(cost > 0))


def scr_after_warmup(results: Results) -> float:
    """Return the mean SCR of the generations after the warm-up.

    Where users come and go there are no generations of all of them: then it is the mean of
    ``epochs.realised_scr`` over the epochs after the warm-up.
    """
    if "arrived" not in results.manifest.get("counts", {}):
        return float(generations_after_warmup(results)["scr"].mean())
    epochs = results.epochs
    return float(epochs["realised_scr"][epochs["time_s"] >= results.manifest["warmup_s"]].mean())


def run_metrics(results: Results) -> dict[str, float]:
    """Return every metric of ``METRICS`` for one run; NaN where nothing is left after the warm-up.

    ``rounds_per_hour`` counts the rounds that *end* after the warm-up: counting only those that
    also start in it would take almost one round a user away, most from policies with long rounds.
    """
    rounds, finished = rounds_after_warmup(results), finished_by_user(results)
    warmup_s, duration_s = results.manifest["warmup_s"], results.manifest["duration_s"]
    decisions_s = results.epochs.loc[results.epochs["time_s"] >= warmup_s, "decision_cpu_s"]
    p95_s, p99_s = rounds["delay_s"].quantile([0.95, 0.99])
    values = {name: rounds[name].mean() for name in _ROUND_MEANS} | {
        "scr": scr_after_warmup(results),
        "delay_p95_s": p95_s,
        "delay_p99_s": p99_s,
        "spent_j": spent_per_round(results),
        "rounds_per_hour": finished.sum() / (duration_s - warmup_s) * 3600.0,
        "fairness": jain_index(finished),
        "handovers_per_round": rounds["handovers"].mean(),
        "decision_cpu_s": decisions_s.mean(),
    }
    return {metric.name: float(values[metric.name]) for metric in METRICS}


def finished_by_user(results: Results) -> pd.Series[float]:
    """Return the rounds that each user finished after the warm-up; none for one that finished none."""
    rounds = results.rounds
    ended_s = rounds["start_s"] + rounds["delay_s"]
    finished = rounds["outcome"].eq("finished") & ended_s.ge(results.manifest["warmup_s"])
    by_user: pd.Series[float] = finished.groupby(rounds["user"]).sum().astype("float64")
    return by_user


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


def told_metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that the manifest of a written run tells; JSON has no NaN. None from any other."""
    told = manifest.get("metrics", {})
    return {name: math.nan if value is None else value for name, value in told.items()}


def run_notes(results: Results, metrics: Mapping[str, float] | None = None) -> list[str]:
    """Return what a reader of the metrics must know: which of them nothing is left for, and why.

    ``metrics`` are those of the run, if they are known already.
    """
    notes = []
    values = run_metrics(results) if metrics is None else metrics
    warmup_s = results.manifest["warmup_s"]
    if not results.manifest.get("reproducible", True):
        notes.append("decisions took the CPU time they were measured to take: no other run has these bits")
    if math.isnan(values["delay_s"]):
        notes.append(
            f"no round that started after the warm-up ({warmup_s:g} s) was finished: no delay, no energy"
        )
    if math.isnan(values["scr"]):
        notes.append(
            f"not every user finished a round that started after the warm-up ({warmup_s:g} s): no SCR"
        )
    return notes


def delay_sketch(results: Results) -> pd.DataFrame:
    """Return the delay distribution of one run in a bounded number of rows.

    Returns
    -------
    DataFrame
        ``delay_s``, increasing, and ``weight``, the number of rounds each row stands for: all
        finished rounds after the warm-up if there are at most 1000, else 1000 of them at evenly
        spaced ranks.
    """
    import pandas as pd

    delays = np.sort(rounds_after_warmup(results)["delay_s"].to_numpy())
    size = min(len(delays), SKETCH_SIZE)
    ranks = ((np.arange(size) + 0.5) * len(delays) / max(size, 1)).astype(np.int64)
    return pd.DataFrame({"delay_s": delays[ranks], "weight": np.full(size, len(delays) / max(size, 1))})
