"""The cost of an outage, and how long a run takes to recover from it.

The service-cost ratio at a time t is that of every user's last round finished by t, with one
change: a round that has been going on for longer than the user's last one counts with the time it
has taken so far. So the ratio falls while rounds are delayed, not only after they have ended.
Users who have not finished a round yet are left out, and so are users after their last round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mecsim.results.objective import objective_of
from mecsim.results.result import Results
from mecsim.system.arrays import Floats
from mecsim.system.objective import Objective
from mecsim.world.faults import ServerConditions

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.scenario.schema import Scenario


@dataclass(frozen=True, slots=True)
class Recovery:
    """The cost of an outage from ``from_s`` to ``to_s``.

    Parameters
    ----------
    scr_before : float
        Mean ratio in the window before the outage; NaN if no user had finished a round.
    scr_lowest : float
        Lowest ratio from the start of the outage until it was over.
    recovered_s : float
        When the ratio was back and stayed there for a while: ``from_s`` if it never left, NaN if
        it did not come back before the end of the run.
    dip_area_s : float
        Integral over time of the shortfall of the ratio against the mean before, in s, from the start of the
        outage until it was back, or to the end of the run.
    rounds_lost : int
        Rounds in progress during the outage that were dropped.
    rounds_delayed : int
        Other rounds in progress during the outage that stalled, were interrupted or returned to the uplink.
    delayed_s : float
        Their stalls and interruptions together.
    """

    from_s: float
    to_s: float
    scr_before: float
    scr_lowest: float
    recovered_s: float
    dip_area_s: float
    rounds_lost: int
    rounds_delayed: int
    delayed_s: float

    @property
    def time_to_recover_s(self) -> float:
        """Time from the start of the outage until the ratio was back."""
        return self.recovered_s - self.from_s


def recovery(
    results: Results,
    from_s: float,
    to_s: float,
    *,
    window_s: float = 300.0,
    tolerance: float = 0.1,
    hold_s: float = 60.0,
    step_s: float = 1.0,
) -> Recovery:
    """Return the cost of an outage.

    Parameters
    ----------
    results : Results
        Of one run.
    from_s, to_s : float
        The outage.
    window_s : float
        How long before the outage the ratio is averaged, and how long after it a fall of the
        ratio is still attributed to it.
    tolerance : float
        The ratio has recovered when its shortfall is below this share of the mean before...
    hold_s : float
        ...and stays there for this long.
    step_s : float
        Step between the times at which the ratio is evaluated.
    """
    end_s = float(results.manifest["duration_s"])
    before_s = np.arange(max(0.0, from_s - window_s), from_s, step_s)
    after_s = np.arange(from_s, end_s, step_s)
    prices = results.manifest["objective"]
    weights = prices["delay_weight_per_s"], prices["energy_weight_per_j"]
    objective = objective_of(results)
    earlier = service_over_time(results.rounds, before_s, *weights, objective)
    scr_before = float(np.nanmean(earlier)) if np.isfinite(earlier).any() else math.nan
    ratio = service_over_time(results.rounds, after_s, *weights, objective)
    low = ratio < (1.0 - tolerance) * scr_before
    back = _back_at(low, after_s, to_s + window_s, hold_s, end_s)
    dip = slice(0, len(after_s) if math.isnan(back) else int(np.searchsorted(after_s, back)) + 1)
    missed = np.maximum(0.0, scr_before - ratio[dip])
    lost, delayed, delayed_s = _rounds_hit(results.rounds, from_s, to_s)
    return Recovery(
        from_s, to_s, scr_before, float(np.nanmin(ratio[dip], initial=math.inf)), back,
        float(np.trapezoid(np.nan_to_num(missed), after_s[dip])), lost, delayed, delayed_s,
    )  # fmt: skip


def outages_of(scenario: Scenario, seed: int) -> list[tuple[int, float, float]]:
    """Return (server, start, end) of every outage of a run, in order of time."""
    conditions = ServerConditions.draw(scenario, seed)
    found = []
    for m, (starts_s, values) in enumerate(zip(conditions.starts_s, conditions.values, strict=True)):
        for (start_s, end_s), value in zip(pairwise([*starts_s, scenario.duration_s]), values, strict=True):
            if not value.up:
                found.append((m, start_s, end_s))
    return sorted(found, key=lambda outage: (outage[1], outage[0]))


def service_over_time(
    rounds: pd.DataFrame,
    times_s: Floats,
    delay_per_s: float,
    energy_per_j: float,
    objective: Objective | None = None,
) -> Floats:
    """Return the service-cost ratio at some times, as this page has it; NaN without any user.

    Parameters
    ----------
    rounds : DataFrame
        The rounds table of one run.
    times_s : (T,) float
    delay_per_s, energy_per_j : float
        Weights of the objective.
    objective : Objective, optional
        That of all users of the run; the paper's by default.
    """
    is_mean = objective is not None and objective.is_mean
    score, delay_s, energy_j, users = (np.zeros(len(times_s)) for _ in range(4))
    for _, own in rounds.sort_values(["user", "round"]).groupby("user"):
        start_s, length_s = own["start_s"].to_numpy(), own["delay_s"].to_numpy()
        user = own["user"].to_numpy()[:1]
        latest = np.searchsorted(start_s, times_s, side="right") - 1
        done = own[own["outcome"] == "finished"]
        ended_s = (done["start_s"] + done["delay_s"]).to_numpy()
        last = np.searchsorted(ended_s, times_s, side="right") - 1
        here = (last >= 0) & (times_s <= (start_s + length_s)[-1])
        last = last[here]
        score[here] += done["score"].to_numpy()[last]
        so_far_s = np.minimum(times_s[here] - start_s[latest[here]], length_s[latest[here]])
        longest_s, spent_j = (
            np.maximum(done["delay_s"].to_numpy()[last], so_far_s),
            done["energy_j"].to_numpy(),
        )
        if objective is not None:
            longest_s, spent_j = objective.counted(user, longest_s, spent_j)
        energy_j[here] += spent_j[last]
        delay_s[here] = (np.add if is_mean else np.maximum)(delay_s[here], longest_s)
        users[here] += 1
    delay_s = delay_s / np.maximum(users, 1.0) if is_mean else delay_s
    cost = delay_per_s * delay_s + energy_per_j * energy_j
    ratio: Floats = np.divide(score, cost, out=np.full(len(times_s), np.nan), where=(users > 0) & (cost > 0))
    return ratio


def _back_at(low: NDArray[np.bool_], times_s: Floats, latest_s: float, hold_s: float, end_s: float) -> float:
    """Return when the ratio is back for good after its first fall, if there is one."""
    falls = np.flatnonzero(low & (times_s <= latest_s))
    if len(falls) == 0:
        return float(times_s[0]) if len(times_s) else math.nan
    lows = falls[0] + np.flatnonzero(low[falls[0] :])
    # After each low, the ratio is back at the next time evaluated, until the next low.
    back_s, until_s = np.append(times_s, math.inf)[lows + 1], np.append(times_s[lows[1:]], end_s)
    holds = np.flatnonzero(until_s - back_s >= hold_s)
    return float(back_s[holds[0]]) if len(holds) else math.nan


def _rounds_hit(rounds: pd.DataFrame, from_s: float, to_s: float) -> tuple[int, int, float]:
    ended_s = rounds["start_s"] + rounds["delay_s"]
    during = rounds[(rounds["start_s"] < to_s) & (ended_s >= from_s)]
    lost = during["outcome"].eq("dropped")
    waited_s = during["stall_s"] + during["interruption_s"]
    delayed = ~lost & ((waited_s > 0) | (during["restarts"] > 0))
    return int(lost.sum()), int(delayed.sum()), float(waited_s[delayed].sum())
