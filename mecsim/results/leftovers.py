"""Leftovers of interrupted writers, and damaged runs, in a folder of runs."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from mecsim.errors import ResultStoreError
from mecsim.results.files import make_folder
from mecsim.results.store import OLD

_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}(?P<kind>\.part|\.old)")


def remove_parts(folder: Path, run_ids: Iterable[str] | None = None) -> None:
    """Delete the leftovers of interrupted writers of some runs, or of all, in a folder of runs.

    A run that was moved aside and not yet replaced is moved back.
    """
    names = None if run_ids is None else set(run_ids)
    for path in folder.glob(".*"):
        left = _LEFTOVER.fullmatch(path.name)
        if left is None or (names is not None and left["name"] not in names):
            continue
        if left["kind"] == OLD and not (folder / left["name"]).exists():
            path.replace(folder / left["name"])
        elif path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def set_aside(folder: Path) -> Path:
    """Move a damaged run folder to a hidden folder, and return its new place."""
    aside = make_folder(folder.parent / ".damaged") / f"{folder.name}-{uuid.uuid4().hex[:8]}"
    try:
        return folder.replace(aside)
    except OSError as error:
        raise ResultStoreError(f"{folder}: cannot be moved away: {error.strerror or error}") from error
