"""Calls from here: starts the server when it is first needed, asks, and waits for how a call ended."""

from __future__ import annotations

import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mecsim.results.blas import THREAD_VARIABLES
from mecsim.study.import_path import import_path
from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.fresh import call_in_fresh_process
from mecsim.study.isolation.output import same_blocking, shared_output
from mecsim.study.isolation.packing import packed
from mecsim.study.isolation.wire import Closed, Garbled, receive_json, send, send_json

OnNote = Callable[[float], None]
_START = "from mecsim.study.isolation.server import serve; serve()"
_GRACE_S = 15.0
_STOP_S = 3.0
_BEGIN_S = 300.0
_LOOK_S = 1.0
_ENDING = {"how": str, "code": int, "told": str, "trace": str, "calls": int, "time_s": float}


class Call:
    """One call in a process of its own.

    Parameters
    ----------
    function : callable
        Of a module of mecsim; called there with the arguments and a
        :class:`~mecsim.study.isolation.child.Child`. It returns what JSON knows.
    arguments
        Read only in that process.
    limit_s : float, optional
        Wall-clock time after which it is ended.
    on_note : callable, optional
        Called now and then with the progress that the call notes.
    brought : sequence of object, optional
        Those of the arguments whose classes may be known to this process alone.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *arguments: Any,
        limit_s: float | None = None,
        on_note: OnNote | None = None,
        brought: Sequence[object] = (),
    ) -> None:
        self._function, self._arguments = function, arguments
        self._limit_s, self._on_note, self._brought = limit_s, on_note, brought
        self._socket: socket.socket | None = None
        self._is_stopped = False
        self._has_begun = False
        self._last: tuple[int, float] = 0, 0.0
        self._pid = 0

    def wait(self) -> Ending:
        """Make the call and return how it ended.

        Raises
        ------
        KeyboardInterrupt
            With the call ended; ``ending`` is how.
        """
        try:
            payload = packed(self._function, self._arguments, self._brought)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - what cannot be pickled is how the call ended
            return Ending("unsent", told=f"{type(error).__name__}: {error}")
        if not hasattr(os, "fork"):
            return call_in_fresh_process(payload, self._limit_s)
        for _ in range(3):
            with _server.keeper() as self._socket, same_blocking():
                ending = self._converse(self._socket, payload)
            if ending is not None:
                return ending
            if self._is_stopped:
                return Ending("stopped")
        return Ending("lost", told="no process could be started for it")

    def stop(self) -> None:
        """End the call; who waits for it is told where it was. Safe in another thread."""
        self._is_stopped = True
        asker = self._socket
        if asker is not None:
            with suppress(OSError):
                if self._has_begun:
                    send(asker, b"stop")
                else:
                    asker.shutdown(socket.SHUT_RDWR)

    def _converse(self, asker: socket.socket, payload: bytes) -> Ending | None:
        """Return how the call ended; None if nobody was there to begin it."""
        self._has_begun, self._last, self._pid = False, (0, 0.0), 0
        try:
            _ask(asker, _header(self._limit_s), payload)
            if self._is_stopped:
                raise Closed
            return self._listen(asker)
        except KeyboardInterrupt as interrupt:
            self.stop()
            with suppress(Exception):
                asker.settimeout(_STOP_S)
                interrupt.ending = self._listen(asker, _STOP_S)  # type: ignore[attr-defined]
            raise
        except (Closed, Garbled):
            asker.close()
            return self._lost() if self._has_begun else None

    def _listen(self, asker: socket.socket, patience_s: float = _BEGIN_S) -> Ending:
        deadline_s = time.monotonic() + patience_s
        while True:
            if not select.select([asker], [], [], _LOOK_S)[0]:
                if time.monotonic() > deadline_s or (not self._has_begun and _server.is_stopped()):
                    self._give_up()
                    raise Closed
                continue
            message = _heard(asker)
            if "ending" in message:
                return _ending(message["ending"])
            if "begun" in message:
                self._has_begun = True
                if self._is_stopped:
                    self.stop()
                self._pid = int(message["begun"])
                # In case the keeper cannot end it.
                deadline_s = (
                    math.inf if self._limit_s is None else time.monotonic() + self._limit_s + _GRACE_S
                )
                continue
            note = message["progress"]
            self._last = int(note["calls"]), float(note["time_s"])
            if self._on_note is not None:
                self._on_note(self._last[1])

    def _give_up(self) -> None:
        """End what does not answer: the call's process, or a server that does not begin it."""
        if not self._has_begun:
            _server.kill()
        elif self._pid:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGKILL)

    def _lost(self) -> Ending:
        calls, time_s = self._last
        return Ending("lost", calls=calls, time_s=time_s)


