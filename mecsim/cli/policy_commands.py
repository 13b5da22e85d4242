"""``mecsim policies``."""

from __future__ import annotations

import typer

from mecsim.cli.console import print_json, print_table, say
from mecsim.cli.options import JsonOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim policies --json")(policies)


def policies(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """List every registered policy; one that cannot be imported is listed with the reason."""
    from rich.table import Table

    from mecsim.registry import list_policies

    entries = list_policies()
    if as_json:
        print_json([entry._asdict() for entry in entries])
        return
    table = Table("policy", "what it does", "from")
    for entry in entries:
        what = f"cannot be used: {entry.error}" if entry.error else entry.summary
        table.add_row(entry.name, what, entry.origin)
    print_table(table)
    say("your own: --policy package.module:Class or --policy file.py:Class, then :key=value,...", quiet=quiet)
