"""``mecsim run``, ``compare`` and ``demo``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import RUN_FAILED, output_width, print_json, print_table, progress, say
from mecsim.cli.live import LiveOption, watched
from mecsim.cli.options import (
    JobsOption,
    JsonOption,
    OutOption,
    PluginOption,
    PolicyOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.study.compare import Comparison

RESULTS = Path("results")
DEMO_POLICIES = "rucaa,gucaa,aauco,gucro,dashf"
DEMO_REPLICATIONS = 4

UntilOption = Annotated[
    list[str] | None,
    typer.Option(
        "--until",
        metavar="CLAIM",
        show_default=False,
        help="Add replications until this is decided, such as 'scr:dashf-gucaa ±2%'; may be repeated.",
    ),
]
MostOption = Annotated[int, typer.Option("--most", min=2, help="With --until: the most replications.")]
ReplicationsOption = Annotated[int, typer.Option("--replications", "-r", min=1, help="Runs of each policy.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    examples: dict[Callable[..., None], str] = {
        run: "mecsim run campus --policy gucaa --seed 1 --set servers.bandwidth_mhz=20",
        compare: "mecsim compare campus --policies 'gucaa,nearest,mine.py:Mine:alpha=0.5,beta=2' -r 10",
        demo: "mecsim demo --quiet",
    }
    for command, example in examples.items():
        app.command(epilog=f"Example: {example}")(command)


def run(
    scenario: ScenarioArgument,
    policy: PolicyOption = "nearest",
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    out: OutOption = None,
    live: LiveOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate one scenario under one policy and write the run's folder.

    The folder is --out, or results/RUN-ID. A finished run that is there already is shown instead of
    run again if nothing that its bits depend on has changed: scenario, policy, seed, code, packages,
    processor. Otherwise it is replaced when the new run is complete. A policy of your own is always run.
    report.html in the folder shows it all: charts, a replay, every round.
    """
    from mecsim.analysis.diagnostics import run_warnings
    from mecsim.cli.summaries import run_object, run_table
    from mecsim.results.store import claim
    from mecsim.study.plan import PolicyChoice, Run
    from mecsim.study.runner import execute, finished

    asked = Run(read_scenario(scenario, changes), PolicyChoice.of(policy), seed)
    asked.policy.make()
    folder = out or RESULTS / asked.run_id
    claim(folder, asked.run_id)
    results = finished(asked, folder)
    with watched(live, asked.run_id, asked.scenario.duration_s, folder) as watch:
        if results is not None:
            say(f"{folder} holds this very run; nothing was run again", quiet=quiet)
        else:
            with progress(asked.run_id, asked.scenario.duration_s, quiet=quiet) as tell:
                told = watch.both(tell)
                results = execute(asked, out=folder, on_progress=lambda done_s: told(done_s, ""))
        report = watch.write_report(quiet=quiet)
    if as_json:
        print_json(run_object(results, folder) | {"warnings": run_warnings(results)})
    else:
        print_table(run_table(results, folder))
        for line in run_warnings(results):
            typer.echo(f"warning: {line}")
        typer.echo(f"report: {report}")


