"""``mecsim verify RESULTS``: what a look at every run of a folder found."""

from __future__ import annotations

from pathlib import Path

import typer

from mecsim.cli.console import RUN_FAILED, print_json, print_text, progress, say


def verify_folder(results: Path, rerun: int, *, quiet: bool, as_json: bool) -> None:
    """Check the runs of a folder, print what is wrong run by run, and end with 1 if anything is."""
    from mecsim.results.load import run_folders
    from mecsim.study.verify_results import verify_results

    count = len(run_folders(results))
    with progress("verify", max(count, 1), quiet=quiet) as tell:
        checks = verify_results(results, rerun, tell)
    bad = [check for check in checks if check.problems]
    repeated = [check for check in checks if check.rerun]
    if as_json:
        rows = [check._asdict() | {"folder": str(check.folder)} for check in checks]
        print_json({"passed": not bad, "runs": len(checks), "rerun": len(repeated), "checks": rows})
    else:
        told = f"{len(checks) - len(bad)} of {len(checks)} runs are what they say"
        same = {how: sum(check.rerun == how for check in repeated) for how in ("same bits", "same metrics")}
        again = ", ".join(f"{count} with the {how}" for how, count in same.items() if count)
        print_text(told + (f"; run again: {again}" if again else ""))
    for check in checks:
        for line in check.problems:
            say(f"{check.folder}: {line}")
        for line in check.remarks:
            say(f"{check.folder}: {line}", quiet=quiet)
    if bad:
        raise typer.Exit(RUN_FAILED)
