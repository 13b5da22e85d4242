"""``mecsim export``."""

from __future__ import annotations

from typing import Annotated

import typer

from mecsim.cli.console import print_json, print_text
from mecsim.cli.options import JsonOption, OutOption, QuietOption
from mecsim.cli.result_options import ResultsArgument
from mecsim.errors import MecsimError


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim export results/bandwidth --csv --out tables")(export)


def export(
    results: ResultsArgument,
    csv: Annotated[bool, typer.Option("--csv", help="One CSV file for each table.")] = False,
    mat: Annotated[bool, typer.Option("--mat", help="One MATLAB file with a struct for each table.")] = False,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the tables of one run or of a whole study for other programs.

    The folder --out, or RESULTS itself, gets a CSV file for each table, or results.mat. Every row
    starts with scenario, policy, seed and swept keys.
    """
    from mecsim.results.export import write_csv, write_mat
    from mecsim.results.load import load_results

    if not csv and not mat:
        raise MecsimError("export: give --csv or --mat, or both")
    loaded, folder = load_results(results), out or results
    files = [*(write_csv(loaded, folder) if csv else ()), *([write_mat(loaded, folder)] if mat else ())]
    if as_json:
        print_json({"files": [str(file) for file in files]})
    elif not quiet:
        print_text(*files)
