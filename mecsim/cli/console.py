"""What commands have in common: progress, messages, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from mecsim.errors import (
    InstanceError,
    InvalidAllocation,
    MecsimError,
    PolicyError,
    PolicyFailed,
    ResultStoreError,
    RunFailed,
    ScenarioError,
    StudyError,
    TraceError,
)  # fmt: skip
from mecsim.escapes import json_escaped, printable, printable_lines
from mecsim.results.plain_values import plain_json

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.study.outcome import RunOutcome

RUN_FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130

ProgressUpdate = Callable[[float, str], None]
_LINE_EVERY_S = 10.0
_LISTS = (ScenarioError, InstanceError, TraceError, StudyError, PolicyError)
_ENGINE = f"mecsim{os.sep}engine{os.sep}"


def exit_code(error: MecsimError) -> int:
    """Return the exit code of an error: 1 if a run failed, 2 if what was given is wrong."""
    if isinstance(error, PolicyFailed | InvalidAllocation | RunFailed):
        return RUN_FAILED
    # A full disk is not wrong input.
    if isinstance(error, ResultStoreError) and isinstance(error.__cause__, OSError):
        return RUN_FAILED
    return WRONG_INPUT


def explain_error(error: MecsimError) -> str:
    """Return the message, and for an exception in a policy its traceback in the files of the user."""
    lines = printable_lines(str(error) or type(error).__name__).split("\n")
    if not isinstance(error, _LISTS):  # what a name or a message of others holds begins no line of its own
        lines[1:] = [f"  {line}" for line in lines[1:]]
    if isinstance(error, PolicyFailed) and error.__cause__ is not None:
        frames = traceback.extract_tb(error.__cause__.__traceback__)
        lines += [
            printable(f"  {frame.filename}:{frame.lineno}: in {frame.name}: {frame.line}")
            for frame in frames
            if "site-packages" not in frame.filename and _ENGINE not in frame.filename
        ]
    return "\n".join(lines)


def interrupt_notes(error: BaseException | None) -> list[str]:
    """Return where runs were when Ctrl-C ended them, as noted on the interrupt that led to this error."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return list(getattr(error, "__notes__", ()))


@contextmanager
def writing(path: object) -> Iterator[None]:
    """Turn a failure to write a file into a message that names it."""
    try:
        yield
    except OSError as error:
        raise MecsimError(f"{path}: cannot be written: {error.strerror or error}") from error


def say(message: str, *, quiet: bool = False) -> None:
    """Write a line to standard error, unless ``quiet``; it controls no terminal."""
    if not quiet:
        typer.echo(printable(message), err=True)


def name_failures(failures: Sequence[RunOutcome], tracebacks: str, total: int | None = None) -> None:
    """Name the runs that failed, of so many, and end with 1 if there are any."""
    if not failures:
        return
    say(f"{len(failures)}{f' of {total}' if total else ''} runs failed and are missing above:")
    for outcome in failures:
        say(f"  {outcome.run_id}: {outcome.error}")
    say(f"tracebacks: {tracebacks}")
    raise typer.Exit(RUN_FAILED)


def print_text(*lines: object) -> None:
    """Write lines to standard output; what they hold controls no terminal, and begins no line of its own."""
    for line in lines:
        typer.echo(printable(str(line)))


def print_json(value: Any) -> None:
    """Print one JSON object on standard output; NaN and infinity, which JSON has not, become null."""
    text = json.dumps(plain_json(value), indent=1, ensure_ascii=False)
    typer.echo(json_escaped(text))


def print_table(table: Table) -> None:
    """Print a rich table on standard output; its cells control no terminal."""
    from rich.console import Console

    table.title, table.caption = _cell(table.title), _cell(table.caption)
    for column in table.columns:
        column.header, column.footer = _cell(column.header), _cell(column.footer)
        column._cells = [_cell(cell) for cell in column.cells]  # what `Table.add_row` appends to
    Console(width=output_width(), markup=False, highlight=False, emoji=False).print(table)


def _cell(content: Any) -> Any:
    return printable_lines(content) if isinstance(content, str) else content


def output_width() -> int:
    """Return the width of the terminal, or 200 where standard output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 200


@contextmanager
def progress(title: str, total: float, *, quiet: bool) -> Iterator[ProgressUpdate]:
    """Yield a function that takes the amount done and a message.

    It shows a bar with the time left on a terminal, a line now and then elsewhere, nothing if
    ``quiet``; always on standard error.
    """
    if quiet:
        yield lambda done, message: None
    elif sys.stderr.isatty():
        yield from _bar(title, total)
    else:
        yield _lines(title, total)


def _bar(title: str, total: float) -> Iterator[ProgressUpdate]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(printable(title), total=total)

        def update(done: float, message: str) -> None:
            bar.update(task, completed=done)

        yield update


def _lines(title: str, total: float) -> ProgressUpdate:
    began = last = time.monotonic()

    def update(done: float, message: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done <= 0 or now - last < _LINE_EVERY_S:
            return
        last = now
        left_s = (now - began) * (total - done) / done
        say(f"{title}: {100 * done / total:.0f} %, about {duration(left_s)} left")

    return update


def duration(seconds: float) -> str:
    """Return a time for people to read."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
