"""How the metrics of a run are computed from what is left after its warm-up; NaN where not defined."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from mecsim.results.after_warmup import AfterWarmup

Measure = Callable[[AfterWarmup], float]


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


def generation_scr(run: AfterWarmup) -> float:
    """Return the mean SCR of generations, or of epochs where users come and go.

    A generation holds one round of every user, which is impossible where users come and go.
    """
    if "arrived" in run.results.manifest.get("counts", {}):
        return float(run.epochs["realised_scr"].mean())
    return float(run.generations["scr"].mean())


def window_scr(run: AfterWarmup) -> float:
    """Return the ratio of the sums over windows of time: of the scores, and of the costs."""
    weights, sums = run.results.manifest["objective"], run.windows[["score", "delay_s", "energy_j"]].sum()
    cost = weights["delay_weight_per_s"] * sums["delay_s"] + weights["energy_weight_per_j"] * sums["energy_j"]
    return float(sums["score"] / cost) if cost > 0 else math.nan


def open_share(run: AfterWarmup) -> float:
    """Return the share of users' windows in which none of their rounds ended."""
    users = int(run.windows["users"].sum())
    return float(run.windows["open"].sum() / users) if users else math.nan


def mean_over_rounds(column: str) -> Measure:
    """Return the measure that is the mean of a column over rounds: users with short rounds weigh more."""
    return lambda run: float(run.rounds[column].mean())


def mean_over_users(column: str) -> Measure:
    """Return the measure that is the mean over users of each user's own mean of a column."""
    return lambda run: float(run.user_means[column].mean())


def quantile_over_rounds(column: str, share: float) -> Measure:
    """Return the measure that is a quantile of a column over rounds."""
    return lambda run: float(run.rounds[column].quantile(share))


def quantile_over_users(column: str, share: float) -> Measure:
    """Return the measure that is a quantile of the users' means of a column."""
    return lambda run: float(run.user_means[column].quantile(share))


def worst_user_delay(run: AfterWarmup) -> float:
    """Return the largest of the users' mean delays."""
    return float(run.user_means["delay_s"].max())


def delay_fairness(run: AfterWarmup) -> float:
    """Return Jain's index of the users' mean delays."""
    return jain_index(run.user_means["delay_s"])


def spent_per_round(run: AfterWarmup) -> float:
    """Return all energy of rounds for each round finished."""
    finished = int(run.epochs["rounds_finished"].sum())
    return float(run.epochs["realised_energy_j"].sum()) / finished if finished else math.nan


def spent_per_user(run: AfterWarmup) -> float:
    """Return the energy of all rounds that started after the warm-up, finished or not, for each user."""
    return float(run.started.groupby("user")["energy_j"].sum().mean())


def idle_per_round(run: AfterWarmup) -> float:
    """Return the energy of idle power for each round finished."""
    finished = int(run.epochs["rounds_finished"].sum())
    return float(run.epochs["idle_j"].sum()) / finished if finished else math.nan


def rounds_per_hour(run: AfterWarmup) -> float:
    """Return how many rounds ended in an hour."""
    return float(run.finished_by_user.sum() / run.measured_s * 3600.0)


def deadline_misses(run: AfterWarmup) -> float:
    """Return the share of late or lost rounds; of those cut off by the end of the run only the late count."""
    if math.isnan(run.deadline_s):
        return math.nan
    late = (run.started["wait_s"] + run.started["delay_s"]) > run.deadline_s
    known = late | run.started["outcome"].ne("unfinished")
    missed = late | run.started["outcome"].isin(["dropped", "out_of_energy"])
    return float(missed[known].mean()) if known.any() else math.nan