def compare(
    scenario: ScenarioArgument,
    policies: Annotated[
        str,
        typer.Option(
            "--policies",
            "-p",
            metavar="A,B,C",
            show_default=False,
            help="Policies separated by commas; a comma before key= stays within one policy.",
        ),
    ],
    replications: ReplicationsOption = 10,
    until: UntilOption = None,
    most: MostOption = 200,
    jobs: JobsOption = -1,
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    out: OutOption = None,
    live: LiveOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare policies on the same worlds: intervals, paired differences to the first policy, a figure.

    Replication k has seed --seed + k under every policy. The folder --out, or
    results/SCENARIO-HASH, gets one folder a run, comparison.csv, per_run.csv, paired.csv, comparison.png,
    comparison.pdf and report.html. Finished runs that are there already are used again if nothing that
    their bits depend on has changed, so an interrupted comparison goes on where it stopped, and a further
    policy costs only its own runs. Policies of your own are always run.

    With --until, --replications is how many there are at the first look; then half as many more each
    time until the interval of METRIC, POLICY against REFERENCE, says better, worse, or equivalent
    within the margin, or there are --most. The looks share an error of 5 %.
    """  # fmt: skip
    _compare(
        read_scenario(scenario, changes), policies, replications, jobs, seed, out, quiet, as_json,
        until, most, live,
    )  # fmt: skip


def demo(
    jobs: JobsOption = -1,
    replications: ReplicationsOption = DEMO_REPLICATIONS,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare five policies over two simulated hours of ten people walking on a campus; about a minute."""
    say(
        "mecsim demo: five policies, the same two hours on a campus, every replication another world",
        quiet=quiet,
    )
    _compare(read_scenario("campus", None), DEMO_POLICIES, replications, jobs, 0, out, quiet, as_json)


def _compare(
    scenario: Scenario,
    policies: str,
    replications: int,
    jobs: int,
    seed: int,
    out: Path | None,
    quiet: bool,
    as_json: bool,
    until: list[str] | None = None,
    most: int = 0,
    live: bool = False,
) -> None:
    from mecsim.analysis.diagnostics import study_warnings
    from mecsim.cli.summaries import comparison_object, comparison_table
    from mecsim.study.compare import compare as compare_policies
    from mecsim.study.plan import choose_policies, split_policies
    from mecsim.study.until import compare_until

    choices = choose_policies(split_policies(policies))
    folder = out or RESULTS / f"{scenario.name}-{scenario.sha256[:8]}"
    title = f"{scenario.name}: {len(choices)} policies x {replications}"
    total, labels = len(choices) * replications, [choice.label for choice in choices]
    with (
        watched(live, title, total, folder, labels) as watch,
        progress(title, total, quiet=quiet) as tell,
        warnings.catch_warnings(),
    ):
        # Failed runs are named at the end.
        warnings.simplefilter("ignore", RuntimeWarning)
        options: dict[str, Any] = {"seed": seed, "jobs": jobs, "out": folder}
        told = watch.both(tell)
        options["on_progress"] = lambda done, of, message: told(done * total / of, message)
        decided = compare_until(scenario, choices, until, replications, most, **options) if until else None
        comparison = (
            decided.comparison if decided else compare_policies(scenario, choices, replications, **options)
        )
        files = comparison.save(folder)
        report = watch.write_report(quiet=quiet)
    warned = study_warnings(comparison)
    if as_json:
        verdicts = {"until": [asdict(verdict) for verdict in decided.verdicts]} if decided else {}
        print_json(comparison_object(comparison, files) | {"warnings": warned} | verdicts)
    else:
        print_table(comparison_table(comparison, narrow=output_width() < 110))
        told_first = [*(decided.lines if decided else ()), *(f"warning: {line}" for line in warned)]
        for line in [*told_first, *_afterwards(comparison, files)]:
            typer.echo(line)
        typer.echo(f"report: {report}")
    _name_failures(comparison)


def _afterwards(comparison: Comparison, files: list[Path]) -> list[str]:
    reused, replaced = (sum(o.origin == kind for o in comparison.outcomes) for kind in ("reused", "replaced"))
    lines = [f"note: {note}" for note in comparison.notes]
    if reused:
        lines.append(f"{reused} finished runs were there already and used again")
    if replaced:
        lines.append(
            f"{replaced} finished runs of other code, packages or policies were run again and replaced"
        )
    lines.append(f"runs:   {comparison.out}")
    lines.append(f"tables: {', '.join(str(file) for file in files if file.suffix == '.csv')}")
    lines.append(f"figure: {', '.join(str(file) for file in files if file.suffix != '.csv')}")
    return lines


def _name_failures(comparison: Comparison) -> None:
    if not comparison.failures:
        return
    total = len(comparison.outcomes)
    say(f"{len(comparison.failures)} of {total} runs failed and are missing above:")
    for outcome in comparison.failures:
        say(f"  {outcome.run_id}: {outcome.error}")
    say(f"tracebacks: {comparison.out}/failed-*.txt")
    raise typer.Exit(RUN_FAILED)
