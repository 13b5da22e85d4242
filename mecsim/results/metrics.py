"""The metrics of a run, in one table: name, unit, label, meaning, direction, and how each is computed.

A new metric is one more entry of ``ALL_METRICS``. Manifests, comparisons, tables, figures, claims,
tuning and the command line take their lists, labels and directions from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.results.after_warmup import AfterWarmup
from mecsim.results.learning import energy_to_target_j, time_to_target_s
from mecsim.results.manifest import scenario_values
from mecsim.results.measures import (
    deadline_misses,
    delay_fairness,
    generation_scr,
    idle_per_round,
    jain_index,
    mean_over_users,
    open_share,
    quantile_over_rounds,
    quantile_over_users,
    rounds_per_hour,
    spent_per_round,
    spent_per_user,
    window_scr,
    worst_user_delay,
)
from mecsim.results.measures import mean_over_rounds as _mean
from mecsim.results.result import Results
from mecsim.system.phases import PHASES, PhaseSpec

WINDOW_SCR = "scr_window"

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
    of_users : bool
        It exists for a part of the users as well.
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
    of_users: bool = False
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


def phase_energy(phase: PhaseSpec) -> str:
    """Return the name of the column, and of the metric, that holds the energy of a phase."""
    return f"{phase.name}_j"


def phase_spender(phase: PhaseSpec) -> str:
    """Return what spends the energy of a phase, such as ``user GPU``."""
    return f"{phase.payer} {'GPU' if phase.resource.medium == 'gpu' else 'radio'}"


def phase_user_energy(phase: PhaseSpec) -> str:
    """Return the name of the metric that holds the energy of a phase, mean over users."""
    return f"{phase.name}_user_j"


def _phase_metrics(phase: PhaseSpec) -> tuple[Metric, Metric]:
    spender = {"gpu": "GPUs", "radio": "radio"}[phase.resource.medium]
    meaning, name = f"energy of the {phase.payer}'s {spender} in a round", phase_energy(phase)
    by_user = mean_over_users(name)
    return (
        Metric(name, "J", f"{phase.name} energy", f"{meaning}, mean over rounds", "less", _mean(name)),
        Metric(
            phase_user_energy(phase), "J", f"{phase.name} energy/user", f"{meaning}, mean over users",
            "less", by_user, of_users=True,
        ),
    )  # fmt: skip


ALL_METRICS = (
    Metric(
        "scr_window", "1", "window SCR", "realised service-cost ratio over windows of time, ratio of sums",
        "more", window_scr, "verdict",
    ),
    Metric(
        "scr", "1", "SCR", "realised service-cost ratio, mean over generations, or epochs if users change",
        "more", generation_scr,
    ),
    Metric(
        "delay_user_s", "s", "delay/user", "delay of a round: the users' means, mean over users",
        "less", mean_over_users("delay_s"), "verdict", of_users=True,
    ),
    Metric(
        "delay_worst_user_s", "s", "worst user's delay", "delay of a round: the largest of the users' means",
        "less", worst_user_delay, "table", of_users=True,
    ),
    Metric(
        "energy_user_j", "J", "energy/user", "energy of a round: the users' means, mean over users",
        "less", mean_over_users("energy_j"), "verdict", of_users=True,
    ),
    Metric(
        "delay_user_p95_s", "s", "user delay P95", "delay of a round: 95th percentile of the users' means",
        "less", quantile_over_users("delay_s", 0.95), of_users=True,
    ),
    Metric(
        "delay_user_p99_s", "s", "user delay P99", "delay of a round: 99th percentile of the users' means",
        "less", quantile_over_users("delay_s", 0.99), of_users=True,
    ),
    Metric(
        "delay_s", "s", "delay/round", "delay of a round, mean over rounds: fast users have more of them",
        "less", _mean("delay_s"), of_users=True,
    ),
    Metric(
        "delay_p95_s", "s", "delay P95", "delay of a round, 95th percentile over rounds",
        "less", quantile_over_rounds("delay_s", 0.95), of_users=True,
    ),
    Metric(
        "delay_p99_s", "s", "delay P99", "delay of a round, 99th percentile over rounds",
        "less", quantile_over_rounds("delay_s", 0.99), of_users=True,
    ),
    Metric(
        "energy_j", "J", "energy/round", "energy of a round, mean over rounds",
        "less", _mean("energy_j"), of_users=True,
    ),
    Metric(
        "spent_j", "J", "energy spent/round", "all energy of rounds per round finished, lost rounds included",
        "less", spent_per_round,
    ),
    Metric(
        "spent_user_j", "J", "energy spent/user", "energy of all rounds of a user, lost and open ones too",
        "less", spent_per_user, of_users=True,
    ),
    Metric(
        "idle_j", "J", "idle energy/round", "energy of idle power, in no round, per round finished",
        "less", idle_per_round,
    ),
    Metric(
        "rounds_per_hour", "1/h", "rounds/h", "rounds finished per simulated hour, all users together",
        "more", rounds_per_hour, "table", of_users=True,
    ),
    Metric(
        "fairness", "1", "fairness", "Jain's index of the users' rounds finished",
        "more", lambda run: jain_index(run.finished_by_user), of_users=True,
    ),
    Metric(
        "fairness_delay", "1", "fairness of delay", "Jain's index of the users' mean delays of a round",
        "more", delay_fairness, of_users=True,
    ),
    Metric(
        "handovers_per_round", "1", "handovers/round", "changes of server within a round, mean",
        "less", _mean("handovers"), "table", of_users=True,
    ),
    *(metric for phase in PHASES for metric in _phase_metrics(phase)),
    Metric(
        "stall_s", "s", "stall", "time of a round without any grant for its phase, mean",
        "less", _mean("stall_s"), of_users=True,
    ),
    Metric(
        "open_windows", "1", "open windows", "share of users' windows in which none of their rounds ended",
        "less", open_share,
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
        "less", deadline_misses, needs_deadline=True, of_users=True,
    ),
)  # fmt: skip
"""Every metric."""
METRICS = tuple(metric for metric in ALL_METRICS if not metric.needs_deadline)
"""The metrics that every run has, in its manifest and in all tables."""
METRIC = {metric.name: metric for metric in ALL_METRICS}
"""Every metric by its name."""
VERDICT_METRICS = tuple(metric.name for metric in METRICS if metric.prominence == "verdict")
"""The metrics that a report judges in sentences; of synchronous rounds see :func:`with_headline`."""
TABLE_METRICS = tuple(metric.name for metric in METRICS if metric.prominence in ("verdict", "table"))
"""The metrics that tables show unless others are asked for."""
RANKING_METRICS = tuple(metric.name for metric in METRICS if metric.prominence != "on request")
"""The metrics in the ranking of a report."""
USER_METRICS = tuple(metric.name for metric in ALL_METRICS if metric.of_users)
"""The metrics that exist for a part of the users, such as a class, as well."""


def headline(mode: str | None) -> str:
    """Return the SCR that is shown first where rounds start in this mode; over windows unless synchronous."""
    return "scr" if mode == "synchronous" else WINDOW_SCR


def headline_of(manifest: Mapping[str, Any]) -> str:
    """Return the SCR that is shown first of the run of a manifest."""
    values = scenario_values(manifest) if "scenario_toml" in manifest else {}
    return headline(values.get("workload.rounds.mode"))


def with_headline(names: Iterable[str], headline: str) -> tuple[str, ...]:
    """Return names of metrics with another SCR in the place of that over windows."""
    return tuple(headline if name == WINDOW_SCR else name for name in names)


def check_metric(name: str) -> str:
    """Return the name of a metric.

    Raises
    ------
    MecsimError
        If there is none of that name.
    """
    if name not in METRIC:
        if hint := nearest(name, METRIC):
            raise MecsimError(f"metric = {name}: there is none of that name{hint}")
        raise MecsimError(f"metric = {name}: must be {either(tuple(METRIC))}")
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
