"""``mecsim plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mecsim.cli.console import print_json, print_text, say, writing
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

KINDS = "distributions, forest, swept, heatmap, timeline, pareto or ranking"


def _given(kind: str) -> str:
    if not kind:
        raise MecsimError(f"--kind is missing: {KINDS}")
    return kind


KindOption = Annotated[
    str,
    typer.Option(
        "--kind", "-k", metavar="K", help=f"{KINDS}; must be given.", show_default=False, callback=_given
    ),
]

KeyOption = Annotated[str, typer.Option("--key", metavar="KEY", help="The swept key of the horizontal axis.")]
ColumnOption = Annotated[
    str, typer.Option("--col", metavar="KEY", help="A second swept key: of the panels, or the vertical axis.")
]
FileOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Where to; RESULTS/KIND if left out.", show_default=False),
]
WidthOption = Annotated[
    str, typer.Option("--width", help="column (3.5 in) or page (7.16 in); what suits the kind if left out.")
]


def register(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog="Example: mecsim plot results/campus-b158849a --kind forest --reference gucaa")(plot)


def plot(
    results: ResultsArgument,
    kind: KindOption = "",
    policies: PoliciesOption = "",
    metrics: MetricsOption = "",
    key: KeyOption = "",
    column: ColumnOption = "",
    reference: ReferenceOption = "",
    where: WhereOption = None,
    deadline_s: DeadlineOption = None,
    mix: MixOption = False,
    width: WidthOption = "",
    out: FileOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw a figure of runs that are there already, as PNG and PDF at the widths of an IEEE paper.

    distributions: delay of a round and its tail. forest: paired differences to one policy with
    intervals. swept: metrics against a swept key with bands, a second key side by side. heatmap: means
    over two swept keys. timeline: one world over time with outages. pareto: delay against energy, and
    the policies that no other one dominates. ranking: the order of policies over scenarios.
    """
    from mecsim.analysis.figure_kinds import FigureRequest, draw
    from mecsim.analysis.frames import study_frames
    from mecsim.analysis.style import save_figure

    wanted = FigureRequest(
        metric_names(metrics, deadline_s), key, column, reference or None, _width_in(width, kind)
    )
    study = study_frames(
        results,
        policy_labels(policies),
        where=where_values(where),
        mix=mix,
        deadline_s=deadline_of(deadline_s),
    )
    tell_left_out(study.note, quiet=quiet)
    figure = draw(kind, study, wanted)
    with writing(out or results / kind):
        files = save_figure(figure, out or results / kind)
    if as_json:
        print_json({"kind": kind, "runs": len(study.per_run), "files": [str(file) for file in files]})
    else:
        say(f"{len(study.per_run)} runs", quiet=quiet)
        print_text(*files)


def _width_in(width: str, kind: str) -> float:
    """Return the width of a figure in inches."""
    from mecsim.analysis.figure_kinds import NARROW
    from mecsim.analysis.figures.panels import WIDTHS_IN
    from mecsim.messages import either

    if width and width not in WIDTHS_IN:
        raise MecsimError(f"--width {width}: must be {either(tuple(WIDTHS_IN))}")
    return WIDTHS_IN[width or ("column" if kind in NARROW else "page")]
