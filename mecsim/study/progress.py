"""Callbacks that report the progress of a run or a study."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.place import where

OnProgress = Callable[[float], None]
"""Called with the simulated seconds of a run that are done."""

OnStudyProgress = Callable[[float, int, str], None]
"""Called with the runs done, their number, and a line about the last one."""


def counted_on(on_progress: OnStudyProgress | None, before: int, total: int) -> OnStudyProgress | None:
    """Return the progress of a part of ``total`` runs, of which ``before`` were done earlier."""
    if on_progress is None:
        return None
    return lambda done, _, message: on_progress(before + done, total, message)


@contextmanager
def told_where(who: str, on_progress: OnProgress | None) -> Iterator[OnProgress]:
    """Yield a callback for the progress of a run in this process; Ctrl-C gets a note of where it was."""
    calls, last_s = 0, 0.0

    def note(time_s: float) -> None:
        nonlocal calls, last_s
        calls, last_s = calls + 1, time_s
        if on_progress is not None:
            on_progress(time_s)

    try:
        yield note
    except KeyboardInterrupt as interrupt:
        first: BaseException = interrupt
        while first.__cause__ is not None:  # SimPy raises another one for it
            first = first.__cause__
        trace = "".join(traceback.format_exception(first))
        interrupt.add_note(f"{who} {where(Ending('stopped', trace=trace, calls=calls, time_s=last_s))}")
        raise
