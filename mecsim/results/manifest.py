"""The manifest of a run folder, read without trust in who wrote it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mecsim.config.base import Path as Place
from mecsim.config.base import Section
from mecsim.config.bounded_file import read_text_bounded
from mecsim.config.json_text import JsonLines, parse_json
from mecsim.config.problems import dotted, problem_lines
from mecsim.config.toml_text import parse_toml
from mecsim.errors import OtherSchema, ResultStoreError, ScenarioError, UnreadableFile
from mecsim.messages import shortened
from mecsim.results.manifest_schema import MOST_SCENARIO_BYTES, Manifest, is_scenario_key
from mecsim.results.plain_values import flattened
from mecsim.tables import ALL_TABLES, SCHEMA

MANIFEST = "manifest.json"
ADVICE = "delete the folder and run again"
MOST_BYTES = 16 << 20
MOST_NESTED = 32
MOST_TEXT = 100_000


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """Return the manifest of a run folder, checked against :class:`Manifest` and its hash.

    Raises
    ------
    ResultStoreError
        If there is none, or it is not what mecsim writes; lists every problem with its line.
    OtherSchema
        If its schema is not the one this version reads.
    """
    path = Path(folder) / MANIFEST
    text, manifest = manifest_text(path)
    if manifest["schema"] != SCHEMA or isinstance(manifest["schema"], bool):
        raise OtherSchema(
            f"{path}: schema = {shortened(repr(manifest['schema']))}: this version of mecsim reads {SCHEMA}; "
            f"read it with {_writer(manifest)}, or run again"
        )
    problems = schema_problems(Manifest, manifest, text, str(path))
    if not problems and manifest["sha256"] != manifest_sha256(manifest):
        problems = [f"{path}: damaged (its SHA-256 differs)"]
    if problems:
        raise ResultStoreError("\n".join(f"{line}; {ADVICE}" for line in problems))
    return manifest


def manifest_text(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text and the keys of a manifest of any schema.

    Raises
    ------
    ResultStoreError
        If there is no manifest.
    """
    try:
        text = read_text_bounded(path, MOST_BYTES)
        manifest = parse_json(text, str(path))
    except UnreadableFile as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise ResultStoreError(f"{path}: {error}; give a run folder, or a folder of them") from error
        raise ResultStoreError(f"{path}: damaged ({error}); {ADVICE}") from error
    except ScenarioError as error:
        lines = [f"{line}; damaged: {ADVICE}" for line in error.problems]
        raise ResultStoreError("\n".join(lines)) from error
    if not isinstance(manifest, dict) or "schema" not in manifest:
        raise ResultStoreError(f"{path}: not the manifest of a mecsim run (it has no schema)")
    return text, manifest


def stored_tables(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entry of each table that a run folder has, by name."""
    entries = {name: manifest["tables"].get(name) for name in ALL_TABLES}
    return {name: entry for name, entry in entries.items() if entry is not None}


def manifest_sha256(manifest: dict[str, Any]) -> str:
    """Return the hash of everything in a manifest but the hash itself."""
    content = {name: value for name, value in manifest.items() if name != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def scenario_values(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the scenario of a run by dotted key.

    Raises
    ------
    ResultStoreError
        If ``scenario_toml`` is no TOML, or has a key that no scenario can have.
    """
    where = f"{MANIFEST} of {manifest['run_id']}: scenario_toml"
    try:
        values = _values(manifest["scenario_toml"])
    except ScenarioError as error:
        told = "; ".join(line.removeprefix("<string>:") for line in error.problems)
        raise ResultStoreError(f"{where}: damaged (line {told}); {ADVICE}") from error
    for name in values:
        if not is_scenario_key(name):
            raise ResultStoreError(f"{where}: damaged ({shortened(name)}: no key of a scenario); {ADVICE}")
    return values


@lru_cache(maxsize=256)
def _values(text: str) -> dict[str, Any]:
    return flattened(parse_toml(text, "<string>", MOST_SCENARIO_BYTES))


def schema_problems(model: type[Section], record: dict[str, Any], text: str, source: str) -> list[str]:
    """Return one line for each way in which a record is not what a model says.

    Parameters
    ----------
    model : type
    record : dict
        What was read from the text.
    text : str
        JSON, to find lines in.
    source : str
        Name of its file.
    """
    harmful = list(_harmful(record))
    try:
        if not harmful:
            model.model_validate(record)
            return []
        lines = JsonLines(text) if max(len(place) for place, _ in harmful) < MOST_NESTED else None
    except ValidationError as error:
        return problem_lines(error, model, record, source, text, JsonLines)
    return [
        f"{source}{f':{lines.of(place)}' if lines else ''}: {shortened(dotted(place))}: {problem}"
        for place, problem in harmful
    ]


def _harmful(value: Any, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield what no key may hold, known or not: deep nesting, long strings, half characters."""
    if isinstance(value, str):
        if len(value) > MOST_TEXT and place not in (("scenario_toml",), ("scenario_text",)):
            yield place, f"has {len(value)} characters, must have at most {MOST_TEXT}"
        elif not value.isascii() and not _encodable(value):
            yield place, f"{shortened(ascii(value))}: must be Unicode text"
    elif isinstance(value, dict | list):
        if len(place) > MOST_NESTED:
            yield place[:3], f"is nested more than {MOST_NESTED} deep"
            return
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str) and not (len(step) <= 1000 and _encodable(step)):
                yield (*place, shortened(ascii(step))), "must be a key of at most 1000 characters"
            elif isinstance(inner, str | dict | list):
                yield from _harmful(inner, (*place, step))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _writer(manifest: dict[str, Any]) -> str:
    """Return the version of mecsim that wrote a run, as its manifest says."""
    writer = manifest.get("environment")
    told = writer if isinstance(writer, dict) else {}
    commit, version = told.get("git_commit"), told.get("mecsim")
    name = shortened(version) if isinstance(version, str) else "of that time"
    return f"mecsim {name}{f' of commit {shortened(commit)}' if isinstance(commit, str) and commit else ''}"
