"""Arguments and options of the commands that read folders of runs, and where commands put them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from mecsim.cli.options import parse_changes
from mecsim.errors import MecsimError

RESULTS = Path("results")
"""Where run folders go without ``--out``."""

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
MixOption = Annotated[
    bool,
    typer.Option("--mix", help="Put together runs of several studies, or of several plans of one folder."),
]


def tell_left_out(note: str, *, quiet: bool) -> None:
    """Say on standard error which runs of a folder are not shown."""
    from mecsim.cli.console import say

    if note:
        say(f"note: {note}", quiet=quiet)


def deadline_of(given_s: float | None) -> float:
    """Return the deadline in s; NaN for none."""
    if given_s is not None and not math.isfinite(given_s):
        raise MecsimError(f"--deadline {given_s:g}: must be a finite number >= 0, in seconds")
    return math.nan if given_s is None else given_s


def policy_labels(text: str) -> list[str] | None:
    """Return the labels of ``--policies``; None for all."""
    from mecsim.study.policy_choice import split_policies

    return split_policies(text) or None


def where_values(given: list[str] | None) -> dict[str, Any]:
    """Return the keys and values of ``--where``."""
    return parse_changes(given or (), "--where")


def metric_names(text: str, deadline_s: float | None) -> tuple[str, ...]:
    """Return the metrics of ``--metrics``; refuse unknown ones, and one without the deadline it needs."""
    from mecsim.results.metrics import METRIC, check_metric

    names = tuple(check_metric(name.strip()) for name in text.split(",") if name.strip())
    for name in names:
        if METRIC[name].needs_deadline and deadline_s is None:
            raise MecsimError(f"--metrics {name}: needs --deadline, in seconds")
    return names
