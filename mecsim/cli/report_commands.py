"""``mecsim report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mecsim.cli.console import print_text
from mecsim.cli.options import PluginOption, QuietOption
from mecsim.cli.result_options import MixOption, ResultsArgument


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim report results/campus-b158849a --out campus.html")(report)


def report(
    results: ResultsArgument,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Where to; RESULTS/report.html if left out.", show_default=False
        ),
    ] = None,
    setting: Annotated[
        int, typer.Option("--setting", min=0, help="Which of several scenarios to show in full.")
    ] = 0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Which world to replay.", show_default=False)
    ] = None,
    static: Annotated[
        bool, typer.Option("--static", help="Charts as pictures, also where plotly is there.")
    ] = False,
    mix: MixOption = False,
    plugins: PluginOption = None,
    quiet: QuietOption = False,
) -> None:
    """Write one HTML file about a results folder: verdict, charts, replay, rounds, energy, provenance.

    It opens without a network and can be mailed. run and compare write one too.
    """
    from mecsim.analysis.report.page import write_report

    file = write_report(
        results, out, setting=setting, seed=seed, interactive=False if static else None, mix=mix
    )
    print_text(file if quiet else f"report: {file}")
