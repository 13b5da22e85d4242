"""One run folder or many, as tidy frames for pandas and seaborn."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.errors import ResultStoreError
from mecsim.results.result import Results
from mecsim.results.store import MANIFEST, load_run
from mecsim.results.tables import KEYS, TABLES

if TYPE_CHECKING:
    import pandas as pd


def load_results(folder: str | Path) -> Results:
    """Return every run below a folder as four tidy frames.

    The first columns of each frame say which run a row is from: ``scenario``, ``policy``,
    ``seed``, and one more for every scenario key in which runs of one scenario name differ.

    Parameters
    ----------
    folder : str or Path
        A run folder, or any folder with run folders below it.

    Raises
    ------
    ResultStoreError
        If there is no run, one is damaged, or two runs cannot be told apart.
    """
    root = Path(folder)
    runs = [load_run(run) for run in run_folders(root)]
    if not runs:
        raise ResultStoreError(f"{root}: no run in it; give a run folder, or a folder of them")
    runs.sort(key=lambda run: tuple(run.manifest[key] for key in KEYS))
    keys = _run_keys([run.manifest for run in runs])
    _refuse_twins(root, keys)
    frames = {name: _concatenate((run.tables[name] for run in runs), keys) for name in TABLES}
    manifest = runs[0].manifest if len(runs) == 1 else {"runs": [run.manifest for run in runs]}
    return Results(**frames, manifest=manifest)


def run_folders(root: Path) -> list[Path]:
    """Return the run folders at or below a folder, in order of their names."""
    if (root / MANIFEST).is_file():
        return [root]
    found = (path.parent for path in root.rglob(MANIFEST))
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(root).parts))


def _concatenate(frames: Iterable[pd.DataFrame], keys: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    keyed = []
    for frame, values in zip(frames, keys, strict=True):
        labels = pd.DataFrame(values, index=frame.index)
        keyed.append(pd.concat([labels, frame], axis=1))
    return pd.concat(keyed, ignore_index=True)


def _run_keys(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the key columns of every run: scenario, policy, seed and the scenario keys that vary."""
    settings = [_flat(tomllib.loads(manifest["scenario_toml"])) for manifest in manifests]
    by_name: dict[str, list[dict[str, Any]]] = {}
    for manifest, setting in zip(manifests, settings, strict=True):
        by_name.setdefault(manifest["scenario"], []).append(setting)
    swept = sorted({key for group in by_name.values() for key in _varying(group)})
    return [
        {key: manifest[key] for key in KEYS} | {key: setting.get(key) for key in swept}
        for manifest, setting in zip(manifests, settings, strict=True)
    ]


def _varying(settings: list[dict[str, Any]]) -> set[str]:
    keys = {key for setting in settings for key in setting}
    return {key for key in keys if any(s.get(key) != settings[0].get(key) for s in settings)}


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _refuse_twins(root: Path, keys: list[dict[str, Any]]) -> None:
    seen = set()
    for values in keys:
        label = ", ".join(f"{key} = {value}" for key, value in values.items())
        if label in seen:
            raise ResultStoreError(
                f"{root}: two runs with {label}; load their folders one by one, or move one away"
            )
        seen.add(label)
