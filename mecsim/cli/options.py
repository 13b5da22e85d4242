"""Arguments and options that several commands share."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A scenario file, or the name of a shipped one.", show_default=False
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the scenario; may be repeated.",
        show_default=False,
    ),
]


def _load_plugins(files: list[str] | None) -> list[str] | None:
    if files:
        from mecsim.scenario.models import load_plugin

        for file in files:
            load_plugin(file)
    return files


PluginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        help="Run this file of code and use the mobility models and path losses it defines; may be repeated.",
        show_default=False,
        callback=_load_plugins,
    ),
]
PolicyOption = Annotated[
    str,
    typer.Option(
        "--policy", "-p", metavar="P", help="NAME, module:Class or file.py:Class, then :key=value,..."
    ),
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; -1 for every core.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of the (first) world.")]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Where to write.", show_default=False)
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no hints; errors only.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


def _positive(limit_s: float | None) -> float | None:
    if limit_s is not None and not limit_s > 0:
        raise MecsimError(f"--limit-s {limit_s:g}: must be above 0, in s")
    return limit_s


LimitOption = Annotated[
    float | None,
    typer.Option(
        "--limit-s",
        metavar="S",
        help="End a run that takes longer than this wall-clock time, in s; it has failed.",
        show_default=False,
        callback=_positive,
    ),
]


def read_scenario(scenario: str, changes: Iterable[str] | None) -> Scenario:
    """Return the scenario with the changes of ``--set``."""
    from mecsim.scenario.load import load_scenario

    loaded = load_scenario(scenario)
    values = parse_changes(changes or ())
    return loaded.with_changes(values) if values else loaded


def parse_changes(changes: Iterable[str], option: str = "--set") -> dict[str, Any]:
    """Return ``key=value`` strings as a mapping; a value is TOML, or else a string without quotes.

    Raises
    ------
    MecsimError
        If a string has no ``=``.
    """
    values = {}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise MecsimError(
                f"{option} {change}: must read KEY=VALUE, such as {option} servers.bandwidth_mhz=20"
            )
        values[key.strip()] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    if "\n" in text:
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text
