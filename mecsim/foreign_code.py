"""Calling code that others wrote: what it raises is described in one line, and only Ctrl-C interrupts.

Nothing here trusts an exception: its text may raise, be a megabyte long or hold control characters.
"""

from __future__ import annotations

import os
import signal
import sysconfig
import threading
from collections.abc import Callable, Iterator
from inspect import getattr_static
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

from mecsim.escapes import printable

LONGEST_REASON = 300
_LONGEST_READ = 4000

_PACKAGE = f"{Path(__file__).parent}{os.sep}"
_LIBRARY = sysconfig.get_path("stdlib")


def one_line(text: str, longest: int = LONGEST_REASON) -> str:
    """Return a text on one line, without anything that controls a terminal, and not too long."""
    words = printable(" ".join(text[:_LONGEST_READ].split()))
    return words if len(words) <= longest else f"{words[: longest - 3]}..."


def described(error: BaseException) -> str:
    """Return type, text and place of an exception: ``ValueError: no such user (my_policy.py:12)``."""
    place = place_of(error)
    return " ".join(filter(None, (f"{type_name(error)}:", text_of(error), place and f"({place})")))


def type_name(value: object) -> str:
    """Return the name of the type of a value, whatever its metaclass says."""
    return one_line(type.__dict__["__name__"].__get__(type(value)), 80)


def shown(value: object) -> str:
    """Return the ``repr`` of a value in one line, or its type where ``repr`` raises."""
    try:
        return one_line(_exact(repr(value)), 100)
    except BaseException:  # noqa: BLE001 - it may raise anything, and nothing depends on it
        return f"something of type {type_name(value)}"


def place_of(error: BaseException) -> str:
    """Return ``file:line`` of the innermost frame that belongs to the code of others; empty without one.

    That is the last one outside of mecsim, its policies, the standard library and installed packages, else
    the last one outside of mecsim and the standard library.
    """
    frames = list(_frames(error))
    for keep in (is_users, _is_foreign):
        found = [place for place in frames if keep(place[0])]
        if found:
            file, line = found[-1]
            return f"{one_line(file, 200)}:{line}"
    return ""


def files_of(error: BaseException) -> set[str]:
    """Return the files of code that an exception has passed through."""
    return {file for file, _ in _frames(error)}


def file_of_class(kind: type) -> str:
    """Return the file with the code of the method ``allocate`` of a class; empty where nothing tells."""
    code = getattr(getattr_static(kind, "allocate", None), "__code__", None)
    return code.co_filename if isinstance(code, CodeType) else ""


def _frames(error: BaseException) -> Iterator[tuple[str, int]]:
    entry: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    while entry is not None:
        yield entry.tb_frame.f_code.co_filename, entry.tb_lineno
        entry = entry.tb_next


def _is_foreign(file: str) -> bool:
    in_library = file.startswith(_LIBRARY) and "site-packages" not in file
    return not (file.startswith((_PACKAGE, "<frozen ")) or in_library)


def is_users(file: str) -> bool:
    """Return whether a file of code is outside of mecsim, its policies, Python and installed packages."""
    return _is_foreign(file) and "site-packages" not in file and "mecsim_policies" not in file


def text_of(error: BaseException, longest: int = LONGEST_REASON) -> str:
    """Return the text of an exception in one line, also of one whose text raises."""
    try:
        return one_line(_exact(str(error)), longest)
    except BaseException:  # noqa: BLE001 - it may raise anything
        return "its text cannot be shown"


def _exact(text: str) -> str:
    """Return the start of a text as a plain string; a subclass may lie about itself."""
    return str.__getitem__(text, slice(0, _LONGEST_READ))


class Interrupts:
    """Notes what Ctrl-C raised, so that a KeyboardInterrupt that nobody asked for is told apart.

    It is entered where code of others may run, as often as wanted. In a thread other than the main one, or
    where SIGINT is ignored, no interrupt can come.
    """

    def __init__(self) -> None:
        self.raised: BaseException | None = None
        self._depth = 0
        self._previous: Callable[[int, FrameType | None], Any] | None = None

    def __enter__(self) -> Interrupts:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._previous = handler
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0 and self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)
            self._previous = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        assert self._previous is not None
        try:
            self._previous(number, frame)
        except BaseException as error:
            self.raised = error
            raise
