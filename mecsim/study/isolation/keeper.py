"""The process that keeps watch over one call: it forks the child, waits, ends what is left and reports."""

from __future__ import annotations

import json
import mmap
import os
import secrets
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from mecsim.study.isolation import child as child_process
from mecsim.study.isolation.child import ANSWER, PROGRESS, READY, WHERE
from mecsim.study.isolation.descendants import adopt_orphans, end_children, end_group
from mecsim.study.isolation.wire import Closed, Garbled, Messages, receive, receive_json, send, send_json

_TICK_S, _PROGRESS_EVERY_S = 0.05, 0.25
_END_S, _TRACE_S = 10.0, 1.0
_MOST_TRACE = 1 << 18
_CHUNK = 1 << 16


def keep(asker: socket.socket) -> None:
    """Make one call after the other, each in a child of this process, and report how it ended."""
    adopt_orphans()
    try:
        while True:
            _, (output,), _, _ = socket.recv_fds(asker, 1, 1)
            header, payload = receive_json(asker), receive(asker)
            watch = _Watch(asker, header.get("limit_s"))
            watch.start(header, payload, output)
            os.close(output)
            report = watch.wait()
            watch.end()
            send_json(asker, {"ending": report | watch.progress()})
    except (Closed, OSError, ValueError, RecursionError):
        # Nobody waits any more.
        end_children()


class _Watch:
    """The child, the ways to it, and what has come from it so far."""

    def __init__(self, asker: socket.socket, limit_s: float | None) -> None:
        self.pid = 0
        self._asker = asker
        self._limit_s = limit_s
        self._cell = mmap.mmap(-1, PROGRESS.size)
        self._answers, self._traces, self._trace = socket.socket(), socket.socket(), bytearray()
        self._messages = Messages()
        self._key = secrets.token_hex(16).encode()
        self._is_ready = False
        self._value: dict[str, Any] | None = None
        self._status: int | None = None

    def start(self, header: dict[str, Any], payload: bytes, output: int) -> None:
        """Fork the child."""
        self._answers, own_answers = socket.socketpair()
        self._traces, own_traces = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            child_process.live(header, payload, self._cell, own_answers, own_traces, output)
        own_answers.close()
        own_traces.close()
        self._began_s = time.monotonic()
        send_json(self._asker, {"begun": self.pid})

    def end(self) -> None:
        """End the child and all that it has started, and give up the ways to it."""
        end_group(self.pid, is_leader_alive=self._status is None)
        end_children()
        if self._status is None:
            with suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        self._answers.close()
        self._traces.close()

    def progress(self) -> dict[str, Any]:
        """Return how far the child has come, as it says."""
        calls, time_s = PROGRESS.unpack_from(self._cell, 0)
        return {"calls": calls, "time_s": time_s}

    def wait(self) -> dict[str, Any]:
        """Wait until the call has ended; return how. Raise Closed if nobody wants to know any more."""
        told_s = time.monotonic()
        while True:
            now_s = time.monotonic()
            if self._limit_s is not None and now_s - self._began_s > self._limit_s:
                return self._ended("limit")
            if now_s - told_s > _PROGRESS_EVERY_S:
                told_s = now_s
                send_json(self._asker, {"progress": self.progress()})
            try:
                for source in self._readable():
                    if source is self._asker:
                        receive(self._asker)
                        return self._ended("stopped")
                    self._take(source)
                if self._has_ended():
                    self._take_the_rest()
            except Garbled as error:
                return self._ended("garbled", told=str(error))
            if self._value is not None:
                return self._after_the_answer()
            if self._status is not None:
                return self._after_a_death()

    def _readable(self) -> list[socket.socket]:
        sources = [s for s in (self._asker, self._answers, self._traces) if s.fileno() >= 0]
        return select.select(sources, [], [], _TICK_S)[0]

    def _take(self, source: socket.socket) -> None:
        """Take what has come from the child on one of its ways."""
        content = _read(source)
        if not content:
            source.close()
        elif source is self._traces:
            if len(self._trace) < _MOST_TRACE:
                self._trace += content
        else:
            for message in self._messages.take(content):
                self._judge(message)

    def _take_the_rest(self) -> None:
        """Take what the child has sent since the last look, before it ended."""
        while self._value is None and (content := _read(self._answers, now=True)):
            for message in self._messages.take(content):
                self._judge(message)

    def _judge(self, message: bytes) -> None:
        """Accept one request to write results and then one answer; raise Garbled at anything else."""
        if message == READY and not self._is_ready:
            self._is_ready = True
            with suppress(OSError):
                send(self._answers, self._key)
            return
        head = ANSWER + self._key
        if not self._is_ready or self._value is not None or not message.startswith(head):
            raise Garbled("what is not the one answer")
        try:
            value = json.loads(message[len(head) :])
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Garbled("an answer that cannot be read")
        self._value = value

    def _has_ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def _after_the_answer(self) -> dict[str, Any]:
        """Return the answer if the child ends with it, in order and soon."""
        deadline = time.monotonic() + _END_S
        while not self._has_ended():
            if time.monotonic() > deadline:
                return self._ended("silent")
            time.sleep(0.0005)
        try:
            if self._answers.fileno() >= 0:
                while content := _read(self._answers, now=True):
                    if content:
                        raise Garbled("more than one answer")
        except Garbled as error:
            return {"how": "garbled", "told": str(error)}
        if self._status != 0:
            return self._after_a_death()
        assert self._value is not None
        for how in ("unread", "raised"):
            if how in self._value:
                trace = self._value.get("trace")
                return {
                    "how": "unsent" if how == "unread" else how,
                    "told": str(self._value[how]),
                    "trace": trace,
                }
        return {"how": "answered", "value": self._value.get("value")}

    def _after_a_death(self) -> dict[str, Any]:
        """Return how a child ended that has not answered."""
        assert self._status is not None
        self._collect(0.0)
        code = os.waitstatus_to_exitcode(self._status)
        if code == child_process.CANNOT_ANSWER:
            return {"how": "silent", "trace": self._told_trace()}
        return {"how": "signal" if code < 0 else "exit", "code": abs(code), "trace": self._told_trace()}

    def _ended(self, how: str, told: str = "") -> dict[str, Any]:
        """End the child, after it has said where it was, and return why."""
        before = len(self._trace)
        for number in (WHERE, signal.SIGCONT):
            with suppress(OSError):
                os.kill(self.pid, number)
        self._collect(_TRACE_S, more_than=before)
        return {"how": how, "told": told, "trace": self._told_trace()}

    def _collect(self, patience_s: float, more_than: int = 0) -> None:
        """Read the traceback that a child writes, which ends when nothing more comes."""
        deadline = time.monotonic() + patience_s
        while self._traces.fileno() >= 0:
            left_s = deadline - time.monotonic()
            wait_s = _TICK_S if len(self._trace) > more_than else max(left_s, 0.0)
            if not select.select([self._traces], [], [], wait_s)[0]:
                return
            content = _read(self._traces)
            if not content or len(self._trace) > _MOST_TRACE:
                return
            self._trace += content

    def _told_trace(self) -> str:
        return self._trace.decode("ascii", "backslashreplace")


def _read(source: socket.socket, *, now: bool = False) -> bytes:
    try:
        return source.recv(_CHUNK, socket.MSG_DONTWAIT if now else 0)
    except OSError:
        return b""
