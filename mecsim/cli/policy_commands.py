"""``mecsim policies`` and ``mecsim models``."""

from __future__ import annotations

import typer

from mecsim.cli.console import print_json, print_table, say
from mecsim.cli.options import JsonOption, PluginOption, QuietOption


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim policies --json")(policies)
    app.command(epilog="Example: mecsim models --plugin levy_walk.py")(models)


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


def models(plugins: PluginOption = None, quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """List every mobility model and path loss; one that cannot be used is listed with the reason."""
    from rich.table import Table

    from mecsim.scenario.models import MOBILITY, PATH_LOSS, list_models

    entries = [(group.noun, entry) for group in (MOBILITY, PATH_LOSS) for entry in list_models(group)]
    if as_json:
        print_json([{"kind": kind} | entry._asdict() for kind, entry in entries])
        return
    table = Table("kind", "model", "what it does", "from")
    for kind, entry in entries:
        what = f"cannot be used: {entry.error}" if entry.error else entry.summary
        table.add_row(kind, entry.name, what, entry.origin)
    print_table(table)
    say("their keys: mecsim explain users.mobility; your own: --plugin FILE.py", quiet=quiet)
