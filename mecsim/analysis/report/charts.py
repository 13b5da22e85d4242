"""The charts of the report as data, for plotly or matplotlib to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from mecsim.analysis.centres import centre, middle_runs
from mecsim.analysis.report.collect import Collected, ScenarioRuns
from mecsim.analysis.report.verdict import heavy_in, samples
from mecsim.analysis.stats import weighted_quantile
from mecsim.results.metrics import METRIC, phase_spender, phase_user_energy
from mecsim.system.arrays import Floats
from mecsim.system.phases import PHASES

_MOST_LETTERS = 12

SeriesForm = Literal["line", "points", "bars"]


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """One line, cloud of points or row of bars.

    Parameters
    ----------
    name : str
        For the legend; empty to leave it out.
    place : int
        Decides colour, dash and marker: the place of the policy in the setting, or of the phase in a round.
    form : str
    x : (n,) float, or list of str for categories
    y : (n,) float
    ends : (2, n) float or None
        How far the intervals reach below and above.
    policy : str
        Which policy it belongs to, for the filter; empty for none.
    faint : bool
        Drawn small.
    """

    name: str
    place: int
    form: SeriesForm
    x: Floats | list[str]
    y: Floats
    ends: Floats | None = None
    policy: str = ""
    faint: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Marks:
    """Times of events under one policy: ticks for handovers, crosses for decisions held or late."""

    policy: str
    place: int
    ticks: Floats
    crosses: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Chart:
    """A chart: series on two axes, shaded spans of time, and a note below.

    Parameters
    ----------
    key, title, x_label, y_label, note : str
    series : tuple of Series
    spans : tuple of (from, to, text)
    marks : tuple of Marks
        A strip below with the same first axis, one row each.
    moments : tuple of float
        Where a dashed line stands: a run changes its policy.
    log_x, diagonal : bool
        A logarithmic first axis; the line of equal values.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    note: str = ""
    spans: tuple[tuple[float, float, str], ...] = ()
    marks: tuple[Marks, ...] = ()
    log_x: bool = False
    diagonal: bool = False
    moments: tuple[float, ...] = ()


def summary_charts(setting: ScenarioRuns) -> list[Chart]:
    """Return the charts over all runs of a setting: SCR, delay, energy, fairness."""
    return [_scr(setting), _delays(setting), _energy(setting), _users(setting)]


def places_of(setting: ScenarioRuns) -> dict[str, int]:
    """Return the place of each policy in the order of its folder, which decides its style."""
    return {policy: i for i, policy in enumerate(dict.fromkeys([*setting.order, *setting.policies]))}


def shortened(name: str) -> str:
    """Return a name that fits beside a row of marks."""
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "\u2026"


def _scr(setting: ScenarioRuns) -> Chart:
    order, place, series = setting.policies, places_of(setting), []
    is_heavy = setting.headline in heavy_in(setting)
    for policy in order:
        values = samples(setting, policy, setting.headline)
        own = centre(values, is_heavy=is_heavy)
        series.append(
            Series(policy, place[policy], "points", [policy], np.array([own.value]),
                   np.transpose([own.ends]), policy)
        )  # fmt: skip
        kept = values[~np.isnan(values)]
        series.append(
            Series("", place[policy], "points", [policy] * len(kept), kept, None, policy, faint=True)
        )
    middle = "Median" if is_heavy else "Mean"
    return Chart(
        "scr", "Service-cost ratio", "", METRIC[setting.headline].label, tuple(series),
        f"{middle} and 95 % interval over replications; small dots are replications. Higher is better.",
    )  # fmt: skip


def _delays(setting: ScenarioRuns) -> Chart:
    place, series, tails = places_of(setting), [], []
    for policy in setting.policies:
        parts = [run.delays for run in setting.runs if run.policy == policy and len(run.delays)]
        if not parts:
            continue
        delay = np.concatenate([part["delay_s"].to_numpy() for part in parts])
        weight = np.concatenate([part["weight"].to_numpy() for part in parts])
        grid = np.unique(np.concatenate([np.linspace(0.002, 1.0, 250), [0.95, 0.99, 0.995, 0.999]]))
        curve = weighted_quantile(delay, weight, grid)
        series.append(Series(policy, place[policy], "line", curve, grid, None, policy))
        ends = np.array([0.95, 0.99])
        at_ends = curve[np.isin(grid, ends)]
        tails.append(Series("", place[policy], "points", at_ends, ends, None, policy))
    highs = np.array([float(np.max(np.asarray(one.x, dtype=np.float64))) for one in series] or [1.0])
    lows = np.array([float(np.min(np.asarray(one.x, dtype=np.float64))) for one in series] or [1.0])
    return Chart(
        "delay", "Delay of a round", "delay (s)", "share of rounds",
        (*series, *tails),
        "All replications together; marks at the 95th and the 99th percentile. Left is better.",
        log_x=bool(lows.min() > 0 and highs.max() / lows.min() > 30),
    )  # fmt: skip


def _energy(setting: ScenarioRuns) -> Chart:
    order, series, total = list(setting.policies), [], "energy_user_j"
    is_heavy = total in heavy_in(setting, [total])
    for place, phase in enumerate(PHASES):
        heights = []
        for policy in order:
            parts, whole = (samples(setting, policy, name) for name in (phase_user_energy(phase), total))
            kept = parts[middle_runs(whole)] if is_heavy else parts
            heights.append(centre(kept, is_heavy=False).value)
        series.append(Series(phase_spender(phase), place, "bars", order, np.array(heights)))
    over = "of the replication with the median, as it is heavy-tailed" if is_heavy else "over replications"
    return Chart(
        "energy", "Energy of a round, by where it is spent", "", "energy (J)", tuple(series),
        f"Means over users, then {over}. Lower is better.",
    )  # fmt: skip


def _users(setting: ScenarioRuns) -> Chart:
    place, series = places_of(setting), []
    for policy in setting.policies:
        delays = [run.user_delay_s for run in setting.runs if run.policy == policy]
        values = np.sort(np.concatenate([one.to_numpy() for one in delays]))
        share = (np.arange(len(values)) + 1.0) / max(len(values), 1)
        series.append(Series(policy, place[policy], "line", share, values, None, policy))
    return Chart(
        "fairness", "Fairness: mean delay of each user", "users, from best served to worst",
        "mean delay (s)", tuple(series),
        "Users of all replications, sorted. A flat line is fair.",
    )  # fmt: skip


def shown_replays(collected: Collected) -> str:
    """Return a sentence that names the world shown in the replay and over time."""
    setting = collected.setting
    if setting is None or not collected.replays:
        return ""
    seed = next(iter(collected.replays.values())).manifest["seed"]
    others = len(setting.seeds) - 1
    more = f"; one of {others + 1} worlds, choose another with mecsim report --seed N" if others else ""
    return f"World of seed {seed}{more}."
