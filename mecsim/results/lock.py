"""One writer at a time for a folder of runs.

The lock is the operating system's, on the file ``.lock``: it ends with its process, however that
ends. A file beside it names the process that holds the lock, for the message to the others.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from mecsim.config.bounded_file import read_bounded
from mecsim.errors import ResultStoreError, UnreadableFile
from mecsim.messages import shortened
from mecsim.results.files import write_text

_LOCK, _HOLDER = ".lock", ".holder"
_SHARD = re.compile(r"\.lock-(\d+)-of-(\d+)")
# Somebody who only asks whether the lock is held has it for a moment.
_PATIENCE_S = 0.2
_MOST_BYTES, _PIDS, _TIMES = 4096, 2**63, 1e12


class Holder(NamedTuple):
    """The process that holds a lock, and since when (s, Unix time)."""

    pid: int
    host: str
    since: float

    @classmethod
    def of(cls, lock: Path) -> Holder | None:
        """Return the holder of a lock file; None if there is no readable note of it."""
        try:
            note = json.loads(read_bounded(_note(lock), _MOST_BYTES, follow_links=False))
            pid, host, since = note["pid"], note["host"], note["since"]
        except (UnreadableFile, ValueError, RecursionError, KeyError, TypeError):
            return None
        known = isinstance(pid, int) and isinstance(host, str) and isinstance(since, int | float)
        return cls(pid, shortened(host), since) if known and 0 < pid < _PIDS and 0 <= since < _TIMES else None

    def __str__(self) -> str:
        minutes = max(time.time() - self.since, 0.0) / 60
        return f"process {self.pid} on {self.host}, for {minutes:.0f} min"


@contextmanager
def folder_lock(folder: Path | None, shard: tuple[int, int] | None = None) -> Iterator[None]:
    """Hold the lock of a folder of runs, or of one shard of it; do nothing without a folder.

    Parameters
    ----------
    folder : Path or None
        An existing folder.
    shard : tuple of int, optional
        ``(i, n)``: the i-th of n parts. Parts of the same n may be held at the same time.

    Raises
    ------
    ResultStoreError
        If another process holds it; the message has its number, machine and time. Also if the file
        system has no locks.
    """
    if folder is None:
        yield
        return
    name = _LOCK if shard is None else f"{_LOCK}-{shard[0]}-of-{shard[1]}"
    with ExitStack() as held:
        held.enter_context(_held(folder / name))
        for other in sorted(folder.glob(f"{_LOCK}*")):
            if other.name != name and not _go_together(other.name, shard) and _is_held(other):
                raise _refusal(other)
        yield


def holders(folder: Path) -> list[Holder]:
    """Return the processes that write to a folder of runs at this moment."""
    found = (Holder.of(path) for path in sorted(folder.glob(f"{_LOCK}*")) if _is_held(path))
    return [holder for holder in found if holder is not None]


def _go_together(name: str, shard: tuple[int, int] | None) -> bool:
    parts = _SHARD.fullmatch(name)
    return shard is not None and parts is not None and int(parts[2]) == shard[1]


@contextmanager
def _held(path: Path) -> Iterator[None]:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        raise _refusal(path) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ResultStoreError(
            f"{path}: cannot be locked: {reason}; choose another place with --out"
        ) from error
    try:
        note = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.time()}
        write_text(_note(path), json.dumps(note))
        yield
    finally:
        # Removed before the release, so that filelock sees that a waiting process opened a removed file.
        for file in (_note(path), path):
            with suppress(OSError):
                file.unlink()
        lock.release()


def _is_held(path: Path) -> bool:
    try:
        with FileLock(path, thread_local=False).acquire(timeout=0):
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


def _note(lock: Path) -> Path:
    """Return the file that names the holder; a process that tries to lock a file may empty it."""
    return lock.with_name(lock.name.replace(_LOCK, _HOLDER, 1))


def _refusal(path: Path) -> ResultStoreError:
    holder = Holder.of(path)
    by = f"by {holder}" if holder else "by another process"
    return ResultStoreError(
        f"{path.parent}: is being written {by}; wait for it, or choose another place with --out"
    )
