"""``mecsim trace info``, ``convert`` and ``export``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_text, say, writing
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
from mecsim.messages import counted, either

if TYPE_CHECKING:
    from mecsim.world.traces.formats import HowToRead
    from mecsim.world.traces.info import TraceInfo
    from mecsim.world.traces.trace import Trace

FORMATS = ("csv", "parquet", "sumo_fcd", "gpx", "bonnmotion", "ns2", "one")
COORDINATES = ("map", "geo")
ROLES = ("time", "user", "x", "y", "lat", "lon")


FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A file of recorded movements.", show_default=False)
]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="File to write.", show_default=False)]
ToOption = Annotated[str, typer.Option("--to", help="Format of OUT; by its suffix if left out.")]
FormatOption = Annotated[
    str,
    typer.Option("--format", help="csv, parquet, sumo_fcd, gpx, bonnmotion, ns2 or one."),
]
CoordinatesOption = Annotated[
    str, typer.Option("--coordinates", help="geo if the x and y of a SUMO file are degrees.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="Column of a table, such as user=CellID."),
]
SeparatorOption = Annotated[str, typer.Option("--separator", help="',', ';', tab or space.")]
DecimalOption = Annotated[str, typer.Option("--decimal", help="Decimal sign of a CSV file.")]
TimeUnitOption = Annotated[str, typer.Option("--time-unit", help="s, ms, us, min or h.")]
TimeFormatOption = Annotated[str, typer.Option("--time-format", help="Times as strptime reads them.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    trace = typer.Typer(help="Recorded movements of users.", no_args_is_help=True)
    trace.callback()(_group)
    trace.command(epilog="Example: mecsim trace info town.fcd.xml.gz")(info)
    trace.command(epilog="Example: mecsim trace convert town.fcd.xml.gz town.ns_movements")(convert)
    trace.command(epilog="Example: mecsim trace export campus campus.ns_movements --seed 3")(export)
    app.add_typer(trace, name="trace", epilog="Example: mecsim trace info town.fcd.xml.gz")


def _group() -> None:
    """Look into recorded movements of users, and write them for other programs."""


def info(
    file: FileArgument,
    file_format: FormatOption = "",
    coordinates: CoordinatesOption = "",
    columns: ColumnOption = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    time_unit: TimeUnitOption = "",
    time_format: TimeFormatOption = "",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a trace file and say what it holds: users, times, extent, gaps, speeds."""
    from mecsim.world.traces.info import TraceInfo
    from mecsim.world.traces.read import load_trace

    how = how_to_read(file_format, coordinates, columns, separator, decimal, time_unit, time_format)
    trace = load_trace(file, how=how)
    found = TraceInfo.of(trace)
    if as_json:
        print_json(asdict(found))
        return
    print_text(*_lines(str(file), found))
    if found.hint:
        say(f"{file}: {found.hint}", quiet=quiet)


def convert(
    file: FileArgument,
    out: OutArgument,
    to: ToOption = "",
    origin: Annotated[
        str, typer.Option("--origin", metavar="LAT,LON", help="Point (0, 0) where degrees become metres.")
    ] = "",
    file_format: FormatOption = "",
    coordinates: CoordinatesOption = "",
    columns: ColumnOption = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    time_unit: TimeUnitOption = "",
    time_format: TimeFormatOption = "",
    quiet: QuietOption = False,
) -> None:
    """Write a trace file in another format: CSV, Parquet, SUMO FCD, GPX, BonnMotion, ns-2, ONE."""
    from mecsim.world.traces.read import load_trace

    how = how_to_read(file_format, coordinates, columns, separator, decimal, time_unit, time_format)
    _write(load_trace(file, how=how), out, to, _origin(origin), quiet=quiet)


