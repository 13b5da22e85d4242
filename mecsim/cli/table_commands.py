"""``mecsim table``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from mecsim.cli.console import print_json, print_text, say
from mecsim.cli.options import JsonOption, QuietOption
from mecsim.cli.result_options import (
    DeadlineOption,
    MetricsOption,
    MixOption,
    PoliciesOption,
    ReferenceOption,
    ResultsArgument,
    WhereOption,
    deadline_of,
    metric_names,
    policy_labels,
    tell_left_out,
    where_values,
)
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.analysis.frames import StudyFrames
    from mecsim.analysis.text_tables import TableFormat

_FORMAT: dict[str, TableFormat] = {"markdown": "markdown", "latex": "latex"}
ClassesOption = Annotated[
    bool, typer.Option("--classes", help="Rows for each class of users, of metrics that a class has.")
]
MarginOption = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Differences below this share of the mean do not matter.")
]
_FORMS = ("markdown", "latex", "csv")


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim table results/campus-b158849a --format latex")(table)


def table(
    results: ResultsArgument,
    form: Annotated[str, typer.Option("--format", "-f", help="markdown, latex or csv.")] = "markdown",
    policies: PoliciesOption = "",
    metrics: MetricsOption = "",
    reference: ReferenceOption = "",
    where: WhereOption = None,
    deadline_s: DeadlineOption = None,
    mix: MixOption = False,
    classes: ClassesOption = False,
    margin: MarginOption = 0.02,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print means with intervals and marks, for a paper; csv and --json have all paired tests instead."""
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.paired import paired_table
    from mecsim.analysis.text_tables import text_table
    from mecsim.messages import either
    from mecsim.results.csv_text import csv_text

    if form not in _FORMS:
        raise MecsimError(f"--format {form}: must be {either(_FORMS)}")
    if math.isnan(margin):
        raise MecsimError("--margin nan: must be a number from 0 to 1")
    labels, due_s = policy_labels(policies), deadline_of(deadline_s)
    study = study_frames(results, labels, where=where_values(where), mix=mix, deadline_s=due_s)
    tell_left_out(study.note, quiet=quiet)
    study, shown = _shown(study, metric_names(metrics, deadline_s), due_s, classes=classes)
    paired = paired_table(study.per_run, reference or None, metrics=shown, margin=margin, by=study.by)
    say(f"{len(study.per_run)} runs", quiet=quiet)
    if as_json:
        print_json({"runs": len(study.per_run), "paired": paired.to_dict("records")})
    elif form == "csv":
        print_text(*csv_text(paired).rstrip("\n").split("\n"))
    else:
        text = text_table(study.per_run, paired, _FORMAT[form], metrics=shown, by=study.by)
        print_text(*text.rstrip("\n").split("\n"))


def _shown(
    study: StudyFrames, asked: tuple[str, ...], deadline_s: float, *, classes: bool
) -> tuple[StudyFrames, tuple[str, ...]]:
    """Return the runs, by class of users if asked, and the metrics of the table."""
    from mecsim.analysis.user_classes import by_class
    from mecsim.messages import either
    from mecsim.results.metrics import TABLE_METRICS, USER_METRICS, with_headline

    names = asked or with_headline(TABLE_METRICS, study.headline)
    if not classes:
        return study, names
    for name in asked:
        if name not in USER_METRICS:
            raise MecsimError(
                f"--metrics {name}: is of all users together; --classes takes {either(USER_METRICS)}"
            )
    return by_class(study, deadline_s), tuple(name for name in names if name in USER_METRICS)
