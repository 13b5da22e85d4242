"""``--dry-run``: what a command would run, and how long it would take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import print_json, print_table, print_text, say
from mecsim.cli.sweep_tables import work_time

if TYPE_CHECKING:
    from rich.table import Table

    from mecsim.study.run_status import RunStatus
    from mecsim.study.schedule import RunTimes

DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Run nothing; show what would be run and how long it takes.")
]


def show_plan(
    name: str,
    states: Sequence[RunStatus],
    folder: Path,
    jobs: int,
    *,
    swept: Sequence[str] = (),
    as_json: bool,
    quiet: bool,
) -> None:
    """Print the runs that are asked for, which of them are finished, and the time that the others take."""
    from mecsim.study.pool import worker_count
    from mecsim.study.probe import probe_unknown
    from mecsim.study.schedule import RunTimes

    known = RunTimes.of(states)
    waiting = [state.run for state in states if state.status != "finished"]
    say("measuring a second of each policy without a finished run", quiet=quiet or not waiting)
    probe_unknown(known, waiting)
    work, at_once = known.work(waiting), worker_count(jobs, max(len(waiting), 1))
    rows, finished = _rows(states, known), len(states) - len(waiting)
    if as_json:
        counts = {"runs": len(states), "finished": finished, "swept": list(swept), "jobs": at_once}
        times = {"work_s": work.wall_s, "wall_s": work.wall_s / at_once}
        print_json({"study": name, "folder": str(folder), **counts, **times, "plan": rows})
        return
    print_table(_table(rows, swept))
    print_text(f"{len(states)} runs, {finished} finished, in {folder}")
    told, about = work_time(work.wall_s, work.unknown), work_time(work.wall_s / at_once)
    print_text(f"left: {told} of work, about {about} with {at_once} at once")


def _table(rows: list[dict[str, Any]], swept_keys: Sequence[str]) -> Table:
    """Return the plan as a table to read."""
    from rich.table import Table

    table = Table("scenario", *swept_keys, "policy", "runs", "finished", "a run takes")
    for row in rows:
        swept = (str(row["swept"].get(key, "")) for key in swept_keys)
        counts = (str(row["runs"]), str(row["finished"]), work_time(row["wall_s"]))
        table.add_row(row["scenario"], *swept, row["policy"], *counts)
    return table


def _rows(states: Iterable[RunStatus], known: RunTimes) -> list[dict[str, Any]]:
    """Return what ``--dry-run`` prints for each scenario, grid point and policy."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for state in states:
        run = state.run
        row = rows.setdefault(
            (run.scenario_sha256, run.policy.label),
            {
                "scenario": run.scenario.name,
                "swept": dict(run.swept),
                "policy": run.policy.label,
                "runs": 0,
                "finished": 0,
                "wall_s": known.wall_s(run),
            },
        )
        row["runs"] += 1
        row["finished"] += state.status == "finished"
    return list(rows.values())
