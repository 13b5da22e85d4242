"""Energy by device and side, checked against the meters, and fairness among users."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mecsim.analysis.report.collect import ENERGIES, Collected
from mecsim.analysis.rounding import plus_minus
from mecsim.analysis.stats import t_interval
from mecsim.results.measures import jain_index
from mecsim.results.metrics import METRIC, TABLE_METRICS, USER_METRICS, phase_energy
from mecsim.system.phases import PHASES

_OF_CLASSES = tuple(name for name in TABLE_METRICS if name in USER_METRICS)


class AuditRow(NamedTuple):
    """Energy of all rounds of one policy, in J: by device, by side, in total, and as metered; idle energy.

    ``balanced`` if devices, rounds and meters agree to 1e-9.
    """

    policy: str
    runs: int
    parts: tuple[str, ...]
    users: str
    servers: str
    total: str
    metered: str
    idle: str
    balanced: bool


class ClassRow(NamedTuple):
    """Energy of a device class under one policy: of GPUs, radios and both in J; its share of the policy's."""

    policy: str
    devices: str
    gpu: str
    radio: str
    total: str
    share: str


class UserClassRow(NamedTuple):
    """Metrics of a class of users under one policy, means over replications with half widths."""

    policy: str
    name: str
    cells: tuple[str, ...]


class FairnessRow(NamedTuple):
    """How evenly the users of a policy were served: Jain's index, best and worst mean delay."""

    policy: str
    jain: str
    best: str
    worst: str


def audit_rows(collected: Collected) -> list[AuditRow]:
    """Return one row per policy, over all its runs of the setting shown, unfinished rounds included."""
    rows = []
    for policy in collected.setting.policies if collected.setting else ():
        runs = [run for run in collected.setting.runs if run.policy == policy] if collected.setting else []
        sums = {
            name: math.fsum(run.energy_j[name] for run in runs)
            for name in (*ENERGIES, "energy_j", "metered_j", "idle_j")
        }
        total = math.fsum(sums[name] for name in ENERGIES)
        users, servers = (
            math.fsum(sums[phase_energy(phase)] for phase in PHASES if phase.payer == payer)
            for payer in ("user", "server")
        )
        agree = all(
            math.isclose(total, sums[name], rel_tol=1e-9, abs_tol=1e-9) for name in ("energy_j", "metered_j")
        )
        rows.append(
            AuditRow(
                policy, len(runs), tuple(_joules(sums[name]) for name in ENERGIES),
                _joules(users), _joules(servers), _joules(total),
                _joules(sums["metered_j"]), _joules(sums["idle_j"]), agree,
            )
        )  # fmt: skip
    return rows


def class_rows(collected: Collected) -> list[ClassRow]:
    """Return one row per policy and device class, over all its runs of the setting shown."""
    rows = []
    for policy in collected.setting.policies if collected.setting else ():
        runs = [run for run in collected.setting.runs if run.policy == policy] if collected.setting else []
        names = dict.fromkeys(name for run in runs for name in run.class_energy_j)
        parts = {
            name: [math.fsum(run.class_energy_j.get(name, (0.0, 0.0))[k] for run in runs) for k in (0, 1)]
            for name in names
        }
        whole = math.fsum(one for both in parts.values() for one in both)
        for name, (gpu_j, radio_j) in parts.items():
            share = f"{100.0 * (gpu_j + radio_j) / whole:.1f} %" if whole else "\u2013"
            rows.append(
                ClassRow(policy, name, _joules(gpu_j), _joules(radio_j), _joules(gpu_j + radio_j), share)
            )
    return rows


def user_class_heads() -> list[str]:
    """Return what the columns of the table of user classes are called."""
    return [METRIC[name].head for name in _OF_CLASSES]


def user_class_rows(collected: Collected) -> list[UserClassRow]:
    """Return one row per policy and class of users; none without classes."""
    rows = []
    for policy in collected.setting.policies if collected.setting else ():
        runs = [run for run in collected.setting.runs if run.policy == policy] if collected.setting else []
        for name in dict.fromkeys(name for run in runs for name in run.class_metrics):
            own = [run.class_metrics[name] for run in runs if name in run.class_metrics]
            found = t_interval([[one[metric] for metric in _OF_CLASSES] for one in own])
            pairs = zip(found.mean.tolist(), (found.high - found.mean).tolist(), strict=True)
            rows.append(UserClassRow(policy, name, tuple(plus_minus(*pair) for pair in pairs)))
    return rows


def fairness_rows(collected: Collected) -> list[FairnessRow]:
    """Return one row per policy; Jain's index of the users' mean delays, averaged over replications."""
    rows = []
    for policy in collected.setting.policies if collected.setting else ():
        runs = [run for run in collected.setting.runs if run.policy == policy] if collected.setting else []
        delays = [run.user_delay_s.to_numpy() for run in runs if len(run.user_delay_s)]
        if not delays:
            rows.append(FairnessRow(policy, "\u2013", "\u2013", "\u2013"))
            continue
        index = float(np.mean([jain_index(one) for one in delays]))
        best, worst = (float(np.mean([end(one) for one in delays])) for end in (np.min, np.max))
        rows.append(FairnessRow(policy, f"{index:.3f}", f"{best:.4g} s", f"{worst:.4g} s"))
    return rows


def _joules(value: float) -> str:
    return f"{value:,.1f}"
