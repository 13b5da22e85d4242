"""``mecsim bound`` and ``mecsim snapshot``: an instance, and what no allocation of it exceeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mecsim.cli.console import print_json, print_table, print_text, say, writing
from mecsim.cli.options import (
    JsonOption,
    PluginOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.errors import MecsimError

WithinOption = Annotated[
    float | None,
    typer.Option(
        "--within",
        metavar="GAP",
        help="Branch and bound until the gap is at most this, such as 0.01 for 1 %.",
        show_default=False,
    ),
]
ProofLimitOption = Annotated[
    float | None,
    typer.Option(
        "--limit-s",
        metavar="S",
        help="End branch and bound after this wall-clock time, in s; 60 by default.",
        show_default=False,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim bound snapshot.json --within 0.01 --limit-s 60")(bound)
    app.command(epilog="Example: mecsim snapshot campus --time 600 --out snapshot.json")(snapshot)


def bound(
    instance: Annotated[
        Path, typer.Argument(metavar="INSTANCE.json", help="One static snapshot.", show_default=False)
    ],
    within: WithinOption = None,
    limit_s: ProofLimitOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Prove an upper bound of the SCR of one static snapshot, and show what each resource is worth.

    The gap is that to the best allocation found. Without --within the bound is that by prices alone.
    """
    from mecsim.certificate import LIMIT_S
    from mecsim.certificate import bound as prove
    from mecsim.cli.bounds import as_object, explanation, prices_table, summary
    from mecsim.system.instance_file import load_instance

    if limit_s is not None and within is None:
        raise MecsimError("--limit-s: limits branch and bound, which --within asks for")
    snapshot = load_instance(instance)
    found = prove(snapshot, within=within, limit_s=LIMIT_S if limit_s is None else limit_s)
    if as_json:
        print_json(as_object(found))
        return
    print_text(*summary(snapshot, found))
    if found.prices is not None:
        print_table(prices_table(snapshot, found.prices))
        print_text(*explanation(snapshot, found.upper_bound, found.prices))
    if within is not None and found.gap > within:
        say(f"the gap of {within:.3g} is not reached; more time: --limit-s", quiet=quiet)


def snapshot(
    scenario: ScenarioArgument,
    time_s: Annotated[float, typer.Option("--time", metavar="T", help="Moment of the world, in s.")],
    seed: SeedOption = 0,
    csi: Annotated[
        bool, typer.Option("--csi", help="Gains as policies see them, instead of the true ones.")
    ] = False,
    changes: SetOption = None,
    plugins: PluginOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE.json",
            help="File to write instead of standard output.",
            show_default=False,
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write one moment of a scenario's world as an instance file for `mecsim solve` and `mecsim bound`.

    It has the users who have entered and not left, each with the work of its first round, and the
    servers with what outages and brown-outs leave them.
    """
    from mecsim.system.instance_file import instance_to_json
    from mecsim.world.snapshot import instance_at
    from mecsim.world.world import World

    instance = instance_at(World(read_scenario(scenario, changes), seed), seed, time_s, csi=csi)
    text = instance_to_json(instance)
    if out is None:
        print_text(*text.split("\n"))
        return
    with writing(out):
        out.write_text(text + "\n", encoding="utf-8")
    say(f"instance: {out} ({instance.user_count} users, {instance.server_count} servers)", quiet=quiet)
