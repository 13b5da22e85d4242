"""Folders, and files that are written atomically."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

from mecsim.config.bounded_file import read_bounded
from mecsim.errors import ResultStoreError, UnreadableFile

PART = ".part"
MOST_NOTE_BYTES = 16 << 20
_ROOM_BYTES = 4 << 20


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


def has_room(folder: Path) -> bool:
    """Return whether a file of some megabytes can be written to a folder; it is removed again."""
    probe = folder / f".{uuid.uuid4().hex[:8]}{PART}"
    try:
        write_file(probe, bytes(_ROOM_BYTES))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


def read_note(path: Path) -> str:
    """Return the text of a note beside the runs; of one that mecsim did not write, why it cannot be read.

    A link is not followed: a report would show whatever file it points to.
    """
    try:
        return read_bounded(path, MOST_NOTE_BYTES, follow_links=False).decode(errors="replace")
    except UnreadableFile as error:
        return f"the note {error}"


def write_text(path: Path, text: str) -> None:
    """Write a small file atomically.

    Raises
    ------
    ResultStoreError
        If it cannot be written.
    """
    write_atomically(path, lambda part: part.write_bytes(text.encode(errors="backslashreplace")))


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file under another name, flush it to the disk and rename it.

    Parameters
    ----------
    path : Path
        Its final name; an older file of that name stays until the new one is complete.
    write : callable
        Writes the content to the path that it is given.

    Raises
    ------
    ResultStoreError
        If it cannot be written; nothing new is left behind.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{PART}")
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultStoreError(f"{path}: cannot be written: {reason}") from error
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
