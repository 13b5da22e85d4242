"""``mecsim plot``, ``table`` and ``tune``: what runs that are there already say together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from mecsim.cli.console import output_width, print_json, print_table, progress, say, writing
from mecsim.cli.options import (
    JsonOption,
    OutOption,
    PluginOption,
    QuietOption,
    ScenarioArgument,
    SeedOption,
    SetOption,
    parse_changes,
    read_scenario,
)
from mecsim.errors import MecsimError

KINDS = "distributions, forest, swept, timeline, pareto or ranking"
RESULTS = Path("results")

ResultsArgument = Annotated[
    Path, typer.Argument(metavar="RESULTS", help="A run folder, or a folder of them.", show_default=False)
]
PoliciesOption = Annotated[
    str,
    typer.Option(
        "--policies", "-p", metavar="A,B", help="Which policies, in this order; all of them if left out."
    ),
]
MetricsOption = Annotated[
    str,
    typer.Option("--metrics", "-m", metavar="M,N", help="Which metrics, such as scr,delay_p99_s,fairness."),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option(
        "--where", metavar="KEY=VALUE", show_default=False,
        help="Only runs with this scenario, seed or value of a swept key; may be repeated.",
    ),
]  # fmt: skip
ReferenceOption = Annotated[
    str,
    typer.Option("--reference", metavar="P", help="What differences are taken to; the first if left out."),
]
DeadlineOption = Annotated[
    float | None,
    typer.Option("--deadline", metavar="S", min=0.0, help="In seconds, for the metric deadline_misses."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this file."""
    app.command(epilog="Example: mecsim plot results/campus-b158849a --kind forest --reference gucaa")(plot)
    app.command(epilog="Example: mecsim table results/campus-b158849a --format latex")(table)
    app.command(epilog="Example: mecsim tune campus -p 'dashf:max_iterations=1|3|10,gucaa' --budget 30")(tune)


def plot(
    results: ResultsArgument,
    kind: Annotated[str, typer.Option("--kind", "-k", metavar="K", help=f"{KINDS}.", show_default=False)],
    policies: PoliciesOption = "",
    metrics: MetricsOption = "",
    key: Annotated[
        str, typer.Option("--key", metavar="KEY", help="The swept key of the horizontal axis.")
    ] = "",
    reference: ReferenceOption = "",
    where: WhereOption = None,
    deadline_s: DeadlineOption = None,
    width: Annotated[
        str,
        typer.Option("--width", help="column (3.5 in) or page (7.16 in); what suits the kind if left out."),
    ] = "",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Where to write; RESULTS/KIND if left out.", show_default=False
        ),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a figure of runs that are there already, as PNG and PDF at the widths of an IEEE paper.

    distributions: delay of a round and its tail. forest: paired differences to one policy with
    intervals. swept: metrics against a swept key with bands. timeline: one world over time with
    outages. pareto: delay against energy. ranking: the order of policies over scenarios.
    """
    from mecsim.analysis.figure_kinds import NARROW, Wanted, draw
    from mecsim.analysis.figures.panels import WIDTHS_IN
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.style import save_figure
    from mecsim.messages import either

    if width and width not in WIDTHS_IN:
        raise MecsimError(f"--width {width}: must be {either(tuple(WIDTHS_IN))}")
    width_in = WIDTHS_IN[width or ("column" if kind in NARROW else "page")]
    wanted = Wanted(_metrics(metrics, deadline_s), key, reference or None, width_in)
    study = study_frames(
        results, _names(policies), where=parse_changes(where or ()), deadline_s=_deadline(deadline_s)
    )
    figure = draw(kind, study, wanted)
    with writing(out or results / kind):
        files = save_figure(figure, out or results / kind)
    if as_json:
        print_json({"kind": kind, "runs": len(study.per_run), "files": [str(file) for file in files]})
    else:
        say(f"{len(study.per_run)} runs", quiet=quiet)
        typer.echo("\n".join(str(file) for file in files))


def table(
    results: ResultsArgument,
    form: Annotated[str, typer.Option("--format", "-f", help="markdown, latex or csv.")] = "markdown",
    policies: PoliciesOption = "",
    metrics: MetricsOption = "",
    reference: ReferenceOption = "",
    where: WhereOption = None,
    deadline_s: DeadlineOption = None,
    margin: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Differences below this share of the mean do not matter.")
    ] = 0.02,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print means with intervals and marks, for a paper; csv and --json have all paired tests instead."""
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.metric_info import SHOWN
    from mecsim.analysis.paired import paired_table
    from mecsim.analysis.text_tables import text_table
    from mecsim.messages import either

    forms = ("markdown", "latex", "csv")
    if form not in forms:
        raise MecsimError(f"--format {form}: must be {either(forms)}")
    study = study_frames(
        results, _names(policies), where=parse_changes(where or ()), deadline_s=_deadline(deadline_s)
    )
    shown = _metrics(metrics, deadline_s) or SHOWN
    paired = paired_table(study.per_run, reference or None, metrics=shown, margin=margin, by=study.by)
    say(f"{len(study.per_run)} runs", quiet=quiet)
    if as_json:
        print_json({"runs": len(study.per_run), "paired": paired.to_dict("records")})
    elif form == "csv":
        typer.echo(paired.to_csv(index=False), nl=False)
    else:
        text = text_table(
            study.per_run, paired, "latex" if form == "latex" else "markdown", metrics=shown, by=study.by
        )
        typer.echo(text, nl=False)


