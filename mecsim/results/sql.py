"""A folder of runs as a database: SQL over the tables in their files, without loading them first."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from mecsim.errors import MecsimError, ResultStoreError
from mecsim.results.load import run_folders, run_keys
from mecsim.results.manifest import stored_tables
from mecsim.results.store import verify_run
from mecsim.tables import ALL_TABLES


def connect(folder: str | Path) -> Any:
    """Return a DuckDB connection with a view for each table and one called ``runs``.

    The views start with scenario, policy, seed and swept keys, as frames of ``load_results`` do;
    ``runs`` has the metrics of each run beside them. Tables are compared with their SHA-256 first.

    Raises
    ------
    MecsimError
        If DuckDB is not installed.
    ResultStoreError
        If there is no run, or one is damaged.
    """
    try:
        duckdb = import_module("duckdb")
    except ImportError as error:
        raise MecsimError(
            f"SQL needs DuckDB, which cannot be imported ({error}); install: pip install 'mecsim[sql]'"
        ) from error
    places = run_folders(Path(folder))
    if not places:
        raise ResultStoreError(f"{folder}: no run in it; give a run folder, or a folder of them")
    manifests = [verify_run(place, metadata=True) for place in places]
    keys = run_keys(manifests)
    connection = duckdb.connect()
    metrics = [manifest.get("metrics", {}) for manifest in manifests]
    connection.register("runs", pd.DataFrame([key | own for key, own in zip(keys, metrics, strict=True)]))
    for name in ALL_TABLES:
        having = [i for i, manifest in enumerate(manifests) if name in stored_tables(manifest)]
        if not having:
            continue
        files = [str(places[i].absolute() / f"{name}.parquet") for i in having]
        own = pd.DataFrame([keys[i] for i in having]).assign(filename=files)
        connection.register(f"_{name}_files", own)
        listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
        connection.execute(
            f"CREATE VIEW {name} AS SELECT f.* EXCLUDE (filename), t.* EXCLUDE (filename) "  # noqa: S608
            f"FROM read_parquet([{listed}], filename = true, union_by_name = true) t "
            f"JOIN _{name}_files f USING (filename)"
        )
    return connection
