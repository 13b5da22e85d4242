"""What a command inherits from whoever starts it, and must not depend on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from mecsim.study.environ import variable

BACKEND = "MPLBACKEND"


@contextmanager
def figures_to_files() -> Iterator[None]:
    """Let matplotlib draw to files, whatever window system or notebook the environment names.

    Worker processes inherit it. A Python session that calls a command keeps its own backend.
    """
    imported = "matplotlib" in sys.modules
    with variable(BACKEND, "Agg") as given:
        try:
            yield
        finally:
            if not imported and "matplotlib" in sys.modules:
                _choose(given)


def _choose(backend: str | None) -> None:
    """Choose what matplotlib would have chosen, had the command not imported it."""
    import matplotlib

    if not backend:
        # "None yet" is no value that rcParams accepts.
        dict.__setitem__(matplotlib.rcParams, "backend", matplotlib.rcParamsOrig["backend"])
        return
    with suppress(ValueError):  # an unknown backend: the message is for whoever draws with it
        matplotlib.rcParams["backend"] = backend
