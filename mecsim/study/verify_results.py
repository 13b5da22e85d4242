"""Checks of run folders from elsewhere: the manifest against the tables, laws, and a run again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mecsim import plugins
from mecsim.errors import MecsimError, PolicyNotFound, ResultStoreError
from mecsim.policy_spec import INNERS, PolicySpec
from mecsim.registry import POLICIES
from mecsim.results.laws import broken_laws
from mecsim.results.load import run_folders
from mecsim.results.manifest import read_manifest
from mecsim.results.provenance import differences
from mecsim.results.recompute import (
    derived_problems,
    digest_problems,
    metric_problems,
    scenario_problems,
)
from mecsim.results.result import Results, tables_digest
from mecsim.results.store import load_run
from mecsim.scenario.schema import Scenario
from mecsim.study.plan import Run
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import execute
from mecsim.world.world import World


class RunCheck(NamedTuple):
    """What a look at one run folder found.

    Parameters
    ----------
    folder : Path
    run_id : str
        Empty if the manifest cannot be read.
    problems : tuple of str
        What is wrong, one line each.
    remarks : tuple of str
        What could not be checked, and why.
    rerun : str
        ``"same bits"`` or ``"same metrics"`` if the run was repeated and came out so; else empty.
    """

    folder: Path
    run_id: str = ""
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    rerun: str = ""


def verify_results(
    folder: str | Path, rerun: int = 0, on_progress: Callable[[float, str], None] | None = None
) -> list[RunCheck]:
    """Check every run at or below a folder.

    Parameters
    ----------
    folder : str or Path
    rerun : int
        How many runs to repeat, evenly chosen among those of built-in policies.
    on_progress : callable, optional
        Called with the number of runs done and the last one's name.

    Returns
    -------
    list of RunCheck
        In the order of their folders.

    Raises
    ------
    ResultStoreError
        If there is no run.
    """
    places = run_folders(Path(folder))
    if not places:
        raise ResultStoreError(f"{folder}: no run in it; give a run folder, or a folder of them")
    chosen = set(_spread([place for place in places if _can_be_repeated(place)], rerun))
    checks = []
    for place in places:
        checks.append(check_run(place, repeat=place in chosen))
        if on_progress is not None:
            on_progress(len(checks), place.name)
    if rerun and not chosen:
        told = "no run here can be repeated: none is of a policy that ships with mecsim"
        checks[0] = checks[0]._replace(remarks=(*checks[0].remarks, told))
    return checks


def check_run(folder: Path, *, repeat: bool = False) -> RunCheck:
    """Check one run folder; with ``repeat``, also run it again and compare."""
    try:
        results = load_run(folder)
    except ResultStoreError as error:
        return RunCheck(folder, problems=tuple(str(error).splitlines()))
    manifest = results.manifest
    problems, remarks, again = [*digest_problems(results), *metric_problems(results)], list[str](), ""
    try:
        scenario = Scenario.from_toml(manifest["scenario_toml"], "scenario_toml", Path.cwd(), confined=True)
    except MecsimError as error:
        remarks.append(f"laws and scenario were not checked: {' '.join(str(error).split())[:500]}")
        return RunCheck(folder, manifest["run_id"], tuple(problems), tuple(remarks))
    problems += [*scenario_problems(manifest, scenario), *broken_laws(results, scenario)]
    if not problems:
        problems += derived_problems(results, World(scenario, manifest["seed"]))
    if repeat and not problems:
        again, told = _repeated(results, scenario)
        problems += told
    return RunCheck(folder, manifest["run_id"], tuple(problems), tuple(remarks), again)


def is_shipped(target: str, parameters: dict[str, Any]) -> bool:
    """Return whether a policy, and those within it, ship with mecsim; imports no code."""
    if not plugins.is_own(POLICIES, target):
        return False
    inner = [parameters[name] for name in INNERS if isinstance(parameters.get(name), str)]
    try:
        specs = [PolicySpec.parse(each) for each in inner]
    except PolicyNotFound:
        return False
    return all(is_shipped(spec.target, spec.parameters) for spec in specs)


def _can_be_repeated(folder: Path) -> bool:
    try:
        manifest = read_manifest(folder)
    except ResultStoreError:
        return False
    own = is_shipped(manifest["policy_target"], manifest["policy_parameters"])
    return own and manifest.get("reproducible", True) and not manifest.get("plugins")


def _spread(places: Sequence[Path], count: int) -> list[Path]:
    """Return some of the places, evenly spread."""
    count = min(count, len(places))
    return [places[(2 * i + 1) * len(places) // (2 * count)] for i in range(count)]


def _repeated(results: Results, scenario: Scenario) -> tuple[str, list[str]]:
    """Return how a second run compares: in what it is the same, or what differs."""
    manifest = results.manifest
    choice = PolicyChoice(manifest["policy_target"], manifest["policy_parameters"], manifest["policy"])
    try:
        again = execute(Run(scenario, choice, manifest["seed"]))
    except MecsimError as error:
        return "", [f"run again: {' '.join(str(error).split())[:500]}"]
    if tables_digest(again.tables) == manifest["digest"]:
        return "same bits", []
    elsewhere = differences(manifest["environment"])
    compared = Results(**again.tables, manifest=manifest)
    told = [
        problem for problem in metric_problems(compared) if not problem.startswith("metrics.decision_cpu_s")
    ]
    if elsewhere and not told and "metrics" in manifest:
        return "same metrics", []
    where = f"; it was computed elsewhere: {', '.join(elsewhere)} differ" if elsewhere else ""
    return "", [f"run again: other tables{where}", *(f"run again: {line}" for line in told)]
