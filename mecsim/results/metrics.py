"""The numbers a comparison is about, read off the tables of one run after its warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

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
    Metric("energy_j", "J", "energy/round", "energy of a round, mean"),
    Metric("rounds_per_hour", "1/h", "rounds/h", "rounds finished per simulated hour, all users together"),
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
    rounds = rounds_after_warmup(results).sort_values(["user", "round"])
    rounds = rounds[rounds["user"] < results.manifest["users"]]
    generation = rounds.groupby("user").cumcount().rename("generation")
    sums = rounds.groupby(generation).agg(
        users=("user", "size"),
        score=("score", "sum"),
        delay_s=("delay_s", "max"),
        energy_j=("energy_j", "sum"),
    )
    whole: pd.DataFrame = sums[sums["users"] == results.manifest["users"]]
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
    rounds = rounds_after_warmup(results)
    ended_s = results.rounds["start_s"] + results.rounds["delay_s"]
    warmup_s, duration_s = results.manifest["warmup_s"], results.manifest["duration_s"]
    finished = (results.rounds["outcome"] == "finished") & (ended_s >= warmup_s)
    decisions = results.epochs[results.epochs["time_s"] >= warmup_s]
    values = {name: rounds[name].mean() for name in _ROUND_MEANS} | {
        "scr": scr_after_warmup(results),
        "delay_p95_s": rounds["delay_s"].quantile(0.95),
        "rounds_per_hour": finished.sum() / (duration_s - warmup_s) * 3600.0,
        "handovers_per_round": rounds["handovers"].mean(),
        "decision_cpu_s": decisions["decision_cpu_s"].mean(),
    }
    return {metric.name: float(values[metric.name]) for metric in METRICS}


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
