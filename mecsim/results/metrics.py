"""The metrics of a run, in one table: name, unit, label, meaning, direction, and how each is computed.

A new metric is one more entry of ``ALL_METRICS``. Manifests, comparisons, tables, figures, claims,
tuning and the command line take their lists, labels and directions from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.learning import TOKENS, energy_to_target_j, time_to_target_s
from mecsim.results.result import Results
from mecsim.system.phases import PHASES, PhaseSpec

MEASURED_DECISIONS = "decisions took the CPU time they were measured to take: no other run has these bits"

Prominence = Literal["verdict", "table", "report", "on request"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run.

    Parameters
    ----------
    name : str
        Its column, with the unit as suffix.
    unit : str
        ``1`` for a pure number.
    label : str
        For axes and columns, without the unit.
    meaning : str
    better : {"more", "less"}
        Which direction is an improvement.
    compute : callable
        The value of one run; NaN where it is not defined.
    prominence : str
        Where it is shown unless other metrics are asked for: in the sentences, tables and ranking of a
        report (``"verdict"``), in tables and the ranking, in the ranking alone (``"report"``), or nowhere.
    needs_deadline : bool
        It is computed only where a deadline is given, and is in no manifest.
    ranking_unit : tuple of (str, float)
        The unit that the report's ranking uses instead, and how many of it make one ``unit``.
    """

    name: str
    unit: str
    label: str
    meaning: str
    better: Literal["more", "less"]
    compute: Callable[[AfterWarmup], float]
    prominence: Prominence = "on request"
    needs_deadline: bool = False
    ranking_unit: tuple[str, float] | None = None

    @property
    def sign(self) -> float:
        """1 if more is better, else -1: the larger ``sign * value``, the better."""
        return 1.0 if self.better == "more" else -1.0

    @property
    def head(self) -> str:
        """The label with its unit, unless the label contains it."""
        return self.label + (f" ({self.unit})" if self.unit not in ("1", "1/h") else "")

    def is_better(self, difference: float) -> bool:
        """Tell whether a difference to a reference is an improvement."""
        return self.sign * difference > 0


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


def _mean(column: str) -> Callable[[AfterWarmup], float]:
    return lambda run: float(run.rounds[column].mean())


def _delay_quantile(share: float) -> Callable[[AfterWarmup], float]:
    return lambda run: float(run.rounds["delay_s"].quantile(share))


def _scr(run: AfterWarmup) -> float:
    # Generations hold one round of every user, which is impossible where users come and go.
    if "arrived" in run.results.manifest.get("counts", {}):
        return float(run.epochs["realised_scr"].mean())
    return float(run.generations["scr"].mean())


def _spent_per_round(run: AfterWarmup) -> float:
    finished = int(run.epochs["rounds_finished"].sum())
    return float(run.epochs["realised_energy_j"].sum()) / finished if finished else math.nan


def _idle_per_round(run: AfterWarmup) -> float:
    finished = int(run.epochs["rounds_finished"].sum())
    return float(run.epochs["idle_j"].sum()) / finished if finished else math.nan


def _rounds_per_hour(run: AfterWarmup) -> float:
    return float(run.finished_by_user.sum() / run.measured_s * 3600.0)


def _deadline_misses(run: AfterWarmup) -> float:
    """Return the share of late or lost rounds; of those cut off by the end of the run only the late count."""
    if math.isnan(run.deadline_s):
        return math.nan
    late = (run.started["wait_s"] + run.started["delay_s"]) > run.deadline_s
    known = late | run.started["outcome"].ne("unfinished")
    missed = late | run.started["outcome"].isin(["dropped", "out_of_energy"])
    return float(missed[known].mean()) if known.any() else math.nan


def phase_energy(phase: PhaseSpec) -> str:
    """Return the name of the column, and of the metric, that holds the energy of a phase."""
    return f"{phase.name}_j"


def phase_spender(phase: PhaseSpec) -> str:
    """Return what spends the energy of a phase, such as ``user GPU``."""
    return f"{phase.payer} {'GPU' if phase.resource.medium == 'gpu' else 'radio'}"


def _phase_metric(phase: PhaseSpec) -> Metric:
    spender = {"gpu": "GPUs", "radio": "radio"}[phase.resource.medium]
    meaning = f"energy of the {phase.payer}'s {spender} in a round, mean"
    name = phase_energy(phase)
    return Metric(name, "J", f"{phase.name} energy", meaning, "less", _mean(name))


