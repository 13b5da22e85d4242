"""``mecsim tune``."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.cli.console import name_failures, output_width, print_json, print_table, print_text, progress
from mecsim.cli.options import (
    JobsOption,
    JsonOption,
    LimitOption,
    OutOption,
    PluginOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    read_scenario,
)
from mecsim.cli.result_options import RESULTS
from mecsim.results.csv_text import write_csv_file

if TYPE_CHECKING:
    from mecsim.study.tune import Tuned


CandidatesOption = Annotated[
    str,
    typer.Option(
        "--policies",
        "-p",
        metavar="A,B",
        show_default=False,
        help="Policies; | separates alternatives of a parameter, as in dashf:max_iterations=1|3|10.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim tune campus -p 'dashf:max_iterations=1|3|10,gucaa' --budget 30")(tune)


def tune(
    scenario: ScenarioArgument,
    policies: CandidatesOption,
    metric: Annotated[
        str, typer.Option("--metric", "-m", help="What to choose by; if left out, the SCR shown first.")
    ] = "",
    budget: Annotated[int, typer.Option("--budget", min=2, help="Tuning runs of each policy.")] = 40,
    replications: Annotated[int, typer.Option("--replications", "-r", min=1, help="Test runs of each.")] = 10,
    seed: SeedOption = 0,
    tuning_seed: Annotated[
        int, typer.Option("--tuning-seed", min=0, help="First seed to tune on.")
    ] = 1_000_000,
    jobs: JobsOption = -1,
    changes: SetOption = None,
    plugins: PluginOption = None,
    limit_s: LimitOption = None,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose parameters on tuning seeds, the same number of runs for each policy, and test on other seeds.

    The folder --out, or results/SCENARIO-HASH-tuned, gets tuning.csv, tuning/ and test/ with their
    runs, and in test/ the tables and the figure of the comparison of those chosen.
    """
    from mecsim.study import tune as tuning
    from mecsim.study.policy_choice import split_policies

    loaded = read_scenario(scenario, changes)
    wanted: dict[str, Any] = dict(tuning.candidates(spec, limit_s) for spec in split_policies(policies))
    folder = out or RESULTS / f"{loaded.name}-{loaded.sha256[:8]}-tuned"
    total = (budget + replications) * len(wanted)
    with (
        progress(f"{loaded.name}: tuning {len(wanted)} policies", total, quiet=quiet) as update,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", RuntimeWarning)  # failed runs are named at the end
        tuned = tuning.tune(
            loaded, wanted, metric or None, budget=budget, replications=replications, seed=seed,
            tuning_seed=tuning_seed, jobs=jobs, limit_s=limit_s, out=folder,
            on_progress=lambda done, _, message: update(done, message),
        )  # fmt: skip
    write_csv_file(folder / "tuning.csv", tuned.candidates)
    _show(tuned, [folder / "tuning.csv", *tuned.test.save(folder / "test")], as_json=as_json)
    name_failures(tuned.failures, f"{folder}/*/failed-*.txt")


def _show(tuned: Tuned, files: list[Path], *, as_json: bool) -> None:
    from mecsim.cli.summaries import comparison_table

    if as_json:
        print_json(_object(tuned, files))
        return
    print_table(comparison_table(tuned.test, narrow=output_width() < 110))
    for line in [*tuned.lines, f"files:  {', '.join(map(str, files))}"]:
        print_text(line)


def _object(tuned: Tuned, files: list[Path]) -> dict[str, Any]:
    from mecsim.cli.summaries import comparison_object

    return {
        "seeds": {"tuning": list(tuned.tuning_seeds), "test": list(tuned.test_seeds)},
        "candidates": tuned.candidates.to_dict("records"),
        "test": comparison_object(tuned.test, files),
    }
