"""Energy by device and side, checked against the meters, and fairness among users."""

from __future__ import annotations

import math
from typing import NamedTuple

import pandas as pd

from mecsim.analysis.centres import centre
from mecsim.analysis.report.collect import ENERGIES, Collected
from mecsim.analysis.tails import heavy_tails
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
    """Metrics of a class of users under one policy, over replications with 95 % intervals."""

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
    if collected.setting is None:
        return []
    metrics = pd.DataFrame(
        {"policy": run.policy, "class": name} | own
        for run in collected.setting.runs
        for name, own in run.class_metrics.items()
    )
    rows = []
    for name, own in metrics.groupby("class", sort=False) if len(metrics) else ():
        heavy = heavy_tails(own, _OF_CLASSES)
        for policy, runs in own.groupby("policy", sort=False):
            cells = tuple(centre(runs[metric], is_heavy=metric in heavy).text for metric in _OF_CLASSES)
            rows.append(UserClassRow(str(policy), str(name), cells))
    order = collected.setting.policies
    return sorted(rows, key=lambda row: order.index(row.policy))


def fairness_rows(collected: Collected) -> list[FairnessRow]:
    """Return one row per policy: means over replications, or medians of what is heavy-tailed."""
    if collected.setting is None:
        return []
    served = pd.DataFrame(
        {"policy": run.policy, "jain": jain_index(own), "best": own.min(), "worst": own.max()}
        for run in collected.setting.runs
        if len(own := run.user_delay_s.to_numpy())
    )
    heavy = heavy_tails(served, ("jain", "best", "worst")) if len(served) else {}
    rows = []
    for policy in collected.setting.policies:
        runs = served[served["policy"] == policy] if len(served) else served
        if not len(runs):
            rows.append(FairnessRow(policy, "\u2013", "\u2013", "\u2013"))
            continue
        jain, best, worst = (
            centre(runs[name], is_heavy=name in heavy).value for name in ("jain", "best", "worst")
        )
        marks = [" (median)" * (name in heavy) for name in ("best", "worst")]
        rows.append(FairnessRow(policy, f"{jain:.3f}", f"{best:.4g} s{marks[0]}", f"{worst:.4g} s{marks[1]}"))
    return rows


def _joules(value: float) -> str:
    return f"{value:,.1f}"
