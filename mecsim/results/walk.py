"""The files below a folder, found without recursion, links or a limit of patience."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from mecsim.errors import ResultStoreError

MOST_FOUND = 1_000_000
MOST_ENTRIES = 10_000_000


def files_below(root: Path, wanted: Callable[[str], bool]) -> list[Path]:
    """Return the files with a wanted name at or below a folder, sorted.

    Folders that begin with a dot, and what symbolic links point to, are passed over.

    Raises
    ------
    ResultStoreError
        If there are more than ``MOST_FOUND`` of them, or more than ``MOST_ENTRIES`` entries in all.
    """
    found: list[Path] = []
    waiting, seen = [str(root)], 0
    while waiting:
        for entry in _entries(waiting.pop()):
            seen += 1
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif wanted(entry.name):
                found.append(Path(entry.path))
            if seen > MOST_ENTRIES or len(found) > MOST_FOUND:
                raise ResultStoreError(
                    f"{root}: holds more than {MOST_FOUND} runs, or {MOST_ENTRIES} files and folders; "
                    "give a folder with fewer"
                )
    return sorted(found)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """Return what is in a folder; nothing where it cannot be read, or its path is too long."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