def tune(
    scenario: ScenarioArgument,
    policies: Annotated[
        str,
        typer.Option(
            "--policies",
            "-p",
            metavar="A,B",
            show_default=False,
            help="Policies; | separates alternatives of a parameter, as in dashf:max_iterations=1|3|10.",
        ),
    ],
    metric: Annotated[str, typer.Option("--metric", "-m", help="What to choose by.")] = "scr",
    budget: Annotated[int, typer.Option("--budget", min=2, help="Tuning runs of each policy.")] = 40,
    replications: Annotated[int, typer.Option("--replications", "-r", min=1, help="Test runs of each.")] = 10,
    seed: SeedOption = 0,
    tuning_seed: Annotated[
        int, typer.Option("--tuning-seed", min=0, help="First seed to tune on.")
    ] = 1_000_000,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Worker processes; -1 for every core.")] = -1,
    changes: SetOption = None,
    plugins: PluginOption = None,
    out: OutOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose parameters on tuning seeds, the same number of runs for each policy, and test on other seeds.

    The folder --out, or results/SCENARIO-HASH-tuned, gets tuning.csv, tuning/ and test/ with their
    runs, and in test/ the tables and the figure of the comparison of those chosen.
    """
    from mecsim.cli.summaries import comparison_object, comparison_table
    from mecsim.study.plan import split_policies
    from mecsim.study.tune import candidates
    from mecsim.study.tune import tune as tune_policies

    loaded = read_scenario(scenario, changes)
    wanted: dict[str, Any] = dict(candidates(spec) for spec in split_policies(policies))
    folder = out or RESULTS / f"{loaded.name}-{loaded.sha256[:8]}-tuned"
    total = (budget + replications) * len(wanted)
    with progress(f"{loaded.name}: tuning {len(wanted)} policies", total, quiet=quiet) as tell:
        tuned = tune_policies(
            loaded, wanted, metric, budget=budget, replications=replications, seed=seed,
            tuning_seed=tuning_seed, jobs=jobs, out=folder,
            on_progress=lambda done, _, message: tell(done, message),
        )  # fmt: skip
    tuned.candidates.to_csv(folder / "tuning.csv", index=False)
    files = [folder / "tuning.csv", *tuned.test.save(folder / "test")]
    if as_json:
        seeds = {"tuning": list(tuned.tuning_seeds), "test": list(tuned.test_seeds)}
        rows = tuned.candidates.to_dict("records")
        print_json({"seeds": seeds, "candidates": rows, "test": comparison_object(tuned.test, files)})
        return
    print_table(comparison_table(tuned.test, narrow=output_width() < 110))
    for line in [*tuned.lines, f"files:  {', '.join(map(str, files))}"]:
        typer.echo(line)


def _deadline(given_s: float | None) -> float:
    return math.nan if given_s is None else given_s


def _names(text: str) -> list[str] | None:
    from mecsim.study.plan import split_policies

    return split_policies(text) or None


def _metrics(text: str, deadline_s: float | None) -> tuple[str, ...]:
    from mecsim.analysis.metric_info import check_metric

    names = tuple(check_metric(name.strip()) for name in text.split(",") if name.strip())
    if "deadline_misses" in names and deadline_s is None:
        raise MecsimError("--metrics deadline_misses: needs --deadline, in seconds")
    return names