def export(
    scenario: ScenarioArgument,
    out: OutArgument,
    changes: SetOption = None,
    plugins: PluginOption = None,
    seed: SeedOption = 0,
    to: ToOption = "",
    step_s: Annotated[
        float | None,
        typer.Option("--step", metavar="S", help="Time between samples; one at each turn if left out."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Write the ways of the users of a scenario in one world, so that other simulators replay them."""
    from mecsim.world.traces.export import trace_of
    from mecsim.world.world import World

    if step_s is not None and not 1e-6 <= step_s <= 1e9:
        raise MecsimError(f"--step {step_s:g}: must be from 1e-06 to 1e+09, in s")
    _write(trace_of(World(read_scenario(scenario, changes), seed), step_s), out, to, None, quiet=quiet)


def _write(trace: Trace, out: Path, to: str, origin: tuple[float, float] | None, *, quiet: bool) -> None:
    from mecsim.results.files import write_file
    from mecsim.world.traces.writers import format_to_write, trace_bytes

    name = str(out)
    file_format = format_to_write(name, one_of("--to", to, FORMATS))
    content, lost = trace_bytes(trace, name, file_format, origin)
    with writing(out):
        write_file(out, content)
    size = f"{counted(trace.user_count, 'user')}, {counted(len(trace.time_s), 'sample')}"
    say(f"{out}: {size} as {file_format}", quiet=quiet)
    for line in lost:
        say(f"{out}: {line}", quiet=quiet)


def _origin(text: str) -> tuple[float, float] | None:
    """Return the latitude and longitude in an option, None for an empty one."""
    if not text:
        return None
    try:
        lat, lon = map(float, text.split(","))
    except ValueError:
        lat = lon = math.nan
    if not (-89.0 <= lat <= 89.0 and -180.0 <= lon <= 180.0):
        raise MecsimError(f"--origin {text}: must be LATITUDE,LONGITUDE from -89 to 89 and -180 to 180")
    return lat, lon


def how_to_read(
    file_format: str,
    coordinates: str,
    columns: list[str] | None,
    separator: str,
    decimal: str,
    time_unit: str,
    time_format: str,
) -> HowToRead:
    """Return what the options of a command say about reading a trace."""
    from mecsim.world.traces.formats import HowToRead

    return HowToRead(
        format=one_of("--format", file_format, FORMATS),
        coordinates=one_of("--coordinates", coordinates, COORDINATES),
        columns=tuple(map(_column, columns or ())),
        separator=one_of("--separator", separator, (",", ";", "tab", "space")),
        decimal=one_of("--decimal", decimal, (".", ",")),
        time_unit=one_of("--time-unit", time_unit, ("s", "ms", "us", "min", "h")),
        time_format=time_format or None,
    )


def one_of(option: str, given: str, allowed: tuple[str, ...]) -> Any:
    """Return one of some words, None for an empty one; others are refused."""
    if given and given not in allowed:
        raise MecsimError(f"{option} {given}: must be {either(allowed)}")
    return given or None


def _column(text: str) -> Any:
    """Return a role and its column: a name, or a number in a file without a header."""
    role, _, name = text.partition("=")
    if role not in ROLES or not name or name == "0":
        raise MecsimError(f"--column {text}: must be ROLE=NAME or ROLE=NUMBER from 1, ROLE {either(ROLES)}")
    return role, int(name) if name.isdecimal() and name.isascii() and len(name) < 5 else name


def _lines(file: str, found: TraceInfo) -> list[str]:
    corner = f"({found.corner_m[0]:.6g}, {found.corner_m[1]:.6g}) m"
    if found.corner_deg is not None:
        corner = f"latitude {found.corner_deg[0]:.6f}, longitude {found.corner_deg[1]:.6f}"
    mean_mps, highest_mps = found.speed_mps
    rows = {
        "users": f"{found.users}, at most {found.most_present} at once",
        "samples": f"{found.samples}, every {found.step_s[0]:.6g} s at the median",
        "time": f"{found.first_s:.12g} to {found.last_s:.12g} s, {found.last_s - found.first_s:.6g} s in all",
        "stay": "{:.6g} s at least, {:.6g} s at the median, {:.6g} s at most".format(*found.stay_s),
        "extent": f"{found.size_m[0]:.6g} m x {found.size_m[1]:.6g} m from {corner}",
        "longest gap": f"{found.step_s[1]:.6g} s ({found.longest_gap_user or 'one sample only'})",
        "speed": f"{mean_mps:.3f} m/s on average, at most {highest_mps:.3f} ({found.fastest_user or 'none'})",
        "way": f"{found.way_m:.6g} m, all users together",
    }
    for name, lines in (("read", found.notes), ("a run refuses", found.refused)):
        if lines:
            rows[name] = "; ".join(lines)
    width = max(map(len, rows))
    return [f"{file}:", *(f"  {name:<{width}}  {text}" for name, text in rows.items())]
