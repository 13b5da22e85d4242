"""The ranking of the policies, and comparisons between them in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from mecsim.analysis.centres import centre
from mecsim.analysis.hypotheses import holm, t_test, wilcoxon_exact
from mecsim.analysis.report.collect import ScenarioRuns
from mecsim.analysis.stats import median_ratio, ratio_interval
from mecsim.analysis.tails import heavy_tails
from mecsim.results.metrics import METRIC, RANKING_METRICS, VERDICT_METRICS, Metric, with_headline
from mecsim.system.arrays import Floats

ALPHA = 0.05


class RankedPolicy(NamedTuple):
    """One row of the ranking: place, policy, number of runs, and the metrics as strings."""

    place: int
    policy: str
    runs: int
    cells: tuple[str, ...]


class Sentence(NamedTuple):
    """One comparison of two policies in a sentence.

    ``decided`` if its interval excludes no difference and Holm's correction confirms it; ``alone`` if
    the correction does not; ``undecided`` otherwise.

    ``p`` is that of the paired t test, which agrees with the interval, or of Wilcoxon's test; NaN with fewer
    than two pairs.
    """

    text: str
    verdict: Literal["decided", "alone", "undecided"]
    p: float


def ranking(setting: ScenarioRuns) -> list[RankedPolicy]:
    """Return the policies in the order given, each with its place by its SCR."""
    rows: list[RankedPolicy] = []
    places = {policy: place + 1 for place, policy in enumerate(ranked(setting))}
    names, heavy = with_headline(RANKING_METRICS, setting.headline), heavy_in(setting)
    for policy in setting.policies:
        cells = tuple(
            _cell(METRIC[name], samples(setting, policy, name), is_heavy=name in heavy) for name in names
        )
        count = sum(run.policy == policy for run in setting.runs)
        rows.append(RankedPolicy(places[policy], policy, count, cells))
    return rows


def heads(setting: ScenarioRuns) -> list[str]:
    """Return what the columns of the ranking are called, with units."""
    metrics = [METRIC[name] for name in with_headline(RANKING_METRICS, setting.headline)]
    return [f"{m.label} ({m.ranking_unit[0]})" if m.ranking_unit else m.head for m in metrics]


def sentences(setting: ScenarioRuns) -> list[Sentence]:
    """Return the best policy against every other, then neighbours in the ranking, for every judged metric.

    A comparison that Holm's correction for all of them does not confirm is marked in its text.
    """
    order, heavy = ranked(setting), heavy_in(setting)
    pairs = [*((order[0], other) for other in order[1:]), *pairwise(order[1:])]
    found = [
        one
        for a, b in pairs
        for name in with_headline(VERDICT_METRICS, setting.headline)
        if (one := compared(setting, a, b, METRIC[name], by_ranks=name in heavy))
    ]
    tested = [i for i, one in enumerate(found) if not math.isnan(one.p)]
    for i, adjusted in zip(tested, holm([found[i].p for i in tested]) if tested else (), strict=True):
        if found[i].verdict == "decided" and adjusted >= ALPHA:
            text = f"{found[i].text}; not decided after Holm's correction for {len(tested)} comparisons"
            found[i] = found[i]._replace(text=text, verdict="alone")
    return found


def compared(
    setting: ScenarioRuns, a: str, b: str, metric: Metric, *, by_ranks: bool = False
) -> Sentence | None:
    """Return one comparison over the seeds that both policies finished; None if there is none.

    Per cent are of the ratio of the means, its interval is Fieller's; or, ``by_ranks``, of the median of the
    ratios with its order-statistic interval, and the test is Wilcoxon's.
    """
    ours, theirs = samples(setting, a, metric.name), samples(setting, b, metric.name)
    r, low, high, n = _median_ratio(ours, theirs) if by_ranks else _mean_ratio(ours, theirs)
    noun = _noun(metric) + (", median of the ratios" if by_ranks else "")
    if not r > 0:
        return None
    if n < 2:
        text = f"{a} and {b} differ by {_change(r)} in {noun} in a single pair: no interval is possible"
        return Sentence(text, verdict="undecided", p=math.nan)
    p = wilcoxon_exact(ours, theirs) if by_ranks else t_test(ours, theirs)
    if not low > 0 or not math.isfinite(high) or low <= 1 <= high:
        known = low > 0 and math.isfinite(high)
        ends = f"95 % interval {_change(low)} to {_change(high)}" if known else "95 % interval unbounded"
        text = f"undecided: {a} against {b} in {noun}, {_change(r)} ({ends}, {n} paired replications)"
        return Sentence(text, verdict="undecided", p=p)
    if metric.is_better(r - 1):
        return Sentence(_won(a, b, noun, (r, low, high), n), verdict="decided", p=p)
    return Sentence(_won(b, a, noun, (1 / r, 1 / high, 1 / low), n), verdict="decided", p=p)


def _mean_ratio(ours: Floats, theirs: Floats) -> tuple[float, float, float, int]:
    ratio = ratio_interval(ours, theirs)
    return float(ratio.mean), float(ratio.low), float(ratio.high), int(ratio.n)


def _median_ratio(ours: Floats, theirs: Floats) -> tuple[float, float, float, int]:
    found = median_ratio(ours, theirs)
    return found.median, found.low, found.high, found.n


def ranked(setting: ScenarioRuns) -> list[str]:
    """Return the policies by mean SCR, or median if it is heavy-tailed, best first."""
    is_heavy = setting.headline in heavy_in(setting)
    scr = {
        policy: centre(samples(setting, policy, setting.headline), is_heavy=is_heavy).value
        for policy in setting.policies
    }
    return sorted(setting.policies, key=lambda policy: -np.nan_to_num(scr[policy], nan=-np.inf))


def samples(setting: ScenarioRuns, policy: str, metric: str) -> Floats:
    """Return a metric of one policy for every seed of the setting, NaN where a run is missing."""
    values = {run.seed: run.metrics[metric] for run in setting.runs if run.policy == policy}
    return np.array([values.get(seed, np.nan) for seed in setting.seeds], dtype=np.float64)


def _won(winner: str, loser: str, noun: str, ratios: tuple[float, float, float], n: int) -> str:
    mean, *ends = (abs(ratio - 1.0) for ratio in ratios)
    least, most = (_bare(100.0 * end) for end in sorted(ends))
    return (
        f"{winner} beats {loser} by {_bare(100.0 * mean)} % in {noun}, "
        f"95 % interval {least} to {most}, {n} paired replications"
    )


def _change(ratio: float) -> str:
    return f"{_bare(100.0 * (ratio - 1.0), signed=True)} %"


def _bare(value: float, *, signed: bool = False) -> str:
    digits = 0 if abs(value) >= 10 else 1 if abs(value) >= 1 else 2
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", "\u2212")


def _noun(metric: Metric) -> str:
    return metric.label.replace("/", " per ")


def heavy_in(setting: ScenarioRuns, metrics: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Return those metrics, or of the ranking, whose mean should not be trusted, and why, by policy."""
    import pandas as pd

    names = metrics or with_headline(RANKING_METRICS, setting.headline)
    known = [name for name in names if all(name in run.metrics for run in setting.runs)]
    rows = [{"policy": run.policy} | {name: run.metrics[name] for name in known} for run in setting.runs]
    return heavy_tails(pd.DataFrame(rows), known) if rows else {}


def tail_warnings(setting: ScenarioRuns) -> list[str]:
    """Return one line for each metric and policy whose mean should not be trusted."""
    return [
        f"{policy}: {METRIC[name].label}: {why}; the ranking has medians"
        for name, policies in heavy_in(setting).items()
        for policy, why in policies.items()
    ]


def _cell(metric: Metric, values: Floats, *, is_heavy: bool) -> str:
    scale = metric.ranking_unit[1] if metric.ranking_unit else 1.0
    return centre(scale * values, is_heavy=is_heavy).text
