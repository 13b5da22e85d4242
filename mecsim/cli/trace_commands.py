"""``mecsim trace info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_text, say
from mecsim.cli.options import JsonOption, QuietOption
from mecsim.errors import MecsimError
from mecsim.messages import either

if TYPE_CHECKING:
    from mecsim.world.traces.info import TraceInfo

FORMATS = ("csv", "parquet", "sumo_fcd", "gpx")
COORDINATES = ("map", "geo")
ROLES = ("time", "user", "x", "y", "lat", "lon")


FormatOption = Annotated[
    str, typer.Option("--format", help="csv, parquet, sumo_fcd or gpx; by suffix or content if left out.")
]
ColumnOption = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="ROLE=NAME", help="Column of a CSV file, such as user=CellID."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    trace = typer.Typer(help="Recorded movements of users.", no_args_is_help=True)
    trace.callback()(_group)
    trace.command(epilog="Example: mecsim trace info town.fcd.xml.gz")(info)
    app.add_typer(trace, name="trace", epilog="Example: mecsim trace info town.fcd.xml.gz")


def _group() -> None:
    """Look into recorded movements of users."""


def info(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV, Parquet, SUMO FCD or GPX file.", show_default=False)
    ],
    file_format: FormatOption = "",
    coordinates: Annotated[
        str, typer.Option("--coordinates", help="geo if the x and y of a SUMO file are degrees.")
    ] = "",
    columns: ColumnOption = None,
    separator: Annotated[str, typer.Option("--separator", help="',', ';', tab or space.")] = "",
    decimal: Annotated[str, typer.Option("--decimal", help="Decimal sign of a CSV file.")] = "",
    time_unit: Annotated[str, typer.Option("--time-unit", help="s, ms, us, min or h.")] = "",
    time_format: Annotated[str, typer.Option("--time-format", help="Times as strptime reads them.")] = "",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a trace file and say what it holds: users, times, extent, gaps, speeds."""
    from mecsim.world.traces.formats import HowToRead
    from mecsim.world.traces.info import TraceInfo
    from mecsim.world.traces.read import load_trace

    how = HowToRead(
        format=_one_of("--format", file_format, FORMATS),
        coordinates=_one_of("--coordinates", coordinates, COORDINATES),
        columns=tuple(map(_column, columns or ())),
        separator=_one_of("--separator", separator, (",", ";", "tab", "space")),
        decimal=_one_of("--decimal", decimal, (".", ",")),
        time_unit=_one_of("--time-unit", time_unit, ("s", "ms", "us", "min", "h")),
        time_format=time_format or None,
    )
    trace = load_trace(file, how=how)
    found = TraceInfo.of(trace)
    if as_json:
        print_json(asdict(found))
        return
    print_text(*_lines(str(file), found))
    if found.hint:
        say(f"{file}: {found.hint}", quiet=quiet)


def _one_of(option: str, given: str, allowed: tuple[str, ...]) -> Any:
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
