"""Callbacks that report the progress of a run or a study."""

from __future__ import annotations

from collections.abc import Callable

OnProgress = Callable[[float], None]
"""Called with the simulated seconds of a run that are done."""

OnStudyProgress = Callable[[float, int, str], None]
"""Called with the runs done, their number, and a line about the last one."""


def counted_on(on_progress: OnStudyProgress | None, before: int, total: int) -> OnStudyProgress | None:
    """Return the progress of a part of ``total`` runs, of which ``before`` were done earlier."""
    if on_progress is None:
        return None
    return lambda done, _, message: on_progress(before + done, total, message)
