"""A limit for code that may hang in this process, as far as Python can interrupt it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class _TookTooLong(BaseException):
    """Raised into code that has not come back in time; no ``except Exception`` holds it up."""


@contextmanager
def in_time(limit_s: float) -> Iterator[None]:
    """Raise :class:`_TookTooLong` in what runs longer than a limit, again and again.

    It needs the main thread and signals, and does not reach code that is compiled or catches everything;
    elsewhere nothing is limited.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TookTooLong(f"no answer within {limit_s:g} s")

    previous = signal.signal(signal.SIGALRM, ring)
    delay_s, interval_s = signal.setitimer(signal.ITIMER_REAL, limit_s, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, delay_s, interval_s)
        signal.signal(signal.SIGALRM, previous)
