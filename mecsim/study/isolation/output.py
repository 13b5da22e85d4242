"""Where foreign code prints: to our standard error, whose state it shares and must not change for us."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def shared_output() -> int:
    """Return a new descriptor of our standard error, or of nothing where that is closed."""
    try:
        return os.dup(2)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


@contextmanager
def same_blocking() -> Iterator[None]:
    """Undo ``O_NONBLOCK``: whoever shares an open file, such as a terminal, sets it for all who have it."""
    before = dict[int, bool]()
    for descriptor in (1, 2):
        with suppress(OSError):
            before[descriptor] = os.get_blocking(descriptor)
    try:
        yield
    finally:
        for descriptor, is_blocking in before.items():
            with suppress(OSError):
                os.set_blocking(descriptor, is_blocking)
