"""The output of ``mecsim run`` and ``compare``: tables for people, objects for programs."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.centres import Centre
from mecsim.analysis.rounding import four_digits
from mecsim.messages import system_size
from mecsim.results.metrics import METRIC, headline_of, phase_user_energy, run_metrics
from mecsim.results.notes import run_notes
from mecsim.system.phases import PHASES

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.results.result import Results
    from mecsim.study.comparison import Comparison

_FOLDS = {"/round": "\na round", "/user": "\na user", "user's ": "user's\n", " (": "\n("}
_FOLDED = re.compile("|".join(map(re.escape, _FOLDS)))


def run_object(results: Results, folder: Path) -> dict[str, Any]:
    """Return what ``mecsim run --json`` prints."""
    manifest, metrics = results.manifest, run_metrics(results)
    described = (
        "run_id",
        "scenario",
        "policy",
        "seed",
        "duration_s",
        "warmup_s",
        "digest",
        "wall_s",
        "cpu_s",
    )
    return {key: manifest[key] for key in described} | {
        "folder": str(folder),
        "metrics": metrics,
        "counts": manifest["counts"],
        "user_seconds_per_cpu_s": _speed(manifest),
        "switched_off": manifest["switched_off"],
        "notes": run_notes(results, metrics),
    }


def run_table(results: Results, folder: Path) -> Table:
    """Return a summary of a run, as a table of two columns."""
    from rich.table import Table

    manifest = results.manifest
    table = Table(
        title=f"{manifest['scenario']}, {manifest['policy']}, seed {manifest['seed']}", show_header=False
    )
    table.add_column(style="bold")
    table.add_column()
    metrics = run_metrics(results)
    rows = _events(results) | _averages(results, metrics) | _circumstances(results, metrics)
    for name, text in rows.items():
        table.add_row(name, text)
    table.add_row("folder", str(folder))
    return table


def _events(results: Results) -> dict[str, str]:
    manifest, stalls_s = results.manifest, results.rounds["stall_s"]
    outcome = results.rounds["outcome"].value_counts()
    held, late = (results.epochs["status"].eq(status).sum() for status in ("held", "late"))
    size = system_size(manifest["users"], manifest["servers"])
    rounds = [f"{outcome.get('finished', 0)} finished", f"{outcome.get('unfinished', 0)} cut off by the end"]
    rounds += [
        f"{outcome[name]} {name.replace('_', ' ')}"
        for name in ("dropped", "out_of_energy")
        if name in outcome
    ]
    restarts = results.rounds["restarts"].sum()
    rounds += [f"{restarts} restarts"] if restarts else []
    return {
        "simulated": f"{manifest['duration_s']:g} s, {size}",
        **_arrivals_and_departures(manifest["counts"]),
        "rounds": ", ".join(rounds),
        "handovers": f"{manifest['counts']['handovers']}",
        "stalls": f"{stalls_s.sum():.4g} s in {stalls_s.gt(0).sum()} rounds",
        "decisions": f"{len(results.epochs)}"
        + (f", {held} held as infeasible" if held else "")
        + (f", {late} too late" if late else ""),
    }


def _arrivals_and_departures(counts: dict[str, int]) -> dict[str, str]:
    if "arrived" not in counts:
        return {}
    ends = ("arrived", "left", "done", "refused", "out_of_energy")
    return {"users": ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in ends)}


def _averages(results: Results, metrics: Mapping[str, float]) -> dict[str, str]:
    warmup_s = results.manifest["warmup_s"]
    parts = ", ".join(f"{phase.name} {metrics[phase_user_energy(phase)]:.3g}" for phase in PHASES)
    scr = headline_of(results.manifest)
    return {
        f"after a warm-up of {warmup_s:g} s" if warmup_s else "over the whole run": "",
        f"  {METRIC[scr].label}": _number(metrics[scr], ""),
        "  delay of a round": f"{_number(metrics['delay_user_s'], 's')}, mean over users",
        "  of the worst user": _number(metrics["delay_worst_user_s"], "s"),
        "  mean over rounds": _number(metrics["delay_s"], "s"),
        "  95th percentile": f"{_number(metrics['delay_p95_s'], 's')} of all rounds",
        "  energy of a round": f"{_number(metrics['energy_user_j'], 'J')}, mean over users ({parts})",
        "  rounds an hour, all users": _number(metrics["rounds_per_hour"], ""),
        "  handovers a round": _number(metrics["handovers_per_round"], ""),
        "  time for a decision": _number(1e3 * metrics["decision_cpu_s"], "ms"),
    }


def _circumstances(results: Results, metrics: Mapping[str, float]) -> dict[str, str]:
    manifest = results.manifest
    return {f"note {i + 1}": note for i, note in enumerate(run_notes(results, metrics))} | {
        "switched off": "\n".join(manifest["switched_off"]) or "no physical effect",
        "speed": f"{_speed(manifest):,.0f} user-seconds per CPU second ({manifest['cpu_s']:.2f} s of CPU)",
    }


def comparison_object(comparison: Comparison, files: list[Path]) -> dict[str, Any]:
    """Return what ``mecsim compare --json`` prints."""
    return {
        "scenario": comparison.scenario,
        "policies": list(comparison.policies),
        "seeds": list(comparison.seeds),
        "table": comparison.table.to_dict(orient="records"),
        "differing": sorted(map(list, comparison.differing)),
        "heavy_tails": comparison.heavy_tails,
        "failures": [{"run_id": o.run_id, "error": o.error} for o in comparison.failures],
        "notes": list(comparison.notes),
        "folder": str(comparison.out),
        "files": [str(file) for file in files],
    }


def comparison_table(comparison: Comparison, *, narrow: bool = False) -> Table:
    """Return policies down, metrics across; under each mean the paired difference to the first policy."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title=f"{comparison.scenario}, {len(comparison.seeds)} replications",
        caption=_caption(comparison),
        box=SIMPLE_HEAD,
        show_lines=True,
        padding=(0, 0, 0, 1),
    )
    table.add_column("policy", style="bold", no_wrap=True)
    for name in comparison.shown:
        table.add_column(_FOLDED.sub(lambda at: _FOLDS[at[0]], METRIC[name].head), justify="right")
    rows = {(row["policy"], row["metric"]): row for row in comparison.table.to_dict(orient="records")}
    for policy in comparison.policies:
        cells = [_cell(rows[policy, name], comparison) for name in comparison.shown]
        if narrow:
            cells = [cell.replace(" ± ", " ±").replace(" *", "*") for cell in cells]
        table.add_row(policy, *cells)
    return table


