"""The working folder belongs to the caller: what a policy does to it ends with the run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def same_folder() -> Iterator[None]:
    """Return to the present working folder afterwards, so that relative paths mean what they meant before.

    A folder that has been removed cannot be returned to; paths were then of no use before, too.
    """
    before = None
    with suppress(OSError):
        before = Path.cwd()
    try:
        yield
    finally:
        if before is not None:
            with suppress(OSError):
                os.chdir(before)
