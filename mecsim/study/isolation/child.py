"""The process that makes a call: it begins with what it is told, answers once and ends."""

from __future__ import annotations

import faulthandler
import json
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NoReturn

from mecsim.study.isolation.descendants import die_with_parent
from mecsim.study.isolation.wire import receive, send

CANNOT_ANSWER = 71
READY, ANSWER = b"R", b"A"
PROGRESS = struct.Struct("<Qd")
WHERE = getattr(signal, "SIGRTMAX", getattr(signal, "SIGUSR2", 0)) - hasattr(signal, "SIGRTMAX")
"""The signal at which a child writes where it is, also when it hangs in compiled code."""

# Before foreign code may replace them.
_exit, _getpid, _dumps = os._exit, os.getpid, json.dumps
_inside = False


def is_inside() -> bool:
    """Return whether this process is such a child, in which foreign code may be imported."""
    return _inside


class Child:
    """What a call may tell the process that keeps watch.

    Parameters
    ----------
    answers : socket
        To the keeper.
    cell : mmap
        Memory shared with the keeper, for the progress.
    """

    def __init__(self, answers: socket.socket | None, cell: mmap.mmap | None) -> None:
        self._answers, self._cell, self._pid = answers, cell, _getpid()
        self.calls, self.last_s = 0, 0.0
        self._umask = os.umask(0)
        os.umask(self._umask)
        self._key = b""

    def note(self, time_s: float) -> None:
        """Note the progress; a copy of the process that the call has made by a fork ends here."""
        self._end_copies()
        self.calls, self.last_s = self.calls + 1, time_s
        if self._cell is not None:
            PROGRESS.pack_into(self._cell, 0, self.calls, time_s)

    def ready(self) -> None:
        """Ask for leave to write results: only one process that can answer has it."""
        self._end_copies()
        os.umask(self._umask)
        if self._answers is not None and not self._key:
            send(self._answers, READY)
            self._key = receive(self._answers)

    def answer(self, value: Any) -> None:
        """Send the answer, the only one."""
        self.ready()
        if self._answers is not None:
            send(self._answers, ANSWER + self._key + _dumps(value).encode("ascii"))

    def _end_copies(self) -> None:
        if _getpid() != self._pid:
            _exit(CANNOT_ANSWER)


def live(
    header: Mapping[str, Any],
    payload: bytes,
    cell: mmap.mmap,
    answers: socket.socket,
    traces: socket.socket,
    output: int,
) -> NoReturn:
    """Make a call and end the process, whatever the call does."""
    try:
        os.setsid()
        die_with_parent()
        _settle(header, traces, output, keep={answers.fileno(), traces.fileno()})
        child = Child(answers, cell)
        child.answer(outcome_of(payload, child))
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):  # foreign code may have closed or replaced it
                stream.flush()
        _exit(0)
    except BaseException:  # noqa: BLE001 - the exit code says it; the keeper reports it
        _exit(CANNOT_ANSWER)
    finally:
        _exit(CANNOT_ANSWER)


def outcome_of(payload: bytes, child: Child) -> dict[str, Any]:
    """Return what became of a call: a value, or what was raised when it was read or made."""
    step = "unread"
    try:
        function, arguments = pickle.loads(payload)  # noqa: S301 - from our own parent
        step = "raised"
        return {"value": function(*arguments, child)}
    except BaseException as error:  # noqa: BLE001 - nothing that foreign code raises may end more than the call
        return {step: _named(error), "trace": _traceback(error)}


def _settle(header: Mapping[str, Any], traces: socket.socket, output: int, keep: set[int]) -> None:
    """Make the surroundings those of the process that asked, and nothing else."""
    global _inside
    _inside = True
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    # Output of foreign code must not mix with that of a command.
    os.dup2(output, 1)
    os.dup2(output, 2)
    before = 3
    for kept in sorted(keep):
        os.closerange(before, kept)
        before = kept + 1
    os.closerange(before, 4096)
    sys.stdout = open(1, "w", buffering=1, errors="replace", closefd=False)  # noqa: SIM115 - a descriptor
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faulthandler.enable(traces.fileno())
    faulthandler.register(WHERE, traces.fileno(), all_threads=True)
    os.environ.clear()
    os.environ.update(header["environ"])
    with suppress(OSError):
        os.chdir(header["folder"])
    sys.path[:] = header["path"]


def _named(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - its text is foreign code too
        return type(error).__name__


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except BaseException:  # noqa: BLE001 - as above
        return ""
