"""Folders and files that are whole and on the disk, or not there."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from mecsim.errors import ResultStoreError

PART = ".part"


def make_folder(folder: str | Path) -> Path:
    """Return the folder, made if it was not there.

    Raises
    ------
    ResultStoreError
        If it cannot be made or written to.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultStoreError(f"{path}: cannot be made: {error.strerror or error}") from error
    if not os.access(path, os.W_OK):
        raise ResultStoreError(f"{path}: cannot be written to; choose another place with --out")
    return path


def write_text(path: Path, text: str) -> None:
    """Write a small file that appears whole or not at all.

    Raises
    ------
    ResultStoreError
        If it cannot be written.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PART}")
    try:
        write_file(part, text.encode())
        part.replace(path)
    except OSError as error:
        raise ResultStoreError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def write_file(path: Path, content: bytes) -> None:
    """Write a file and flush it to the disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
