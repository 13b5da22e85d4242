"""``plan.json`` in a folder of runs: the policies in the order they were asked for, and the scenarios.

Every command that reads the folder takes the order, the reference and the colours of policies from it.
Runs of another plan in the same folder, such as of a study before its grid was changed, are left out unless
asked for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.json_text import parse_json
from mecsim.errors import MecsimError, ResultStoreError, ScenarioError, UnreadableFile
from mecsim.escapes import printable
from mecsim.results.files import write_text

PLAN_FILE = "plan.json"
_MOST_BYTES = 64 << 20
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """What was asked for last in a folder.

    Parameters
    ----------
    policies : tuple of str
        Labels in the order given, then those of earlier plans.
    scenarios : frozenset of str
        The ``scenario_sha256`` of its runs.
    """

    policies: tuple[str, ...]
    scenarios: frozenset[str]


@dataclass(frozen=True, slots=True)
class PlannedRuns:
    """The runs of a folder that belong together.

    Parameters
    ----------
    folders : tuple of Path
    policies : tuple of str
        Every label of the folder in its order; the place of one decides its colour.
    left_out : int
        How many runs belong to another plan.
    """

    folders: tuple[Path, ...]
    policies: tuple[str, ...]
    left_out: int = 0

    @property
    def note(self) -> str:
        """A line about the runs that were left out; empty if none were."""
        if not self.left_out:
            return ""
        told = f"{self.left_out} runs of another plan are left out"
        return f"{told}; --mix (in Python: mix=True) shows them too"


def record_plan(folder: Path, policies: Iterable[str], scenarios: Iterable[str]) -> None:
    """Write ``plan.json``; policies of the plan before that are not in this one come after its own."""
    before = _read_plan(folder)
    labels = list(dict.fromkeys([*policies, *(before.policies if before else ())]))
    content = {"policies": labels, "scenarios": sorted(set(scenarios))}
    write_text(folder / PLAN_FILE, json.dumps(content, indent=1) + "\n")


def planned_runs(root: Path, manifests: Mapping[Path, Mapping[str, Any]], *, mix: bool) -> PlannedRuns:
    """Return which runs below a folder belong together, and the order of their policies.

    Parameters
    ----------
    root : Path
        The folder that was named.
    manifests : mapping
        The manifest of every run folder below it.
    mix : bool
        Whether runs of several plans may be put together.

    Raises
    ------
    MecsimError
        If the runs are of several studies or comparisons, and may not be mixed.
    ResultStoreError
        If a ``plan.json`` is damaged.
    """
    parents = dict.fromkeys(folder.parent for folder in manifests)
    plans = {parent: plan for parent in parents if (plan := _read_plan(parent)) is not None}
    labels = {printable(str(manifest["policy"])) for manifest in manifests.values()}
    recorded = dict.fromkeys(printable(label) for plan in plans.values() for label in plan.policies)
    order = (*(label for label in recorded if label in labels), *sorted(labels - recorded.keys()))
    if mix or root in manifests:
        return PlannedRuns(tuple(manifests), order)
    if len(plans) > 1:
        named = ", ".join(str(place) for place in list(plans)[:_MOST_NAMED])
        more = ", ..." if len(plans) > _MOST_NAMED else ""
        raise MecsimError(
            f"{root}: holds {len(plans)} studies or comparisons: {named}{more}; "
            "name one of them, or add --mix (in Python: mix=True) to put them together"
        )
    kept = tuple(
        folder
        for folder, manifest in manifests.items()
        if folder.parent not in plans or manifest["scenario_sha256"] in plans[folder.parent].scenarios
    )
    return PlannedRuns(kept, order, len(manifests) - len(kept))


def _read_plan(folder: Path) -> FolderPlan | None:
    """Return the plan of a folder; None if it has none."""
    path = folder / PLAN_FILE
    if not path.exists() and not path.is_symlink():
        return None
    advice = "delete it, and policies are in the order of their names"
    try:
        content = parse_json(read_text_bounded(path, _MOST_BYTES, follow_links=False), str(path))
    except UnreadableFile as error:
        raise ResultStoreError(f"{path}: {error}; {advice}") from error
    except ScenarioError as error:
        raise ResultStoreError(f"{error}; {advice}") from error
    lists = [content.get(key) if isinstance(content, dict) else None for key in ("policies", "scenarios")]
    if not all(isinstance(one, list) and all(isinstance(text, str) for text in one) for one in lists):
        raise ResultStoreError(f"{path}: policies, scenarios: must be lists of strings; {advice}")
    policies, scenarios = lists
    return FolderPlan(tuple(policies or ()), frozenset(scenarios or ()))
