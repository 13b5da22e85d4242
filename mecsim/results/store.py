"""Run folders: written atomically, checked when read.

A folder holds one parquet file for each table and ``manifest.json``, which lists rows and SHA-256
of each. They are written into a hidden folder beside the final one, flushed to the disk, and the
folder is renamed at the end, so a folder with the final name is complete.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from pathlib import Path
from typing import Any

from mecsim.errors import ResultStoreError
from mecsim.messages import shortened
from mecsim.results.files import PART, flush_folder, make_folder, write_file
from mecsim.results.manifest import MANIFEST, manifest_sha256, manifest_text, read_manifest, stored_tables
from mecsim.results.parquet_file import check_table, checked_bytes, parquet_bytes, read_table
from mecsim.results.result import Results
from mecsim.results.table_values import check_values
from mecsim.tables import SCHEMA

OLD = ".old"


def write_run(results: Results, folder: str | Path) -> dict[str, Any]:
    """Write one run as a folder and return its manifest, completed with files and hashes.

    A folder that already holds the same run (the same ``run_id``) is replaced once the new one is
    complete. Anything else of that name is left alone.

    Raises
    ------
    ResultStoreError
        If the folder holds something else, or cannot be written; then nothing new is left behind.
    """
    target = Path(folder)
    claim(target, str(results.manifest["run_id"]))
    part = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}{PART}"
    try:
        part.mkdir(parents=True)
        manifest = _write_parts(results, part)
        _publish(part, target)
    except OSError as error:
        raise ResultStoreError(
            f"{target}: cannot be written: {error.strerror or error}; "
            "free some space or choose another place with --out, then run again"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def load_run(folder: str | Path) -> Results:
    """Return the run in a folder, bit for bit as it was written.

    Raises
    ------
    ResultStoreError
        If a file is missing or is not the one that was written, or the folder comes from
        another version of the format.
    """
    root = Path(folder)
    manifest = read_manifest(root)
    entries = stored_tables(manifest).items()
    frames = {name: read_table(root, name, entry).to_pandas() for name, entry in entries}
    results = Results(**frames, manifest=manifest)
    check_values(results, lambda name: str(root / f"{name}.parquet"))
    return results


def verify_run(folder: str | Path, *, metadata: bool = False) -> dict[str, Any]:
    """Return the manifest of a run folder, after a check of each table's SHA-256.

    With ``metadata``, also that each table has the rows and columns that it should have.

    Raises
    ------
    ResultStoreError
        As :func:`load_run`.
    """
    root = Path(folder)
    manifest = read_manifest(root)
    for name, entry in stored_tables(manifest).items():
        if metadata:
            check_table(root, name, entry)
        else:
            checked_bytes(root / f"{name}.parquet", entry)
    return manifest


def claim(folder: str | Path, run_id: str) -> None:
    """Check that a run may be written to a folder, before the simulation starts.

    Raises
    ------
    ResultStoreError
        If the folder holds something else than that very run, or its parent cannot be made.
    """
    target = Path(folder)
    advice = "choose another place with --out, or move it away"
    make_folder(target.parent)
    if target.is_dir() and next(target.iterdir(), None) is None:
        return
    if target.exists() and not (target / MANIFEST).is_file():
        raise ResultStoreError(f"{target}: is there already and is no run folder; {advice}")
    if target.exists() and (held := manifest_text(target / MANIFEST)[1].get("run_id")) != run_id:
        raise ResultStoreError(f"{target}: holds another run ({shortened(str(held))}); {advice}")


def _write_parts(results: Results, part: Path) -> dict[str, Any]:
    tables = {}
    for name, frame in results.tables.items():
        content = parquet_bytes(name, frame)
        write_file(part / f"{name}.parquet", content)
        tables[name] = {
            "file": f"{name}.parquet",
            "rows": len(frame),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    manifest = _as_read(results.manifest | {"schema": SCHEMA, "tables": tables})
    manifest["sha256"] = manifest_sha256(manifest)
    write_file(part / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    flush_folder(part)
    return manifest


def _as_read(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest as it will be read: halves of characters, which no file can hold, become '?'."""
    text = json.dumps(manifest, ensure_ascii=False).encode(errors="replace")
    as_read: dict[str, Any] = json.loads(text)
    return as_read


def _publish(part: Path, target: Path) -> None:
    """Rename the complete folder to its final name; an older copy of the run is removed after that."""
    if target.exists():
        old = part.with_suffix(OLD)
        target.replace(old)
        try:
            part.replace(target)
        except OSError:
            old.replace(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    else:
        part.replace(target)
    flush_folder(target.parent)
