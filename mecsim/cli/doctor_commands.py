"""``mecsim doctor``."""

from __future__ import annotations

import typer

from mecsim.cli.console import RUN_FAILED, print_json, print_table, say
from mecsim.cli.options import JsonOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim doctor")(doctor)


def doctor(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Say what mecsim runs on: versions, solvers, threads, processor; and how to get what is missing.

    Exit code 1 if something that mecsim needs is missing.
    """
    from mecsim.testing.doctor import examine

    findings = examine()
    needed = [finding for finding in findings if finding.needed and not finding.found]
    if as_json:
        print_json({"ok": not needed, "findings": [finding._asdict() for finding in findings]})
    else:
        from rich.table import Table

        table = Table("what", "found", "for", "how to get it")
        for f in findings:
            table.add_row(f.what, f.found or ("MISSING" if f.needed else "not there"), f.purpose, f.remedy)
        print_table(table)
    if needed:
        say(f"missing: {', '.join(finding.what for finding in needed)}", quiet=quiet)
        raise typer.Exit(RUN_FAILED)
