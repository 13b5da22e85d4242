"""The command ``mecsim``. Importing this must stay cheap: heavy modules are imported where a command runs."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from types import TracebackType
from typing import Any

import typer
from typer.core import TyperGroup

from mecsim.cli import (
    bound_commands,
    compare_commands,
    doctor_commands,
    export_commands,
    paper_commands,
    plot_commands,
    policy_commands,
    promise_commands,
    recovery_commands,
    report_commands,
    run_commands,
    scenario_commands,
    solve_commands,
    sweep_commands,
    table_commands,
    trace_commands,
    train_commands,
    tune_commands,
    verify_commands,
)
from mecsim.cli.console import INTERRUPTED, exit_code, explain_error, interrupt_notes, print_text, say
from mecsim.cli.surroundings import figures_to_files
from mecsim.errors import MecsimError
from mecsim.escapes import printable_lines
from mecsim.results.blas import THREAD_VARIABLES


class _Commands(TyperGroup):
    """The group of all commands; what it says of wrong arguments controls no terminal."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        with _escaped_message():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:
        with _escaped_message():
            return super().invoke(ctx)


@contextmanager
def _escaped_message() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if hasattr(error, "format_message"):
            text = printable_lines(error.format_message())
            error.format_message = lambda: text
        raise


app = typer.Typer(
    name="mecsim",
    cls=_Commands,
    help="Compare policies for mobile edge computing on the same simulated, moving world.",
    epilog="Start with: mecsim demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# In the order of the help.
for commands in (
    run_commands,
    compare_commands,
    sweep_commands,
    export_commands,
    plot_commands,
    table_commands,
    tune_commands,
    train_commands,
    report_commands,
    paper_commands,
    promise_commands,
    recovery_commands,
    solve_commands,
    bound_commands,
    policy_commands,
    scenario_commands,
    trace_commands,
    verify_commands,
    doctor_commands,
):
    commands.register(app)


@app.callback(invoke_without_command=True)
def _options(
    version: bool = typer.Option(False, "--version", help="Print the version and exit."),
) -> None:
    if version:
        from mecsim import __version__

        print_text(f"mecsim {__version__}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 done, 1 a run failed, 2 wrong input, 130 interrupted. Errors of mecsim become a message on
    standard error; any other exception is a bug and keeps its traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        # Characters that a terminal or pipe cannot show become question marks.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    # A BLAS whose threads cannot be set later reads this when it is loaded.
    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
    notes = list[str]()
    try:
        with figures_to_files():
            app(args=None if arguments is None else list(arguments), prog_name="mecsim")
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
        notes = interrupt_notes(done)
    except MecsimError as error:
        print(explain_error(error), file=sys.stderr)  # noqa: T201 - the one place where errors end
        return exit_code(error)
    except KeyboardInterrupt as interrupt:
        code, notes = INTERRUPTED, interrupt_notes(interrupt)
    except Exception:
        sys.excepthook = _show_bug
        raise
    else:
        code = 0
    if code == INTERRUPTED:
        for line in ("mecsim: interrupted; finished runs are kept", *notes):
            say(line)
    return code


def _show_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print the traceback of a bug, whose text may quote a file."""
    text = "".join(traceback.format_exception(kind, error, trace))
    print(printable_lines(text), end="", file=sys.stderr)  # noqa: T201
