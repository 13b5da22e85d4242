"""``mecsim sweep``."""

from __future__ import annotations

import shlex
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import RUN_FAILED, print_json, print_table, print_text, progress, say
from mecsim.cli.dry_run import DryRunOption, show_plan
from mecsim.cli.live import LiveOption, monitored
from mecsim.cli.options import (
    JobsOption,
    JsonOption,
    LimitOption,
    OutOption,
    PluginOption,
    QuietOption,
    SetOption,
    parse_changes,
)
from mecsim.cli.sweep_tables import means_table, sweep_object, work_time
from mecsim.errors import MecsimError, RunFailed

if TYPE_CHECKING:
    from mecsim.study.spec import Study
    from mecsim.study.sweep import Sweep

_MOST_LINES = 20

StudyArgument = Annotated[
    Path, typer.Argument(metavar="STUDY.toml", help="A study file: docs/studies.md.", show_default=False)
]
ExecutorOption = Annotated[
    str, typer.Option("--executor", metavar="local|dask", help="Where the runs are computed.")
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Address of a dask scheduler, such as tcp://node1:8786.",
        show_default=False,
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option("--shard", metavar="i/n", help="Only the i-th of n parts, from 1.", show_default=False),
]
LocalPoliciesOption = Annotated[
    bool,
    typer.Option(
        "--allow-local-policies",
        help="Run policies that the study names as file.py:Class or package.module:Class. Read them first.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim sweep bandwidth.toml --dry-run")(sweep)


def sweep(
    file: StudyArgument,
    jobs: JobsOption = -1,
    executor: ExecutorOption = "local",
    scheduler: SchedulerOption = None,
    shard: ShardOption = None,
    dry_run: DryRunOption = False,
    status: Annotated[bool, typer.Option("--status", help="Run nothing; show what is done.")] = False,
    changes: SetOption = None,
    plugins: PluginOption = None,
    allow_local_policies: LocalPoliciesOption = False,
    limit_s: LimitOption = None,
    out: OutOption = None,
    live: LiveOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run a study: a grid over scenario keys x policies x replications; resumes where it stopped.

    The folder --out, or results/NAME, gets one folder a run, runs.csv with the metrics of each, and
    failed-RUN.txt with the traceback of what failed, also when tried again. Finished runs of the same
    scenario, policy, seed, code and packages are never run twice. --set changes a key of every scenario,
    --limit-s replaces the study's limit_s.
    """
    from mecsim.study.record import refuse_other_changes
    from mecsim.study.shard import parse_shard
    from mecsim.study.spec import load_study
    from mecsim.study.sweep import RESULTS

    study = load_study(file, parse_changes(changes or ()), limit_s, allow_local_policies=allow_local_policies)
    part = None if shard is None else parse_shard(shard)
    _check_executor(executor, scheduler)
    folder = out or RESULTS / study.name
    refuse_other_changes(study, folder, file)
    if status:
        _status(study, folder, as_json)
    elif dry_run:
        _plan(study, folder, part, jobs, as_json, quiet)
    else:
        given = {"executor": executor, "scheduler": scheduler, "shard": shard, "set": changes,
            "plugin": plugins, "allow_local_policies": allow_local_policies, "limit_s": limit_s}  # fmt: skip
        with _resumable(_command(file, **given, out=folder)):
            _run(study, folder, part, jobs, scheduler, live, as_json, quiet)


@contextmanager
def _warnings_said() -> Iterator[None]:
    """Say what the study warns of, such as that it waits for workers, in one line of its own."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def said(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if category is UserWarning:
                say(f"note: {message}")
            else:
                show(message, category, *place, **more)

        warnings.showwarning = said
        yield


@contextmanager
def _resumable(command: str) -> Iterator[None]:
    try:
        yield
    except RunFailed as error:
        raise RunFailed(f"{error}: {command}") from error


def _check_executor(executor: str, scheduler: str | None) -> None:
    if executor not in ("local", "dask"):
        raise MecsimError(f"--executor {executor}: must be local or dask")
    if (executor == "dask") != (scheduler is not None):
        raise MecsimError("--executor dask and --scheduler ADDRESS go together")


def _command(file: Path, **options: object) -> str:
    """Return the command with the options that were given."""
    words = ["mecsim", "sweep", str(file)]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words += [option] * value
        elif value is not None:
            words += [
                word
                for each in (value if isinstance(value, list) else [value])
                for word in (option, str(each))
            ]
    return shlex.join(words)


def _run(
    study: Study,
    folder: Path,
    part: tuple[int, int] | None,
    jobs: int,
    scheduler: str | None,
    live: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from mecsim.study.run_status import statuses, table
    from mecsim.study.sweep import TABLE
    from mecsim.study.sweep import sweep as run_study

    size = len(study.runs)
    policies = list(dict.fromkeys(run.policy.label for run in study.runs))
    with (
        monitored(live, study.name, size, folder, policies) as monitor,
        progress(study.name, size, quiet=quiet) as update,
        _warnings_said(),
    ):
        show = monitor.forward(update)
        done = run_study(
            study, out=folder, jobs=jobs, scheduler=scheduler, shard=part,
            on_progress=lambda count, total, message: show(count * size / total, message),
        )  # fmt: skip
        report = monitor.write_report(quiet=quiet)
    frame = table(statuses(study.runs, done.folder))
    if as_json:
        print_json(sweep_object(done, frame))
    else:
        print_table(means_table(frame, study))
        print_text(", ".join(f"{count} {origin}" for origin, count in done.origins.items()) + " runs")
        finished = int(frame["state"].eq("finished").sum())
        if part is not None and finished < size:
            print_text(f"{finished} of the study's {size} runs are finished: table and report are of these")
        print_text(f"runs:  {done.folder}", f"table: {done.folder / TABLE}", f"report: {report}")
    for path in done.damaged:
        say(f"a damaged run was moved to {path} and run again", quiet=quiet)
    _name_failures(done)


def _name_failures(done: Sweep) -> None:
    if not done.failures:
        return
    say(f"{len(done.failures)} of {len(done.outcomes)} runs failed:")
    for outcome in done.failures[:_MOST_LINES]:
        say(f"  {outcome.run_id}: {outcome.error}")
    say(f"tracebacks: {done.folder}/failed-*.txt; the same command tries them again")
    raise typer.Exit(RUN_FAILED)


def _status(study: Study, folder: Path, as_json: bool) -> None:
    from mecsim.results.lock import holders
    from mecsim.study.run_status import STATUSES, statuses
    from mecsim.study.schedule import RunTimes

    states = statuses(study.runs, folder)
    counts = Counter(state.status for state in states)
    left = RunTimes.of(states).work(state.run for state in states if state.status != "finished")
    at_work = [str(holder) for holder in holders(folder)]
    failed = {s.run.run_id: s.why for s in states if s.status in ("failed", "damaged")}
    if as_json:
        print_json(
            {
                "study": study.name,
                "folder": str(folder),
                "runs": len(states),
                **{kind: counts[kind] for kind in STATUSES},
                "at_work": at_work,
                "left_wall_s": left.wall_s,
                "left_unknown": left.unknown,
                "failures": [{"run_id": run_id, "error": why} for run_id, why in failed.items()],
            }
        )
        return
    told = ", ".join(f"{counts[kind]} {kind}" for kind in STATUSES if counts[kind])
    print_text(f"{study.name}: {len(states)} runs in {folder}: {told}")
    print_text(f"at work: {'; '.join(at_work) or 'no process'}")
    print_text(f"left: {work_time(left.wall_s, left.unknown)}")
    for run_id, why in list(failed.items())[:_MOST_LINES]:
        print_text(f"  {run_id}: {why}")


def _plan(
    study: Study, folder: Path, part: tuple[int, int] | None, jobs: int, as_json: bool, quiet: bool
) -> None:
    from mecsim.study.run_status import statuses
    from mecsim.study.sweep import part as part_of

    states = statuses(part_of(study.runs, part), folder)
    show_plan(study.name, states, folder, jobs, swept=study.swept, as_json=as_json, quiet=quiet)