class _Server:
    """The server of this process, started when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._free: list[socket.socket] = []

    def start(self) -> None:
        """Start the server if there is none; it gets ready while this process goes on."""
        with self._lock:
            self._started()

    @contextmanager
    def keeper(self) -> Iterator[socket.socket]:
        """Yield a way to a keeper that is free, or new; it is used again unless it was closed meanwhile."""
        with self._lock:
            asker = self._free.pop() if self._free else self._new()
        try:
            yield asker
        except BaseException:
            asker.close()
            raise
        if asker.fileno() >= 0:
            self._free.append(asker)

    def has_ended(self) -> bool:
        """Return whether the server is gone."""
        process = self._process
        return process is None or process.poll() is not None

    def is_stopped(self) -> bool:
        """Return whether somebody has stopped the server, as far as the system tells."""
        process = self._process
        with suppress(OSError, IndexError):
            if process is not None:
                state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
                return state in ("T", "t")
        return False

    def kill(self) -> None:
        """End a server that answers nobody; what it has begun goes on."""
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
            self.forget()

    def forget(self) -> None:
        """Leave the server, which ends, or which belongs to the process that this one is a copy of."""
        for way in (self._control, *self._free):
            if way is not None:
                way.close()
        self._process = self._control = None
        self._free.clear()

    def forget_after_fork(self) -> None:
        """Forget the server of the process that this one is a copy of."""
        self._lock = threading.Lock()
        self.forget()

    def _new(self) -> socket.socket:
        here, there = socket.socketpair()
        with there:
            try:
                socket.send_fds(self._started(), [b"k"], [there.fileno()])
            except OSError:
                self.forget()
                socket.send_fds(self._started(), [b"k"], [there.fileno()])
        return here

    def _started(self) -> socket.socket:
        if self._control is None or self.has_ended():
            self.forget()
            self._control, there = socket.socketpair()
            with there:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START],
                    stdin=there.fileno(),
                    stdout=subprocess.DEVNULL,
                    env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | {"PYTHONPATH": import_path()},
                    process_group=0,
                )
        return self._control


_server = _Server()
start_server = _server.start
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_server.forget_after_fork)


def _header(limit_s: float | None) -> dict[str, Any]:
    """Return the surroundings of a call: those of this process at this time."""
    try:
        folder = os.getcwd()  # noqa: PTH109 - a string
    except OSError:
        folder = "/"
    environ = dict(os.environ) | dict.fromkeys(THREAD_VARIABLES, "1")
    return {"limit_s": limit_s, "environ": environ, "folder": folder, "path": [str(p) for p in sys.path]}


def _ending(report: Any) -> Ending:
    """Return the ending that a keeper reports."""
    known = {name: kind(report[name]) for name, kind in _ENDING.items() if report.get(name) is not None}
    for name in ("told", "trace"):  # lone surrogates cannot be written to any file
        known[name] = str(known.get(name, "")).encode("utf-8", "backslashreplace").decode()
    return Ending(**known, value=report.get("value"))


def _ask(asker: socket.socket, header: dict[str, Any], payload: bytes) -> None:
    """Send a call, and where foreign code shall print: to our standard error, or nowhere."""
    output = shared_output()
    try:
        socket.send_fds(asker, [b"o"], [output])
        send_json(asker, header)
        send(asker, payload)
    except OSError as error:
        raise Closed from error
    finally:
        os.close(output)


def _heard(asker: socket.socket) -> Any:
    try:
        return receive_json(asker)
    except OSError as error:
        raise Closed from error
    except (ValueError, RecursionError) as error:
        raise Garbled(str(error)) from error
