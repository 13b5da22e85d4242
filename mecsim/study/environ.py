"""Variables of the environment that hold for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def variable(name: str, value: str) -> Iterator[str | None]:
    """Set a variable of the environment inside; yield what it was before, which it is again afterwards."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield before
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
