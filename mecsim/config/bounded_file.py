"""One way to read a file that somebody else wrote: a regular file of limited size, without waiting."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mecsim.errors import UnreadableFile

# Without O_NONBLOCK, opening a pipe that nobody writes to waits for ever; so do some files of /proc and /sys.
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_KINDS = (
    (stat.S_ISDIR, "is a folder"),
    (stat.S_ISFIFO, "is a pipe"),
    (stat.S_ISSOCK, "is a socket"),
    (stat.S_ISCHR, "is a device"),
    (stat.S_ISBLK, "is a device"),
    (stat.S_ISLNK, "is a symbolic link"),
)


def read_bounded(
    path: str | Path, most_bytes: int, *, what: str = "regular file", follow_links: bool = True
) -> bytes:
    """Return the content of a regular file.

    Parameters
    ----------
    path : str or Path
        Anything, also a name that no file can have.
    most_bytes : int
        Largest size that is accepted.
    what : str
        What a message about a folder or device says it must be.
    follow_links : bool
        Whether the path itself may be a symbolic link.

    Raises
    ------
    UnreadableFile
        If there is no such file, it is a folder, pipe, socket or device, is larger than allowed, or its
        content is not as long as its size says: such files are being written, or are made by the system.
        The message continues the name of the file.
    """
    try:
        # Opening a device may act on it, so that the kind is asked for before and, for races, after.
        _refuse_kind((os.stat if follow_links else os.lstat)(path).st_mode, what)
        flags = _FLAGS if follow_links else _FLAGS | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:  # ValueError: a NUL or a surrogate in the name
        raise UnreadableFile(f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return _content(descriptor, most_bytes, what)
    except OSError as error:
        raise UnreadableFile(f"cannot be read: {error.strerror or error}") from error
    finally:
        os.close(descriptor)


def read_text_bounded(
    path: str | Path, most_bytes: int, *, what: str = "regular file", follow_links: bool = True
) -> str:
    """Return the text of a regular file in UTF-8, with or without a byte order mark.

    Raises
    ------
    UnreadableFile
        As :func:`read_bounded`, and if it is no UTF-8 text.
    """
    try:
        return read_bounded(path, most_bytes, what=what, follow_links=follow_links).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFile(f"not UTF-8 text (byte {error.start})") from error


def size_in_words(most_bytes: int) -> str:
    """Return a size limit for a message."""
    return f"{most_bytes >> 20} MiB" if most_bytes >= 1 << 20 else f"{most_bytes >> 10} KiB"


def _refuse_kind(mode: int, what: str) -> None:
    if not stat.S_ISREG(mode):
        kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "is no regular file")
        raise UnreadableFile(f"{kind}, must be a {what}")


def _content(descriptor: int, most_bytes: int, what: str) -> bytes:
    state = os.fstat(descriptor)
    _refuse_kind(state.st_mode, what)
    if state.st_size > most_bytes:
        raise UnreadableFile(f"is larger than {size_in_words(most_bytes)}")
    pieces, left = [], state.st_size + 1
    while left > 0 and (piece := os.read(descriptor, left)):
        pieces.append(piece)
        left -= len(piece)
    if left != 1:
        raise UnreadableFile(
            f"its content is not as long as its size says ({state.st_size} bytes): "
            "it is being written, or is no regular file"
        )
    return b"".join(pieces)
