"""One run folder or many, as tidy frames for pandas and seaborn."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.errors import ResultStoreError
from mecsim.escapes import printable
from mecsim.results.manifest import ADVICE, MANIFEST, read_manifest, scenario_values, stored_tables
from mecsim.results.parquet_file import read_table
from mecsim.results.result import Results
from mecsim.results.table_values import value_problems
from mecsim.results.walk import files_below
from mecsim.tables import ALL_TABLES, KEYS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def load_results(folder: str | Path) -> Results:
    """Return every run below a folder as tidy frames.

    The first columns of each frame identify the run of a row: ``scenario``, ``policy``,
    ``seed``, and one more for every scenario key that a study swept, or in which runs of one
    scenario name differ otherwise. Where only some runs have ``record.bound = true``, the others have NaN in
    the columns of the bound, and no rows in ``worth``.

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
    places = {place: read_manifest(place) for place in run_folders(root)}
    if not places:
        raise ResultStoreError(f"{root}: no run in it; give a run folder, or a folder of them")
    ordered = sorted(places, key=lambda place: tuple(places[place][key] for key in KEYS))
    manifests = [places[place] for place in ordered]
    keys = run_keys(manifests)
    _refuse_twins(root, keys)
    frames = {
        name: _frame(name, ordered, manifests, keys)
        for name in ALL_TABLES
        if any(name in stored_tables(manifest) for manifest in manifests)
    }
    manifest = manifests[0] if len(manifests) == 1 else {"runs": manifests, "folder": str(root)}
    return Results(**frames, manifest=manifest)


def run_folders(root: Path) -> list[Path]:
    """Return the run folders at or below a folder, in order of their names."""
    if (root / MANIFEST).is_file():
        return [root]
    return [path.parent for path in files_below(root, MANIFEST.__eq__)]


def _frame(
    table: str, places: list[Path], manifests: list[dict[str, Any]], keys: list[dict[str, Any]]
) -> pd.DataFrame:
    """Return a table of all runs that have it, read by threads and joined before the conversion to pandas."""
    import pandas as pd
    import pyarrow as pa

    stored = [stored_tables(manifest) for manifest in manifests]
    having = [i for i, entries in enumerate(stored) if table in entries]
    places, keys = [places[i] for i in having], [keys[i] for i in having]
    with ThreadPoolExecutor() as threads:
        parts = list(threads.map(read_table, places, repeat(table), [stored[i][table] for i in having]))
    # A run without a column of the bound gets nulls there, which pandas reads as NaN.
    frame = pa.concat_tables(parts, promote_options="default").to_pandas()
    _check_values(table, frame, places, parts)
    # The index, not the row itself, is repeated: a key has one dtype for all runs.
    labels = pd.DataFrame(keys).loc[np.repeat(np.arange(len(parts)), [part.num_rows for part in parts])]
    joined: pd.DataFrame = pd.concat([labels.reset_index(drop=True), frame], axis=1)
    return joined


def _check_values(table: str, frame: pd.DataFrame, places: list[Path], parts: list[pa.Table]) -> None:
    """Refuse values that no run records; all runs are looked at at once, and one by one only if need be."""
    starts = np.cumsum([0, *(part.num_rows for part in parts)])[:-1]
    if not value_problems(table, frame, starts):
        return
    problems = [
        f"{place / f'{table}.parquet'}: {problem}; {ADVICE}"
        for place, part in zip(places, parts, strict=True)
        for problem in value_problems(table, part.to_pandas())
    ]
    raise ResultStoreError("\n".join(problems))


def run_keys(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the key columns of every run: scenario, policy, seed, what a study swept, what else varies."""
    texts = [manifest["scenario_toml"] for manifest in manifests]
    read: dict[str, dict[str, Any]] = {}
    for manifest, text in zip(manifests, texts, strict=True):
        if text not in read:
            read[text] = _plain_values(scenario_values(manifest))
    by_name: dict[str, dict[str, dict[str, Any]]] = {}
    for manifest, text in zip(manifests, texts, strict=True):
        by_name.setdefault(manifest["scenario"], {})[text] = read[text]
    given = [_plain_values(manifest.get("swept", {})) for manifest in manifests]
    swept = list(dict.fromkeys(key for values in given for key in values))
    varying = {key for group in by_name.values() for key in _varying(list(group.values()))}
    others = sorted(key for key in varying if not any(f"{key}.".startswith(f"{name}.") for name in swept))
    return [
        {key: _shown(manifest[key]) for key in KEYS}
        | {key: values.get(key, read[text].get(key)) for key in (*swept, *others)}
        for manifest, text, values in zip(manifests, texts, given, strict=True)
    ]


def _plain_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return values that can be compared and sorted: lists, tables and dates become their text."""
    return {
        key: _shown(value)
        if value is None or isinstance(value, str | int | float)
        else json.dumps(value, default=str)
        for key, value in values.items()
    }


def _shown(value: Any) -> Any:
    """Return a value of a manifest with a text that is printable, as tables and figures need it."""
    return printable(value) if isinstance(value, str) else value


def _varying(settings: list[dict[str, Any]]) -> set[str]:
    keys = {key for setting in settings for key in setting}
    return {key for key in keys if any(s.get(key) != settings[0].get(key) for s in settings)}


def _refuse_twins(root: Path, keys: list[dict[str, Any]]) -> None:
    seen = set()
    for values in keys:
        label = ", ".join(f"{key} = {value}" for key, value in values.items())
        if label in seen:
            raise ResultStoreError(
                f"{root}: two runs with {label}; load their folders one by one, or move one away"
            )
        seen.add(label)
