"""What the tables of a run give anew: digest, derived tables, metrics and notes, beside what is stored."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mecsim.errors import ResultStoreError
from mecsim.messages import shortened
from mecsim.results.derive import generations, positions, realised
from mecsim.results.metrics import run_metrics, stored_metrics
from mecsim.results.notes import run_notes
from mecsim.results.result import Results, tables_digest
from mecsim.tables import columns_of

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.world.world import World

RELATIVE = 1e-9


def checked_metrics(results: Results) -> Results:
    """Return the results of a run read from its folder, if its stored metrics are those of its tables.

    Raises
    ------
    ResultStoreError
        If they are not: somebody changed one of them.
    """
    problems = list(metric_problems(results))
    if problems:
        raise ResultStoreError(
            "\n".join(
                f"{shortened(str(results.manifest['run_id']))}: {problem}; delete the folder and run again"
                for problem in problems
            )
        )
    return results


def metric_problems(results: Results) -> Iterator[str]:
    """Yield one line for each stored metric that the tables do not give, and each missing note."""
    manifest = results.manifest
    if "metrics" not in manifest:
        return
    stored, computed = stored_metrics(manifest), run_metrics(results)
    for name, value in computed.items():
        if name not in stored:
            yield f"metrics.{name}: missing, the tables give {value:.9g}"
        elif not _same(stored[name], value):
            yield f"metrics.{name} = {stored[name]:.9g}: the tables give {value:.9g}"
    for note in run_notes(results, computed):
        if note not in manifest.get("notes", ()):
            yield f"notes: missing: {note}"


def digest_problems(results: Results) -> Iterator[str]:
    """Yield a line if the tables are not those whose digest and counts the manifest has."""
    manifest = results.manifest
    if (digest := tables_digest(results.tables)) != manifest["digest"]:
        yield f"digest = {manifest['digest'][:16]}...: the tables give {digest[:16]}..."
    rounds = int(results.rounds["outcome"].eq("finished").sum())
    for name, rows in (("epochs", len(results.epochs)), ("rounds", rounds)):
        if name in manifest["counts"] and manifest["counts"][name] != rows:
            yield f"counts.{name} = {manifest['counts'][name]}: the tables have {rows}"


def scenario_problems(manifest: Mapping[str, Any], scenario: Scenario) -> Iterator[str]:
    """Yield a line for each value of a manifest that is not that of its scenario."""
    expected = {
        "scenario": scenario.name,
        "duration_s": scenario.duration_s,
        "warmup_s": scenario.warmup_s,
        "users": scenario.users.count,
        "servers": scenario.servers.count,
        "scenario_sha256": scenario.sha256,
        "switched_off": scenario.switched_off(),
    }
    if "window_s" in manifest:  # runs of older versions lack it
        expected["window_s"] = scenario.record.window_s
    for name, value in expected.items():
        if manifest[name] != value:
            yield f"{name} = {shortened(str(manifest[name]))}: the scenario has {shortened(str(value))}"
    for name in ("delay_weight_per_s", "energy_weight_per_j", "delay"):
        given, asked = manifest["objective"].get(name, "max"), getattr(scenario.objective, name)
        if given != asked:
            yield f"objective.{name} = {given}: the scenario has {asked}"


def derived_problems(results: Results, world: World) -> Iterator[str]:
    """Yield a line for each derived table that the recorded ones and the world do not give.

    Where users come and go, who was present is in no table, and nothing is compared.
    """
    if "arrived" in results.manifest["counts"]:
        return
    scenario, own = world.scenario, world.objective
    tables = {
        name: {c.name: frame[c.name].to_numpy() for c in columns_of(name, frame.columns)}
        for name, frame in results.tables.items()
    }
    rounds, epochs = tables["rounds"], tables["epochs"]
    expected = {
        "generations": generations(rounds, epochs, scenario, objective=own),
        "positions": positions(world),
        "epochs": {"realised_scr": realised(rounds, epochs["time_s"], scenario, objective=own)},
    }
    for table, columns in expected.items():
        for name, values in columns.items():
            if problem := _difference(tables[table][name], np.asarray(values)):
                yield f"{table}.{name}: {problem}"
                break


def _difference(given: NDArray[Any], expected: NDArray[Any]) -> str:
    if len(given) != len(expected):
        return f"has {len(given)} rows, the recorded tables give {len(expected)}"
    same = np.isclose(given, expected, rtol=RELATIVE, atol=1e-9, equal_nan=True)
    wrong = np.flatnonzero(~same)
    if len(wrong) == 0:
        return ""
    return f"row {wrong[0]} has {given[wrong[0]]:.9g}, the recorded tables give {expected[wrong[0]]:.9g}"


def _same(one: float, other: float) -> bool:
    return (math.isnan(one) and math.isnan(other)) or math.isclose(
        one, other, rel_tol=RELATIVE, abs_tol=1e-12
    )
