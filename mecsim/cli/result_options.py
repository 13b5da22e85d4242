"""Arguments and options of the commands that read folders of runs, and where commands put them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mecsim.errors import MecsimError

if TYPE_CHECKING:
    from mecsim.analysis.frames import StudyFrames

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


def read_study(
    results: Path,
    policies: str,
    where: Mapping[str, Any],
    deadline_s: float | None,
    *,
    mix: bool,
    quiet: bool,
) -> StudyFrames:
    """Return the runs that the options choose, and say on standard error which are left out."""
    from mecsim.analysis.frames import study_frames
    from mecsim.cli.console import say

    labels = policy_labels(policies)
    study = study_frames(results, labels, where=where, deadline_s=deadline_of(deadline_s), mix=mix)
    if study.note:
        say(f"note: {study.note}", quiet=quiet)
    return study


def deadline_of(given_s: float | None) -> float:
    """Return the deadline in s; NaN for none."""
    return math.nan if given_s is None else given_s


def policy_labels(text: str) -> list[str] | None:
    """Return the labels of ``--policies``; None for all."""
    from mecsim.study.policy_choice import split_policies

    return split_policies(text) or None


def metric_names(text: str, deadline_s: float | None) -> tuple[str, ...]:
    """Return the metrics of ``--metrics``; refuse unknown ones, and one without the deadline it needs."""
    from mecsim.results.metrics import METRIC, check_metric

    names = tuple(check_metric(name.strip()) for name in text.split(",") if name.strip())
    for name in names:
        if METRIC[name].needs_deadline and deadline_s is None:
            raise MecsimError(f"--metrics {name}: needs --deadline, in seconds")
    return names
