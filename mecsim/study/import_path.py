"""What another Python process needs to find the modules that are found here, and no others.

``python -c`` imports a file of the present folder before anything installed: whoever works in a folder that
others wrote would run a ``numpy.py`` that lies there. So processes are started with ``-P``, or
`SAFE_PATH` in their environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from mecsim.study.environ import variable

SAFE_PATH = "PYTHONSAFEPATH"


def import_path() -> str:
    """Return PYTHONPATH for a process that is started with ``-P``.

    The present folder is part of it only where it is part of our own path, as in an interactive session.
    """
    return os.pathsep.join(str(path) or os.getcwd() for path in sys.path)  # noqa: PTH109 - a string


@contextmanager
def safe_path() -> Iterator[None]:
    """Let processes that others start for us, such as those of multiprocessing, be as with ``-P``."""
    with variable(SAFE_PATH, "1"):
        yield
