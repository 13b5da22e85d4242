"""``mecsim run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mecsim.cli.console import print_json, print_table, print_text, progress, say
from mecsim.cli.dry_run import DryRunOption, show_plan
from mecsim.cli.live import LiveOption, monitored
from mecsim.cli.options import (
    JsonOption,
    LimitOption,
    OutOption,
    PluginOption,
    PolicyOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.cli.result_options import RESULTS

if TYPE_CHECKING:
    from mecsim.results.result import Results
    from mecsim.study.plan import Run
    from mecsim.study.run_status import RunStatus


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim run campus --policy gucaa --seed 1 --set servers.bandwidth_mhz=20")(
        run
    )


def run(
    scenario: ScenarioArgument,
    policy: PolicyOption = "nearest",
    seed: SeedOption = 0,
    changes: SetOption = None,
    plugins: PluginOption = None,
    limit_s: LimitOption = None,
    out: OutOption = None,
    dry_run: DryRunOption = False,
    live: LiveOption = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Simulate one scenario under one policy and write the run's folder.

    The folder is --out, or results/RUN-ID. A finished run that is there already is shown instead of
    run again if nothing that its bits depend on has changed: scenario, policy, seed, code, packages,
    processor. Otherwise it is replaced when the new run is complete. A policy of your own is always run,
    in a process of its own; to step through it with a debugger, call mecsim.simulate from Python.
    report.html in the folder shows it all: charts, a replay, every round.
    """
    from mecsim.analysis.plausibility import degrees_doubts
    from mecsim.results.store import claim
    from mecsim.study.plan import Run
    from mecsim.study.policy_choice import choose_policies
    from mecsim.study.runner import finished
    from mecsim.study.worker import results_of

    loaded = read_scenario(scenario, changes)
    for doubt in degrees_doubts(loaded):
        say(f"warning: {doubt}", quiet=quiet)
    asked = Run(loaded, choose_policies([policy], limit_s=limit_s)[0], seed)
    folder = out or RESULTS / asked.run_id
    if dry_run:
        show_plan(loaded.name, [state_of(asked, folder)], folder, 1, as_json=as_json, quiet=quiet)
        return
    claim(folder, asked.run_id)
    results = finished(asked, folder)
    with monitored(live, asked.run_id, asked.scenario.duration_s, folder) as monitor:
        if results is not None:
            say(f"{folder} holds this very run; nothing was run again", quiet=quiet)
        else:
            with progress(asked.run_id, asked.scenario.duration_s, quiet=quiet) as update:
                show = monitor.forward(update)
                results = results_of(asked, folder, limit_s, lambda done_s: show(done_s, ""))
        report = monitor.write_report(quiet=quiet)
    _show(results, folder, report, as_json=as_json)


def state_of(run: Run, folder: Path) -> RunStatus:
    """Return whether a run need not be computed again, as ``run`` and ``compare`` see it."""
    from mecsim.study.run_status import run_status

    return run_status(run, folder, exact=True)


def _show(results: Results, folder: Path, report: Path | None, *, as_json: bool) -> None:
    from mecsim.analysis.diagnostics import run_warnings
    from mecsim.cli.summaries import run_object, run_table

    if as_json:
        print_json(run_object(results, folder) | {"warnings": run_warnings(results)})
        return
    print_table(run_table(results, folder))
    for line in run_warnings(results):
        print_text(f"warning: {line}")
    if report is not None:
        print_text(f"report: {report}")
