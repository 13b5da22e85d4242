"""Reasons not to trust the mean of a run: a warm-up that is too short, a load that grows.

Both are found from the time that rounds take, waiting included, in the order in which they end. A
single run hardly distinguishes a warm-up from a busy period; many replications do, because they
have the warm-up in common but not the busy periods.

References
----------
Welch, "The statistical analysis of simulation results" (1983), for the average over replications.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.analysis.series import batch_means, growth, mser5
from mecsim.analysis.stats import t_interval
from mecsim.results.manifest import scenario_values
from mecsim.results.result import Results

BINS = 250
SHIFT_LEVEL, SHIFT_SHARE = 0.99, 0.01
_HALF_WIDTHS = 2.0
_CHANCE = 0.05


class Rounds(NamedTuple):
    """When the finished rounds of one run ended, in order, and how long each took with its wait."""

    ended_s: NDArray[np.float64]
    spent_s: NDArray[np.float64]

    def mean_from(self, time_s: float) -> float:
        """Return the mean time of the rounds that ended at some time or later; NaN without any."""
        after = self.spent_s[self.ended_s >= time_s]
        return float(after.mean()) if len(after) else math.nan


class ShortWarmup(NamedTuple):
    """A sufficient warm-up, and the change of the mean under it, as a share of the mean."""

    needed_s: float
    shift: float


def finished_rounds(results: Results) -> Rounds:
    """Return the finished rounds of one run, those of the warm-up too."""
    rounds = results.rounds[results.rounds["outcome"].eq("finished")]
    ended_s = (rounds["start_s"] + rounds["delay_s"]).to_numpy(np.float64)
    spent_s = (rounds["wait_s"] + rounds["delay_s"]).to_numpy(np.float64)
    order = np.argsort(ended_s, kind="stable")
    return Rounds(ended_s[order], spent_s[order])


def short_warmup(run: Rounds, warmup_s: float) -> ShortWarmup | None:
    """Return the warm-up that one run needs by MSER-5; None if the given one suffices, or the run is short.

    The given one is too short if MSER-5 drops more, and if the mean changes with that by more than twice the
    half width of its 95 % batch-means interval.
    """
    chosen = mser5(run.spent_s)
    if chosen.too_short or chosen.dropped == 0:
        return None
    needed_s, given = float(run.ended_s[chosen.dropped]), run.mean_from(warmup_s)
    rest = batch_means(run.spent_s[chosen.dropped :])
    shift_s = float(rest.mean) - given
    if needed_s > warmup_s and abs(shift_s) > _HALF_WIDTHS * float(rest.high - rest.mean):
        return ShortWarmup(needed_s, shift_s / given)
    return None


def short_warmup_together(runs: Sequence[Rounds], warmup_s: float, duration_s: float) -> ShortWarmup | None:
    """Return the warm-up that replications need by MSER-5; None if the given one suffices.

    MSER-5 gets the average of the replications in 250 bins of time. The warm-up is too short if
    MSER-5 drops more, and if the mean changes with that by more than 1 % and the 99 % t interval
    of its change over replications excludes zero.
    """
    average = _average_over_time(runs, duration_s)
    chosen = mser5(average)
    needed_s = chosen.dropped * duration_s / BINS
    if chosen.too_short or needed_s <= warmup_s:
        return None
    given = np.array([run.mean_from(warmup_s) for run in runs])
    change = t_interval(np.array([run.mean_from(needed_s) for run in runs]) - given, SHIFT_LEVEL)
    shift = float(change.mean / np.nanmean(given))
    certain = change.low > 0 or change.high < 0
    return ShortWarmup(needed_s, shift) if certain and abs(shift) > SHIFT_SHARE else None


def steady_growth(run: Rounds, warmup_s: float) -> float:
    """Return the steady growth of the time of a round after the warm-up, as a share of its mean, or 0."""
    trend = growth(run.spent_s[run.ended_s >= warmup_s])
    return trend.share if trend.is_steady else 0.0


def run_warnings(results: Results) -> list[str]:
    """Return one line for each reason not to trust a run: its means, or what its policy did."""
    means = rounds_warnings([finished_rounds(results)], results.manifest)
    return [*results.manifest.get("remarks", ()), *means]


def study_warnings(runs: Mapping[str, Iterable[Results]]) -> list[str]:
    """Return one line for each policy and reason not to trust its means.

    Growth is reported if it shows in more replications than chance explains, when 5 % of all sound
    runs look suspicious.

    Parameters
    ----------
    runs : mapping
        The replications of each policy; an iterator is read once, and only two columns of it are kept.
    """
    lines = []
    for policy, own in runs.items():
        found, manifest, remarks = [], {}, list[str]()
        for results in own:
            manifest = results.manifest
            remarks += manifest.get("remarks", ())
            found.append(finished_rounds(results))
        if found:
            warnings = [*dict.fromkeys(remarks), *rounds_warnings(found, manifest)]
            lines += [f"{policy}: {line}" for line in warnings]
    return lines


def rounds_warnings(runs: Sequence[Rounds], manifest: Mapping[str, Any]) -> list[str]:
    """Return one line for each reason not to trust the means of the replications of one policy.

    Parameters
    ----------
    runs : sequence of Rounds
        At least one; all of the same scenario.
    manifest : mapping
        That of one of them.
    """
    warmup_s, duration_s = float(manifest["warmup_s"]), float(manifest["duration_s"])
    growths = [steady_growth(run, warmup_s) for run in runs] if can_pile_up(manifest) else []
    growing = [share for share in growths if share > 0]
    if growths and len(growing) >= fewest_suspects(len(growths)):
        where = f" in {len(growing)} of {len(growths)} runs" if len(growths) > 1 else ""
        return [
            f"the time of a round grows steadily{where}, by {100 * float(np.median(growing)):.0f} % of its "
            "mean: the system is overloaded or far from steady, and its means depend on duration_s"
        ]
    alone = len(runs) == 1
    short = short_warmup(runs[0], warmup_s) if alone else short_warmup_together(runs, warmup_s, duration_s)
    if short is None:
        return []
    return [
        f"warmup_s = {warmup_s:g} looks too short: MSER-5 drops {short.needed_s:.0f} s, "
        f"which changes the mean time of a round by {100 * short.shift:+.2g} %"
    ]


def can_pile_up(manifest: Mapping[str, Any]) -> bool:
    """Tell whether rounds or users arrive independently of the service, so that a queue can grow.

    Where users start a round only when the last one is over, a slow drift comes from their movement.
    """
    mode = scenario_values(manifest).get("workload.rounds.mode")
    return mode in ("poisson", "periodic") or "arrived" in manifest["counts"]


def fewest_suspects(runs: int) -> int:
    """Return the smallest count of suspected runs that chance exceeds in at most 5 % of all studies."""
    from scipy import stats

    return int(stats.binom.isf(_CHANCE, runs, _CHANCE)) + 1 if runs > 1 else 1


def _average_over_time(runs: Sequence[Rounds], duration_s: float) -> NDArray[np.float64]:
    """Return the mean time of a round by the bin in which it ended, over replications; gaps filled."""
    total, count = np.zeros(BINS), np.zeros(BINS)
    for run in runs:
        bins = np.minimum((run.ended_s / duration_s * BINS).astype(np.int64), BINS - 1)
        size = np.bincount(bins, minlength=BINS)
        there = size > 0
        total[there] += np.bincount(bins, weights=run.spent_s, minlength=BINS)[there] / size[there]
        count += there
    known = np.flatnonzero(count)
    if len(known) == 0:
        return np.empty(0)
    filled = np.interp(np.arange(BINS), known, total[known] / count[known])
    return np.asarray(filled)
