"""Ending every process that descends from this one, also those in sessions of their own.

On Linux an orphan becomes the child of its nearest ancestor that has declared itself a subreaper, so
nothing that a call has started can hide behind a parent that ended. Elsewhere only the session of the
child is ended: what called ``setsid`` there lives on.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_PATIENCE_S = 10.0


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent ends."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Let the system kill this process when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end_group(leader: int, *, is_leader_alive: bool) -> None:
    """Kill the processes of a group; its leader may not have made it yet."""
    for kill in (os.killpg, os.kill) if is_leader_alive else (os.killpg,):
        with suppress(OSError):
            kill(leader, signal.SIGKILL)


def end_children(spared: Collection[int] = ()) -> bool:
    """Kill all children but some, and those who become children by that; say if none is left."""
    deadline = time.monotonic() + _PATIENCE_S
    while found := [pid for pid in children() if pid not in spared]:
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for pid in found:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.0005)
    return True


def children() -> list[int]:
    """Return the children of this process; none where the system cannot say."""
    with suppress(OSError, ValueError):
        return [int(pid) for pid in Path("/proc/thread-self/children").read_text().split()]
    return []


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        _libc().prctl(option, value, 0, 0, 0)
