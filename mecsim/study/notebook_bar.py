"""A progress bar in notebooks; in any other process there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from mecsim.analysis.inline import notebook_display
from mecsim.escapes import printable
from mecsim.study.progress import OnStudyProgress

_EVERY_S = 0.2


@contextmanager
def notebook_bar(title: str, total: float, *, shown: bool = True) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that takes the amount done and a line about it; the bar goes when the work ends."""
    display = notebook_display() if shown else None
    if display is None:
        yield lambda done, message: None
        return
    handle = display.display(display.HTML(_bar(title, 0.0, total, "")), display_id=True)
    last_s = time.monotonic()

    def tell(done: float, message: str) -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= _EVERY_S:
            last_s = time.monotonic()
            handle.update(display.HTML(_bar(title, done, total, message)))

    try:
        yield tell
    finally:
        handle.update(display.HTML(""))


@contextmanager
def study_bar(title: str, on_progress: OnStudyProgress | None) -> Iterator[OnStudyProgress | None]:
    """Yield the progress callback that was given, or in a notebook one that shows a bar."""
    if on_progress is not None or notebook_display() is None:
        yield on_progress
        return
    with notebook_bar(title, 1.0) as tell:
        yield lambda done, total, message: tell(done / max(total, 1), message)


def _bar(title: str, done: float, total: float, message: str) -> str:
    percent = 100.0 * done / total
    return (
        f"<label>{escape(printable(title))} <progress max='100' value='{percent:.0f}'></progress> "
        f"{percent:.0f} % {escape(printable(message))}</label>"
    )