ALL_METRICS = (
    Metric(
        "scr", "1", "SCR", "realised service-cost ratio, mean over generations, or epochs if users change",
        "more", _scr, "verdict",
    ),
    Metric("delay_s", "s", "delay", "delay of a round, mean", "less", _mean("delay_s"), "verdict"),
    Metric(
        "delay_p95_s", "s", "delay P95", "delay of a round, 95th percentile",
        "less", _delay_quantile(0.95), "table",
    ),
    Metric(
        "delay_p99_s", "s", "delay P99", "delay of a round, 99th percentile", "less", _delay_quantile(0.99)
    ),
    Metric("energy_j", "J", "energy/round", "energy of a round, mean", "less", _mean("energy_j"), "verdict"),
    Metric(
        "spent_j", "J", "energy spent/round", "all energy of rounds per round finished, lost rounds included",
        "less", _spent_per_round,
    ),
    Metric(
        "idle_j", "J", "idle energy/round", "energy of idle power, in no round, per round finished",
        "less", _idle_per_round,
    ),
    Metric(
        "rounds_per_hour", "1/h", "rounds/h", "rounds finished per simulated hour, all users together",
        "more", _rounds_per_hour, "table",
    ),
    Metric(
        "fairness", "1", "fairness", "Jain's index of the users' rounds finished",
        "more", lambda run: jain_index(run.finished_by_user),
    ),
    Metric(
        "handovers_per_round", "1", "handovers/round", "changes of server within a round, mean",
        "less", _mean("handovers"), "table",
    ),
    *map(_phase_metric, PHASES),
    Metric(
        "stall_s", "s", "stall", "time of a round without any grant for its phase, mean",
        "less", _mean("stall_s"),
    ),
    Metric(
        "time_to_target_s", "s", "time to target", "time from the start to the loss learning.target",
        "less", lambda run: time_to_target_s(run.results),
    ),
    Metric(
        "energy_to_target_j", "J", "energy to target", "energy of all devices to that time, with idle power",
        "less", lambda run: energy_to_target_j(run.results),
    ),
    Metric(
        "decision_cpu_s", "s", "decision time", "CPU time of a decision, mean; measured",
        "less", lambda run: float(run.epochs["decision_cpu_s"].mean()), "report", ranking_unit=("ms", 1e3),
    ),
    Metric(
        "deadline_misses", "1", "deadline misses", "share of rounds later than the deadline, or lost",
        "less", _deadline_misses, needs_deadline=True,
    ),
)  # fmt: skip
"""Every metric."""
METRICS = tuple(metric for metric in ALL_METRICS if not metric.needs_deadline)
"""The metrics that every run has, in its manifest and in all tables."""
METRIC = {metric.name: metric for metric in ALL_METRICS}
"""Every metric by its name."""
VERDICT_METRICS = tuple(metric.name for metric in METRICS if metric.prominence == "verdict")
"""The metrics that a report judges in sentences."""
TABLE_METRICS = tuple(metric.name for metric in METRICS if metric.prominence in ("verdict", "table"))
"""The metrics that tables show unless others are asked for."""
RANKING_METRICS = tuple(metric.name for metric in METRICS if metric.prominence != "on request")
"""The metrics in the ranking of a report."""


def check_metric(name: str) -> str:
    """Return the name of a metric.

    Raises
    ------
    MecsimError
        If there is none of that name.
    """
    if name not in METRIC:
        raise MecsimError(f"metric = {name}: must be {either(tuple(METRIC))}{nearest(name, METRIC)}")
    return name


def run_metrics(results: Results) -> dict[str, float]:
    """Return every metric of ``METRICS`` for one run; NaN where nothing is left after the warm-up."""
    run = AfterWarmup(results)
    return {metric.name: metric.compute(run) for metric in METRICS}


def metrics_with_deadline(results: Results, deadline_s: float) -> dict[str, float]:
    """Return every metric of ``ALL_METRICS`` for one run, the rounds having a deadline; NaN for none."""
    run = AfterWarmup(results, deadline_s)
    return {metric.name: metric.compute(run) for metric in ALL_METRICS}


def stored_metrics(manifest: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics stored in the manifest; empty if absent."""
    # JSON has no NaN: the manifest holds null instead.
    stored = manifest.get("metrics", {})
    return {name: math.nan if value is None else value for name, value in stored.items()}


def same_metrics(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Return whether two sets of metrics are the same to the bit; NaN is itself."""
    return one.keys() == other.keys() and all(
        repr(float(one[name])) == repr(float(other[name])) for name in one
    )


def notes_by_seed(notes: Iterable[tuple[str, int, str]]) -> list[str]:
    """Return one line for each policy and note, which names all its seeds, from (policy, seed, note)."""
    seeds: dict[tuple[str, str], list[str]] = {}
    for policy, seed, note in notes:
        seeds.setdefault((policy, note), []).append(str(seed))
    return [f"{policy}, seed {', '.join(own)}: {note}" for (policy, note), own in seeds.items()]


def run_notes(results: Results, metrics: Mapping[str, float] | None = None) -> list[str]:
    """Return what a reader of the metrics must know: which are missing, and why.

    ``metrics`` are those of the run, if they are known already.
    """
    notes = []
    values = run_metrics(results) if metrics is None else metrics
    warmup_s = results.manifest["warmup_s"]
    if not results.manifest.get("reproducible", True):
        notes += results.manifest.get("not_reproducible_because", [MEASURED_DECISIONS])
    if math.isnan(values["delay_s"]):
        notes.append(
            f"no round that started after the warm-up ({warmup_s:g} s) was finished: no delay, no energy"
        )
    if math.isnan(values["scr"]):
        notes.append(
            f"not every user finished a round that started after the warm-up ({warmup_s:g} s): no SCR"
        )
    if TOKENS in results.manifest and math.isnan(values["time_to_target_s"]):
        notes.append("the loss did not reach its target within the run: no time and no energy to it")
    return notes
