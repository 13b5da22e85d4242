"""``mecsim recovery``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_table, say
from mecsim.cli.options import (
    JsonOption,
    PluginOption,
    PolicyOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from rich.table import Table


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim recovery blocks --policy dashf --seed 1")(recovery)


def recovery(
    scenario: ScenarioArgument,
    policy: PolicyOption = "nearest",
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    tolerance: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="SCR is back where it misses less than this share.")
    ] = 0.1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate, and say for each outage what it cost and how long it took to be as good as before."""
    from mecsim.analysis.recovery import outages_of
    from mecsim.analysis.recovery import recovery as recovery_of
    from mecsim.study.plan import Run
    from mecsim.study.policy_choice import choose_policies
    from mecsim.study.worker import results_of

    loaded = read_scenario(scenario, changes)
    outages = outages_of(loaded, seed)
    if not outages:
        raise MecsimError(f"{scenario}: no server fails in this world; see mecsim explain calendar")
    results = results_of(Run(loaded, choose_policies([policy])[0], seed))
    found: list[dict[str, Any]] = []
    for server, from_s, to_s in outages:
        one = recovery_of(results, from_s, to_s, tolerance=tolerance)
        found.append({"server": server, **asdict(one), "time_to_recover_s": one.time_to_recover_s})
    if as_json:
        print_json(found)
        return
    table = _table(found)
    table.title = f"{scenario}, {policy}, seed {seed}: {len(found)} outages"
    print_table(table)
    say("the ratio over time and its dip are those of docs/world.md", quiet=quiet)


def _table(outages: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    heads = ("server", "from (s)", "to (s)", "SCR before", "lowest", "back after (s)", "dip area (s)")
    table = Table(*heads, "rounds lost", "delayed", "by (s)")
    keys = ("from_s", "to_s", "scr_before", "scr_lowest", "time_to_recover_s", "dip_area_s")
    for row in outages:
        counted = (str(row["rounds_lost"]), str(row["rounds_delayed"]), f"{row['delayed_s']:.4g}")
        table.add_row(str(row["server"]), *(f"{row[key]:.4g}" for key in keys), *counted)
    return table
