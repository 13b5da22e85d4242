"""Exceptions in threads that a policy started: Python prints them and goes on, a run must not."""

from __future__ import annotations

import sys
import threading
from typing import Any

from mecsim.foreign_code import files_of

_watching: list[PolicyThreads] = []
_lock = threading.Lock()
_previous: list[Any] = []


class PolicyThreads:
    """Collects what threads of one policy raise while it is entered.

    A thread is the policy's if it started during one of its calls, or between them while another one of
    its threads was running. A bare thread (of :mod:`_thread`) is its own if it failed during a call, or in
    code of the file ``home``. The hooks of :mod:`threading` and :mod:`sys` are replaced while somebody
    watches; what they were is called too, and restored.
    """

    def __init__(self, home: str = "") -> None:
        self.failures: list[BaseException] = []
        self._home, self._depth = home, 0
        self._others: set[int] | None = None
        self._own, self._known = set[int](), set[int]()

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
        now = _thread_ids()
        if self._own:
            self._own |= now - self._known
        self._others = now - self._own

    def call_ends(self) -> None:
        """Take note of the threads that a call has started."""
        others, self._others = self._others or set(), None
        self._known = _thread_ids()
        self._own = self._known - others

    def take(self, thread: object, error: BaseException) -> None:
        """Take what a thread raised, if it is the policy's; None for a bare thread."""
        before = self._others
        if before is None:  # between calls
            is_own = bool(self._own) and id(thread) not in self._known
        else:
            is_own = id(thread) not in before
        is_at_home = thread is None and self._home in files_of(error)
        if is_own or is_at_home or id(thread) in self._own:
            self.failures.append(error)


def _thread_ids() -> set[int]:
    return {id(thread) for thread in threading.enumerate()}


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
