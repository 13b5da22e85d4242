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
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.errors import OtherSchema, ResultStoreError
from mecsim.results.files import PART, flush_folder, make_folder, write_file
from mecsim.results.result import Results
from mecsim.tables import SCHEMA, TABLES, Column, table_problems

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MANIFEST = "manifest.json"
OLD = ".old"
_COMPRESSION = "zstd"
_ADVICE = "delete the folder and run again"


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
    frames = {name: read_table(root, name, manifest["tables"][name]).to_pandas() for name in TABLES}
    return Results(**frames, manifest=manifest)


def verify_run(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a run folder, after a check of each table's SHA-256.

    Raises
    ------
    ResultStoreError
        As :func:`load_run`.
    """
    root = Path(folder)
    manifest = read_manifest(root)
    for name in TABLES:
        _checked_bytes(root / f"{name}.parquet", manifest["tables"][name])
    return manifest


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a run folder.

    Raises
    ------
    ResultStoreError
        If there is none, or it is damaged.
    OtherSchema
        If its schema is not the one this version reads.
    """
    path = Path(folder) / MANIFEST
    manifest = _json_object(path)
    if manifest["schema"] != SCHEMA:
        raise OtherSchema(
            f"{path}: schema = {manifest['schema']!r}: this version of mecsim reads {SCHEMA}; "
            f"read it with {_writer(manifest)}, or run again"
        )
    missing = [name for name in TABLES if name not in manifest.get("tables", {})]
    if missing:
        raise ResultStoreError(f"{path}: damaged (no entry for {', '.join(missing)}); {_ADVICE}")
    if manifest.get("sha256", "") not in ("", manifest_sha256(manifest)):
        raise ResultStoreError(f"{path}: damaged (its SHA-256 differs); {_ADVICE}")
    return manifest


def _json_object(path: Path) -> dict[str, Any]:
    """Return a manifest of any schema."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultStoreError(
            f"{path}: {error.strerror or error}; give a run folder, or a folder of them"
        ) from error
    except ValueError as error:
        raise ResultStoreError(f"{path}: damaged ({error}); {_ADVICE}") from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise ResultStoreError(f"{path}: not the manifest of a mecsim run")
    return manifest


def _writer(manifest: dict[str, Any]) -> str:
    """Return the version of mecsim that wrote a run, as its manifest says."""
    writer = manifest.get("environment", {})
    commit = f" of commit {writer['git_commit']}" if writer.get("git_commit") else ""
    return f"mecsim {writer.get('mecsim', 'of that time')}{commit}"


def manifest_sha256(manifest: dict[str, Any]) -> str:
    """Return the hash of everything in a manifest but the hash itself."""
    content = json.loads(json.dumps({key: value for key, value in manifest.items() if key != "sha256"}))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


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
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and not (target / MANIFEST).is_file():
        raise ResultStoreError(f"{target}: is there already and is no run folder; {advice}")
    if target.exists() and (held := _json_object(target / MANIFEST).get("run_id")) != run_id:
        raise ResultStoreError(f"{target}: holds another run ({held}); {advice}")


def _write_parts(results: Results, part: Path) -> dict[str, Any]:
    tables = {}
    for name, frame in results.tables.items():
        content = _parquet_bytes(name, frame)
        write_file(part / f"{name}.parquet", content)
        tables[name] = {
            "file": f"{name}.parquet",
            "rows": len(frame),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    manifest = results.manifest | {"schema": SCHEMA, "tables": tables}
    manifest["sha256"] = manifest_sha256(manifest)
    write_file(part / MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    flush_folder(part)
    return manifest


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


def _parquet_bytes(table: str, frame: pd.DataFrame) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _arrow_schema(table)
    # Through numpy: taken from pandas, a NaN would become a null, which is not a number that failed.
    columns = [pa.array(frame[field.name].to_numpy(), type=field.type) for field in schema]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), sink, compression=_COMPRESSION)
    return bytes(sink.getvalue())


@cache
def _arrow_schema(table: str) -> pa.Schema:
    """Return the parquet schema; unit and meaning of each column travel in the file."""
    import pyarrow as pa

    def field(column: Column) -> pa.Field:
        return pa.field(
            column.name,
            pa.string() if column.dtype == "str" else pa.from_numpy_dtype(column.dtype),
            nullable=False,
            metadata={"unit": column.unit, "meaning": column.meaning},
        )

    return pa.schema([field(column) for column in TABLES[table]])


def read_table(root: Path, table: str, entry: dict[str, Any]) -> pa.Table:
    """Return one table of a run folder; ``entry`` is its entry in the manifest.

    Raises
    ------
    ResultStoreError
        If it is not the table that was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = root / f"{table}.parquet"
    content = _checked_bytes(path, entry)
    read: pa.Table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    if read.schema.equals(_arrow_schema(table)) and read.num_rows == entry["rows"]:
        return read
    frame = read.to_pandas()
    problems = table_problems(table, {name: frame[name].to_numpy() for name in frame.columns})
    raise ResultStoreError(
        "\n".join(f"{path}: {p}; {_ADVICE}" for p in problems or ["rows or types differ from the manifest"])
    )


def _checked_bytes(path: Path, entry: dict[str, Any]) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ResultStoreError(f"{path}: {error.strerror or error}; {_ADVICE}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ResultStoreError(f"{path}: is not the file that was written (its SHA-256 differs); {_ADVICE}")
    return content
