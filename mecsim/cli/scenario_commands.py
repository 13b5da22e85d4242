"""``mecsim validate``, ``explain``, ``scenarios``, ``map``, ``new`` and ``schema``."""

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
from mecsim.messages import system_size


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim validate my_scenario.toml")(validate)
    app.command(epilog="Example: mecsim explain channel.carrier_ghz")(explain)
    app.command(epilog="Example: mecsim scenarios")(scenarios)
    app.command(name="map", epilog="Example: mecsim map campus --seed 3 --out campus.png")(draw)
    app.command(epilog="Example: mecsim new my_scenario.toml && mecsim validate my_scenario.toml")(new)
    app.command(epilog="Example: mecsim schema > scenario.schema.json")(schema)


def validate(
    scenario: ScenarioArgument,
    changes: SetOption = None,
    plugins: PluginOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a scenario file: every problem with its line and what is allowed; values that are implausible."""
    from mecsim.certificate import refuse_to_record
    from mecsim.scenario.memory_report import memory_lines

    loaded = read_scenario(scenario, changes)
    refuse_to_record(loaded)
    from mecsim.analysis.plausibility import doubts

    implausible = doubts(loaded)
    if as_json:
        described = {"name": loaded.name, "sha256": loaded.sha256, "switched_off": loaded.switched_off()}
        described["implausible"] = implausible
        print_json(described | {"scenario": loaded.model_dump(by_alias=True, mode="json")})
    elif not quiet:
        print_text(
            f"{scenario}: a valid scenario ({system_size(loaded.users.count, loaded.servers.count)}, "
            f"{loaded.duration_s:g} s)"
        )
        for line in memory_lines(loaded):
            print_text(f"  memory: {line}")
        for effect in loaded.switched_off():
            print_text(f"  switched off: {effect}")
        for doubt in implausible:
            print_text(f"  implausible: {doubt}")


def explain(
    key: Annotated[
        str,
        typer.Argument(
            metavar="WORD",
            help="A key, table, metric, policy, GPU, adapter or base model, or a part of its name; "
            "all tables if left out.",
        ),
    ] = "",
    plugins: PluginOption = None,
    quiet: QuietOption = False,
) -> None:
    """Say what a key of a scenario file, a metric, a policy or a card is.

    Of a key: unit, default, allowed values, an example. Other words are looked for in parts of names.
    """
    from mecsim.cli.explain_search import answer

    print_text(*answer(key))
    if not key:
        say("more about one of them: mecsim explain KEY", quiet=quiet)


def scenarios(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """List the scenarios that come with mecsim."""
    from rich.table import Table

    from mecsim.scenario.shipped import shipped

    entries = shipped()
    if as_json:
        print_json([{"name": e.name, "description": e.description, "path": str(e.path)} for e in entries])
        return
    table = Table("scenario", "what it shows", "file")
    for entry in entries:
        table.add_row(entry.name, entry.description, str(entry.path))
    print_table(table)
    say("use one by its name: mecsim run campus; copy its file to change it", quiet=quiet)


def draw(
    scenario: ScenarioArgument,
    changes: SetOption = None,
    plugins: PluginOption = None,
    seed: SeedOption = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="PNG to write, a PDF beside it.", show_default=False),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Draw the map of a scenario in one world: servers, their gain, the trajectories of the users."""
    from mecsim.analysis.maps import draw_map
    from mecsim.analysis.style import save_figure

    loaded = read_scenario(scenario, changes)
    file = out or Path(f"{loaded.name}-map.png")
    with writing(file):
        paths = save_figure(draw_map(loaded, seed), file)
    say(f"figure: {', '.join(map(str, paths))}", quiet=quiet)


def new(
    file: Annotated[Path, typer.Argument(metavar="SCENARIO", help="File to write.", show_default=False)],
    plugins: PluginOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write a new scenario file with every key explained; an existing file is left alone."""
    from mecsim.scenario.template import new_scenario_text

    path = file if file.suffix else file.with_suffix(".toml")
    text = new_scenario_text(path.stem)
    with writing(path), path.open("x", encoding="utf-8") as target:
        target.write(text)
    say(f"{path}: written; next: mecsim validate {path}", quiet=quiet)


def schema(plugins: PluginOption = None, quiet: QuietOption = False) -> None:
    """Print the JSON schema of scenario files, for editors that check while one types."""
    from mecsim.scenario.explain import json_schema

    print_json(json_schema())
    say("save it, and put '#:schema scenario.schema.json' on the first line of a scenario file", quiet=quiet)
