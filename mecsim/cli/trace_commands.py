"""``mecsim trace info``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mecsim.cli.console import print_json, print_text, say
from mecsim.cli.options import JsonOption, QuietOption
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.world.traces.info import TraceInfo

FORMATS = ("csv", "sumo_fcd", "gpx")
COORDINATES = ("map", "geo")


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
        Path, typer.Argument(metavar="FILE", help="A CSV, SUMO FCD or GPX file.", show_default=False)
    ],
    file_format: Annotated[
        str, typer.Option("--format", help="csv, sumo_fcd or gpx; by suffix or content if left out.")
    ] = "",
    coordinates: Annotated[
        str, typer.Option("--coordinates", help="geo if the x and y of a SUMO file are degrees.")
    ] = "",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a trace file and say what it holds: users, times, extent, gaps, speeds."""
    from mecsim.messages import either
    from mecsim.world.traces.info import TraceInfo
    from mecsim.world.traces.read import load_trace

    for name, given, allowed in (
        ("--format", file_format, FORMATS),
        ("--coordinates", coordinates, COORDINATES),
    ):
        if given and given not in allowed:
            raise MecsimError(f"{name} {given}: must be {either(allowed)}")
    trace = load_trace(file, file_format or None, coordinates or None)  # type: ignore[arg-type]
    found = TraceInfo.of(trace)
    if as_json:
        print_json(asdict(found))
        return
    print_text(*_lines(str(file), found))
    if found.hint:
        say(f"{file}: {found.hint}", quiet=quiet)


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
