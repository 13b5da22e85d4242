"""A folder of runs as the frames that tables and figures are made from.

Metrics come from the manifests, unless another version of the code wrote them. The tables of a run
are a hundred times larger and are read only where they are needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.errors import MecsimError, ResultStoreError
from mecsim.messages import nearest
from mecsim.results.after_warmup import delay_sketch
from mecsim.results.folder_plan import planned_runs
from mecsim.results.load import run_folders, run_keys
from mecsim.results.manifest import read_manifest
from mecsim.results.metrics import (
    ALL_METRICS,
    METRICS,
    WINDOW_SCR,
    headline_of,
    metrics_with_deadline,
    stored_metrics,
)
from mecsim.results.provenance import code_sha256
from mecsim.results.store import load_run
from mecsim.tables import KEYS

if TYPE_CHECKING:
    import pandas as pd

_MOST_VALUES = 12
_STORED = {metric.name for metric in METRICS}


@dataclass(frozen=True, eq=False)
class StudyFrames:
    """The runs of a folder as frames.

    Parameters
    ----------
    per_run : DataFrame
        One row a run: ``scenario``, the swept keys, ``policy``, ``seed``, every metric.
    swept : tuple of str
        Scenario keys in which runs of one scenario name differ.
    folders : dict
        The run folder by (scenario, values of the swept keys..., policy, seed).
    headline : str
        The SCR that is shown first: over windows, or of generations where all rounds are synchronous.
    order : tuple of str
        Every policy of the folder in the order asked for, also those not chosen; it decides colours.
    note : str
        A line about runs of other plans that were left out; empty if none were.
    """

    per_run: pd.DataFrame
    swept: tuple[str, ...]
    folders: Mapping[tuple[Any, ...], Path]
    headline: str = WINDOW_SCR
    order: tuple[str, ...] = ()
    note: str = ""

    @property
    def by(self) -> list[str]:
        """Columns that identify the scenario of a run: its name and the swept keys."""
        return ["scenario", *self.swept]

    @property
    def policies(self) -> list[str]:
        """Labels of the policies in their order."""
        return list(dict.fromkeys(self.per_run["policy"]))

    @cached_property
    def delays(self) -> pd.DataFrame:
        """The delay distribution of each run, at most 1000 rows a run, with the same keys."""
        import pandas as pd

        names = [*self.by, *KEYS[1:]]
        return pd.concat(
            [
                delay_sketch(load_run(path)).assign(**dict(zip(names, key, strict=True)))
                for key, path in self.folders.items()
            ],
            ignore_index=True,
        )


def study_frames(
    folder: str | Path,
    policies: Sequence[str] | None = None,
    *,
    where: Mapping[str, Any] | None = None,
    deadline_s: float = math.nan,
    mix: bool = False,
) -> StudyFrames:
    """Read the runs below a folder.

    Parameters
    ----------
    folder : str or Path
    policies : sequence of str, optional
        Which ones, in this order; otherwise all of them, in the order they were asked for.
    where : mapping, optional
        Values that ``scenario``, ``seed`` or swept keys must have.
    deadline_s : float
        For the metrics that need one, which are NaN without.
    mix : bool
        Whether runs of several plans may be put together.

    Raises
    ------
    ResultStoreError
        If there is no run, or one is damaged.
    MecsimError
        If a policy or a key does not exist in these runs, no run is left, or they are of several studies.
    """
    import pandas as pd

    root = Path(folder)
    paths = run_folders(root)
    if not paths:
        raise ResultStoreError(f"{root}: no run in it; give a run folder, or a folder of them")
    read = {path: read_manifest(path) for path in paths}
    planned = planned_runs(root, read, mix=mix)
    paths = list(planned.folders)
    if not paths:
        raise MecsimError(f"{root}: {planned.note}, and there are no others")
    manifests = [read[path] for path in paths]
    keys, swept = _keys(manifests)
    order = _order(
        [label for label in planned.policies if label in {key["policy"] for key in keys}], policies
    )
    chosen = [
        (order.index(key["policy"]), _in_order(key, swept), key["seed"], i)
        for i, key in enumerate(_checked(keys, where or {}))
        if key["policy"] in order and _fits(key, where or {})
    ]
    if not chosen:
        asked = where or {}
        raise MecsimError(f"{root}: no run is left with {_described(asked)}{_values(keys, asked)}")
    rows, found = [], {}
    for *_, i in sorted(chosen):
        rows.append(keys[i] | _metrics(paths[i], manifests[i], deadline_s))
        found[tuple(keys[i].values())] = paths[i]
    headlines = {headline_of(manifests[i]) for *_, i in chosen}
    headline = headlines.pop() if len(headlines) == 1 else WINDOW_SCR
    return StudyFrames(pd.DataFrame(rows), swept, found, headline, planned.policies, planned.note)


def _metrics(path: Path, manifest: dict[str, Any], deadline_s: float) -> dict[str, float]:
    """Return every metric of one run."""
    stored = stored_metrics(manifest)
    by_this_code = manifest["environment"]["code_sha256"] == code_sha256() and stored.keys() == _STORED
    if by_this_code and math.isnan(deadline_s):
        return {metric.name: stored.get(metric.name, math.nan) for metric in ALL_METRICS}
    return metrics_with_deadline(load_run(path), deadline_s)


def _keys(manifests: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return scenario, swept keys, policy and seed of every run, and the names of the swept keys."""
    scenario, policy, seed = KEYS
    found = run_keys(list(manifests))
    swept = tuple(key for key in found[0] if key not in KEYS)
    keys = [{name: one[name] for name in (scenario, *swept, policy, seed)} for one in found]
    return keys, swept


def _in_order(key: Mapping[str, Any], swept: Sequence[str]) -> tuple[Any, ...]:
    """Return the sort key of a run: the scenario, then swept numbers by size, then strings."""
    values = (key[name] for name in swept)
    return key["scenario"], *((isinstance(v, str), v) if v is not None else (True, "") for v in values)


def _order(known: Sequence[str], asked: Sequence[str] | None) -> list[str]:
    problems = [
        f"policy '{name}' has no run here; there are {', '.join(known)}{nearest(name, known)}"
        for name in asked or ()
        if name not in known
    ]
    if problems:
        raise MecsimError("\n".join(problems))
    return list(asked or known)


def _checked(keys: list[dict[str, Any]], where: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = [key for key in keys[0] if key != "policy"]
    problems = [
        f"--where {name}: must be one of {', '.join(known)}, in which the runs differ{nearest(name, known)}"
        for name in where
        if name not in known
    ]
    if problems:
        raise MecsimError("\n".join(problems))
    return keys


def _fits(key: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    plain = {name: json.dumps(v) if isinstance(v, list | dict) else v for name, v in where.items()}
    return all(key[name] == value for name, value in plain.items())


def _values(keys: list[dict[str, Any]], where: Mapping[str, Any]) -> str:
    """Return which values there are of the keys that were asked for, for the end of a message."""
    told = []
    for name in where:
        values = [str(value) for value in dict.fromkeys(key[name] for key in keys)]
        more = ", ..." if len(values) > _MOST_VALUES else ""
        told.append(f"; {name} is {', '.join(values[:_MOST_VALUES])}{more} here")
    return "".join(told)


def _described(where: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in where.items()) or "these policies"
