"""Exceptions in threads that a policy started: Python prints them and goes on, a run must not."""

from __future__ import annotations

import sys
import threading
from typing import Any

_watching: list[PolicyThreads] = []
_lock = threading.Lock()
_previous: list[Any] = []


class PolicyThreads:
    """Collects what threads of one policy raise while it is entered.

    A thread is the policy's if it started during one of its calls. The hooks of :mod:`threading` and
    :mod:`sys` are replaced while somebody watches; what they were is called too, and restored.
    """

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self._depth = 0
        self._others: set[int] | None = None
        self._own: set[int] = set()

    def __enter__(self) -> PolicyThreads:
        self._depth += 1
        if self._depth == 1:
            with _lock:
                _watching.append(self)
                if len(_watching) == 1:
                    _previous[:] = threading.excepthook, sys.unraisablehook
                    threading.excepthook, sys.unraisablehook = _of_thread, _of_bare_thread
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            with _lock:
                _watching.remove(self)
                if not _watching:
                    threading.excepthook, sys.unraisablehook = _previous

    @property
    def are_running(self) -> bool:
        """Whether a thread of the policy is still there."""
        return bool(self._own)

    def call_begins(self) -> None:
        """Take note of the threads that are there before a call of the policy."""
        self._others = {id(thread) for thread in threading.enumerate()}.difference(self._own)

    def call_ends(self) -> None:
        """Take note of the threads that a call has started."""
        others, self._others = self._others or set(), None
        self._own = {id(thread) for thread in threading.enumerate()}.difference(others)

    def take(self, thread: object, error: BaseException) -> None:
        """Take what a thread raised, if it is the policy's; a bare thread (None) is during a call."""
        during_call = self._others is not None and id(thread) not in self._others
        if id(thread) in self._own or during_call:
            self.failures.append(error)


def _of_thread(raised: threading.ExceptHookArgs) -> None:
    if raised.exc_value is not None:
        for one in tuple(_watching):
            one.take(raised.thread, raised.exc_value)
    _previous[0](raised)


def _of_bare_thread(raised: sys.UnraisableHookArgs) -> None:
    if raised.exc_value is not None and "thread started by" in (raised.err_msg or ""):
        for one in tuple(_watching):
            one.take(None, raised.exc_value)
    _previous[1](raised)
