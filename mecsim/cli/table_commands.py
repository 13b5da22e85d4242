"""``mecsim table``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from mecsim.cli.console import print_json, print_text, say
from mecsim.cli.options import JsonOption, QuietOption, parse_changes
from mecsim.cli.result_options import (
    DeadlineOption,
    MetricsOption,
    PoliciesOption,
    ReferenceOption,
    ResultsArgument,
    WhereOption,
    deadline_of,
    metric_names,
    policy_labels,
)
from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.analysis.text_tables import TableFormat

_TEXT_FORMS: dict[str, TableFormat] = {"markdown": "markdown", "latex": "latex"}
_FORMS = (*_TEXT_FORMS, "csv")


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
    classes: Annotated[
        bool, typer.Option("--classes", help="Rows for each class of users, of metrics that a class has.")
    ] = False,
    margin: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Differences below this share of the mean do not matter.")
    ] = 0.02,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Print means with intervals and marks, for a paper; csv and --json have all paired tests instead."""
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.paired import paired_table
    from mecsim.analysis.text_tables import text_table
    from mecsim.analysis.user_classes import by_class
    from mecsim.messages import either
    from mecsim.results.csv_text import csv_text
    from mecsim.results.metrics import TABLE_METRICS, with_headline

    if form not in _FORMS:
        raise MecsimError(f"--format {form}: must be {either(_FORMS)}")
    deadline = deadline_of(deadline_s)
    study = study_frames(
        results, policy_labels(policies), where=parse_changes(where or ()), deadline_s=deadline
    )
    shown = metric_names(metrics, deadline_s) or with_headline(TABLE_METRICS, study.headline)
    if classes:
        study, shown = by_class(study, deadline), _of_classes(shown, asked=bool(metrics))
    paired = paired_table(study.per_run, reference or None, metrics=shown, margin=margin, by=study.by)
    say(f"{len(study.per_run)} runs", quiet=quiet)
    if as_json:
        print_json({"runs": len(study.per_run), "paired": paired.to_dict("records")})
        return
    if form == "csv":
        text = csv_text(paired)
    else:
        text = text_table(study.per_run, paired, _TEXT_FORMS[form], metrics=shown, by=study.by)
    print_text(*text.rstrip("\n").split("\n"))


def _of_classes(names: Sequence[str], *, asked: bool) -> tuple[str, ...]:
    """Return those of the metrics that a class of users has; refuse others that were asked for."""
    from mecsim.messages import either
    from mecsim.results.metrics import USER_METRICS

    others = [name for name in names if name not in USER_METRICS]
    if asked and others:
        raise MecsimError(
            f"--metrics {others[0]}: is of all users together; --classes takes {either(USER_METRICS)}"
        )
    return tuple(name for name in names if name in USER_METRICS)
