"""``mecsim paper``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mecsim.cli.console import print_json, print_table, print_text, progress
from mecsim.cli.options import JobsOption, JsonOption, OutOption, QuietOption
from mecsim.cli.result_options import RESULTS

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.study.paper import Reproduction

_OUT = RESULTS / "paper"
_QUICK_SEEDS = 3


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim paper --out results/paper --seeds 20")(paper)


def paper(
    out: OutOption = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Worlds for each setting.")] = 20,
    jobs: JobsOption = -1,
    quick: Annotated[bool, typer.Option("--quick", help=f"At most {_QUICK_SEEDS} seeds.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Reproduce the figures of Qian and Zhao and judge each statement of the paper by them.

    Convergence (figure 2), policies (3a), bandwidth (3b), weights (3c), on static snapshots. The
    folder --out, or results/paper, gets each figure as PNG and PDF, its numbers as CSV, and paper.md;
    its folder decisions one file for each decision, none of which is made twice: killed and started
    again, or with more seeds, the command goes on where it was.
    """
    from mecsim.study.paper import reproduce

    count = min(seeds, _QUICK_SEEDS) if quick else seeds
    with progress("paper", 1.0, quiet=quiet) as update:
        found = reproduce(
            out or _OUT, count, jobs=jobs,
            on_progress=lambda done, total, message: update(done / total, message),
        )  # fmt: skip
    if as_json:
        print_json(
            {
                "page": str(found.page),
                "files": [str(file) for file in found.files],
                "seeds": found.seeds,
                "decisions": found.origins,
                "claims": [dict(zip(claim._fields, claim.row, strict=False)) for claim in found.claims],
            }
        )
        return
    print_table(_claims_table(found))
    print_text(", ".join(f"{count} {origin}" for origin, count in found.origins.items()) + " decisions")
    print_text(f"page:    {found.page}")
    print_text(f"figures: {', '.join(str(file) for file in found.files if file.suffix == '.png')}")


def _claims_table(found: Reproduction) -> Table:
    from rich.table import Table

    table = Table("figure", "the paper says", "ours", "verdict", show_lines=True)
    table.title = (
        f"{found.seeds} seeds; means with 95 % intervals that hold together within a row; verdicts by Holm's "
        "rule over all rows"
    )
    for claim in found.claims:
        table.add_row(*claim.row)
    return table
