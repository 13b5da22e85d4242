"""``mecsim verify``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import RUN_FAILED, print_json, print_table, print_text, progress, say
from mecsim.cli.options import JobsOption, JsonOption, QuietOption
from mecsim.cli.result_options import RESULTS
from mecsim.errors import MecsimError
from mecsim.messages import counted

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.testing.verification.finding import Setting
    from mecsim.testing.verification.suite import Row

FOLDER = RESULTS / "verification"

OnlyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        show_default=False,
        help="A group (channel, mobility, queues, optimisers, engine, determinism) or the beginning "
        "of a check's name; may be repeated, or be several with commas.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim verify --only channel --mutants")(verify)


def verify(
    results: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RESULTS]",
            show_default=False,
            help="Check this run folder, or every run in this folder, in place of the installation.",
        ),
    ] = None,
    rerun: Annotated[
        int, typer.Option("--rerun", min=0, metavar="N", help="Of RESULTS: run N of them again, and compare.")
    ] = 0,
    only: OnlyOption = None,
    full: Annotated[bool, typer.Option("--full", help="Four times the samples, and every golden.")] = False,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Also put each check's bug in: it must be rejected.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Other samples than the usual ones.")] = 0,
    jobs: JobsOption = -1,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write.")] = FOLDER,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check this installation, or with RESULTS the runs of a folder.

    The installation is checked against closed forms, exact laws and its own goldens, in about half a minute;
    quantile plots, autocorrelations and the table (verification.json) go to --out. Exit code 1 if a check
    fails, or if a bug that --mutants puts in is not rejected.

    Of RESULTS, hashes, digests, derived tables, metrics and notes are computed again from the tables, which
    must also keep the laws of every run: sums, orders, budgets. --rerun repeats runs of policies that ship
    with mecsim, bit for bit. Exit code 1 if a run is not what it says.
    """
    from mecsim.cli.run_checks import verify_folder

    if results is not None:
        if only or full or mutants or seed:
            raise MecsimError("verify RESULTS: takes none of --only, --full, --mutants and --seed")
        verify_folder(results, rerun, quiet=quiet, as_json=as_json)
        return
    if rerun:
        raise MecsimError("--rerun: needs RESULTS, a folder of runs")
    from mecsim.testing.verification.finding import Setting
    from mecsim.testing.verification.suite import FULL_SIZE

    setting = Setting(seed, FULL_SIZE if full else 1)
    _verify_installation(only, setting, jobs, out, mutants=mutants, quiet=quiet, as_json=as_json)


def _verify_installation(
    only: list[str] | None,
    setting: Setting,
    jobs: int,
    out: Path,
    *,
    mutants: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the checks, show what they found, and end with 1 if one fails."""
    from mecsim.testing.verification.in_processes import verify_in_processes
    from mecsim.testing.verification.suite import chosen

    checks = chosen([name.strip() for names in only or () for name in names.split(",") if name.strip()])
    with progress("verify", len(checks), quiet=quiet) as tell:
        rows = verify_in_processes(checks, setting, jobs, mutants=mutants, on_progress=tell)
    _show(rows, setting, out, mutants=mutants, as_json=as_json)
    bad = [row for row in rows if not row.fine]
    for row in bad:
        say(f"{row.check.name}: {row.error or _complaint(row)}")
    if bad:
        raise typer.Exit(RUN_FAILED)


def _show(rows: Sequence[Row], setting: Setting, out: Path, *, mutants: bool, as_json: bool) -> None:
    """Write the findings to a folder and print them."""
    import json

    from mecsim.testing.verification.figures import save_figures

    report = _report(rows)
    out.mkdir(parents=True, exist_ok=True)
    files = [out / "verification.json", *save_figures(rows, setting, out)]
    files[0].write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        print_table(_table(rows, mutants=mutants))
        print_text(*_summary(rows, mutants=mutants).split("\n"))
        print_text(f"files: {', '.join(str(file) for file in files)}")


def _report(rows: Sequence[Row]) -> dict[str, Any]:
    from mecsim.results.provenance import environment
    from mecsim.testing.verification.suite import level

    return {
        "passed": all(row.fine for row in rows),
        "false_alarm_at_most": level(rows),
        "checks": [_row_object(row) for row in rows],
        "environment": environment(),
    }


def _row_object(row: Row) -> dict[str, Any]:
    finding = row.finding
    numbers = {"expected": finding.expected, "got": finding.got}
    shown: dict[str, Any] = {
        "check": row.check.name,
        "group": row.check.group,
        "says": row.check.says,
        **{name: value if value == value else None for name, value in numbers.items()},
        "interval": None if row.error else [finding.low, finding.high],
        "verdict": "pass" if row.passed else "FAIL",
        "mutant": row.check.mutant,
        "seconds": round(row.seconds, 3),
    }
    if row.error:
        shown["error"] = row.error
    if row.mutant is not None:
        finite = row.mutant.got == row.mutant.got and abs(row.mutant.got) != float("inf")
        shown["mutant_got"] = row.mutant.got if finite else None
        shown["mutant_verdict"] = "rejected" if row.rejected else "NOT REJECTED"
    return shown


def _table(rows: Sequence[Row], *, mutants: bool) -> Table:
    from rich.table import Table

    table = Table("check", "what", "expected", "got", "interval", "verdict")
    if mutants:
        table.add_column("with the bug")
        table.add_column("got")
        table.add_column("verdict")
    group = ""
    for row in rows:
        if row.check.group != group and group:
            table.add_section()
        group, finding = row.check.group, row.finding
        cells = [row.check.name, row.check.says]
        cells += [f"{finding.expected:.9g}", f"{finding.got:.9g}"]
        cells += [f"{finding.low:.6g} to {finding.high:.6g}", "pass" if row.passed else "FAIL"]
        if row.mutant is not None:
            verdict = "rejected" if row.rejected else "NOT REJECTED"
            cells += [row.check.mutant, f"{row.mutant.got:.6g}", verdict]
        table.add_row(*cells)
    return table


def _summary(rows: Sequence[Row], *, mutants: bool) -> str:
    from mecsim.testing.verification.suite import level

    drawn = sum(row.finding.chance > 0 for row in rows)
    passed = sum(row.passed for row in rows)
    text = f"{passed} of {len(rows)} checks passed in {sum(row.seconds for row in rows):.0f} s"
    if mutants:
        text += f"; {sum(bool(row.rejected) for row in rows)} of {len(rows)} bugs were rejected"
    if drawn:
        text += (
            f"\n{counted(drawn, 'verdict')} by statistics: a right simulator fails one for an unlucky seed "
            f"with a probability below {level(rows):.1g}"
        )
    return text


def _complaint(row: Row) -> str:
    if not row.passed:
        f = row.finding
        return f"got {f.got:.9g}, must be {f.low:.9g} to {f.high:.9g} ({row.check.says})"
    why = f" ({row.mutant_error})" if row.mutant_error else ""
    return f"the bug was not rejected: {row.check.mutant}{why}"