def _caption(comparison: Comparison) -> str:
    """Return what the numbers and the stars of the table mean."""
    own = "mean ± half width of its own 95 % interval"
    own += ", where heavy-tailed: median [its 95 % interval]" if comparison.heavy_tails else ""
    below = f"; below: paired difference to {comparison.policies[0]}" if len(comparison.policies) > 1 else ""
    if len(comparison.seeds) == 1:
        return f"one replication{below}; intervals need two"
    if not below:
        return own
    tests = int(comparison.paired["p"].notna().sum())
    looks = f" and {comparison.looks} looks" if comparison.looks > 1 else ""
    return (
        f"{own}{below}, likewise\n* differs after Holm's "
        f"correction for all {tests} differences{looks}: at most 5 % of tables have a false *"
    )


def _cell(row: dict[Hashable, Any], comparison: Comparison) -> str:
    is_heavy = row["metric"] in comparison.heavy_tails
    own = comparison.centre(row).text
    own += f" (n = {row['n']:.0f})" if row["n"] < len(comparison.seeds) else ""
    if np.isnan(row["difference"]):
        return own
    ends = (
        comparison.median_difference(row["policy"], row["metric"])
        if is_heavy
        else (row["difference"], row["difference_low"], row["difference_high"])
    )
    difference = Centre(ends[0], ends[1], ends[2], is_heavy).written(signed=True)
    star = " *" if (row["policy"], row["metric"]) in comparison.differing else "  "
    return f"{own}\n{difference}{star}"


def tail_warnings(comparison: Comparison) -> list[str]:
    """Return one line for each metric of the table whose mean should not be trusted, and why."""
    return [
        f"{METRIC[metric].label}, {policy}: {why}; the table has medians"
        for metric, policies in comparison.heavy_tails.items()
        for policy, why in policies.items()
    ]


def _number(value: float, unit: str) -> str:
    return f"{four_digits(value)} {unit}".rstrip()


def _speed(manifest: dict[str, Any]) -> float:
    user_s = manifest["counts"].get("user_seconds", manifest["duration_s"] * manifest["users"])
    return float(user_s / max(manifest["cpu_s"], 1e-9))
