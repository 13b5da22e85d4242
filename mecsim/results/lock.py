"""One writer for a folder of runs.

The lock is the operating system's, on a file beside the runs: it ends with its process however
that dies, so none is ever left behind. The file says who holds it, for the message to the others.
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, TextIO

from mecsim.errors import ResultStoreError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_NAME = ".lock"
_SHARD = re.compile(r"\.lock-(\d+)-of-(\d+)")
_FAR = 1 << 30
_UNSUPPORTED = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class Holder(NamedTuple):
    """Who holds a lock."""

    pid: int
    host: str
    since: float

    @classmethod
    def of(cls, path: Path) -> Holder | None:
        """Return who is written in a lock file; None if there is none, or it is not readable."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return cls(int(told["pid"]), str(told["host"]), float(told["since"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def __str__(self) -> str:
        minutes = max(time.time() - self.since, 0.0) / 60
        return f"process {self.pid} on {self.host}, for {minutes:.0f} min"


@contextmanager
def folder_lock(folder: Path | None, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold a folder of runs, or one shard of it, alone; do nothing without a folder.

    Parameters
    ----------
    folder : Path or None
        An existing folder.
    shard : tuple of int, optional
        ``(i, n)``: the i-th of n parts. Parts of the same n may be held at the same time.

    Raises
    ------
    ResultStoreError
        If another process holds it, with its number, machine and how long it has.
    """
    if folder is None:
        yield
        return
    name = _NAME if shard is None else f"{_NAME}-{shard[0]}-of-{shard[1]}"
    with ExitStack() as held:
        held.enter_context(_held(folder / name))
        for other in sorted(folder.glob(f"{_NAME}*")):
            if other.name != name and not _go_together(other.name, shard) and _is_held(other):
                raise _refusal(other)
        yield


def holders(folder: Path) -> list[Holder]:
    """Return who writes to a folder of runs at this moment."""
    held = (Holder.of(path) for path in sorted(folder.glob(f"{_NAME}*")) if _is_held(path))
    return [holder for holder in held if holder is not None]


def _go_together(name: str, shard: tuple[int, int] | None) -> bool:
    parts = _SHARD.fullmatch(name)
    return shard is not None and parts is not None and int(parts[2]) == shard[1]


@contextmanager
def _held(path: Path) -> Iterator[None]:
    file = _taken(path)
    try:
        mine = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        file.truncate(0)
        file.write(json.dumps(mine))
        file.flush()
        yield
    finally:
        # Removed before it is let go, so that whoever takes it next knows that it is gone.
        with suppress(OSError):
            path.unlink()
        file.close()


def _taken(path: Path) -> TextIO:
    while True:
        try:
            file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise ResultStoreError(f"{path}: cannot be written: {error.strerror or error}") from error
        if not _lock(file):
            file.close()
            raise _refusal(path)
        # The holder before may have removed the very file that was opened here.
        with suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                return file
        file.close()


def _is_held(path: Path) -> bool:
    try:
        with path.open("a", encoding="utf-8") as file:
            return not _lock(file)
    except OSError:
        return False


def _lock(file: TextIO) -> bool:
    """Lock an open file and return True, or False if somebody else has; closing it lets it go."""
    try:
        if sys.platform == "win32":
            # Far behind the text, which others must be able to read.
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            raise ResultStoreError(
                f"{file.name}: this file system has no locks ({error.strerror}); choose another with --out"
            ) from error
        return False
    return True


def _refusal(path: Path) -> ResultStoreError:
    holder = Holder.of(path)
    by = f"by {holder}" if holder else "by another process"
    return ResultStoreError(
        f"{path.parent}: is being written {by}; wait for it, or choose another place with --out"
    )
