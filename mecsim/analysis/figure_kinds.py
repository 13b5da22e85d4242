"""The kinds of figures, each drawn from a folder of runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mecsim.analysis.frames import StudyFrames
from mecsim.errors import MecsimError
from mecsim.messages import either, nearest
from mecsim.results.metrics import METRIC, TABLE_METRICS, VERDICT_METRICS, with_headline

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class FigureRequest:
    """What a figure shows.

    Parameters
    ----------
    metrics : tuple of str
        Empty for the default metrics of the kind.
    key : str
        The swept key of the horizontal axis; the one with the most values if empty.
    column : str
        The second swept key: a column of panels for each of its values, or the vertical axis of a heat map.
    reference : str or None
        The policy that others are compared with; the first one if None.
    width_in : float
        Width of the figure in inches.
    """

    metrics: tuple[str, ...]
    key: str
    column: str
    reference: str | None
    width_in: float


def draw(kind: str, study: StudyFrames, request: FigureRequest) -> Figure:
    """Return a figure of one of ``KINDS``.

    Raises
    ------
    MecsimError
        If there is no such kind, or the runs lack what it needs.
    """
    if kind not in KINDS:
        raise MecsimError(f"--kind {kind}: must be {either(tuple(KINDS))}{nearest(kind, KINDS)}")
    return KINDS[kind](study, request)


def _distributions(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.distributions import distributions_figure

    return distributions_figure(study.delays, study.by, order=study.order, width_in=request.width_in)


def _forest(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.forest import forest_figure
    from mecsim.analysis.paired import paired_table

    metrics = request.metrics or with_headline(TABLE_METRICS, study.headline)[:4]
    if len(study.policies) < 2:
        raise MecsimError(f"--kind forest: needs two policies; these runs have only {study.policies[0]}")
    paired = paired_table(study.per_run, request.reference, metrics=metrics, by=study.by)
    return forest_figure(paired, study.by, order=study.order, width_in=request.width_in)


def _swept(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.swept import swept_figure

    key, column = _axes(study, request, "swept")
    metrics = request.metrics or with_headline(VERDICT_METRICS, study.headline)
    return swept_figure(
        study.per_run, key, metrics, column=column, order=study.order, width_in=request.width_in
    )


def _heatmap(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.heatmap import heatmap_figure

    key, column = _axes(study, request, "heatmap")
    if not column:
        raise MecsimError(f"--kind heatmap: needs two swept keys; these runs have only {key}: --kind swept")
    metrics = request.metrics or (study.headline,)
    return heatmap_figure(study.per_run, key, column, metrics, width_in=request.width_in)


def _axes(study: StudyFrames, request: FigureRequest, kind: str) -> tuple[str, str]:
    """Return the keys of the horizontal axis and of the panels, the latter empty if one key was swept."""
    counts = {key: len(study.per_run[key].unique()) for key in study.by}
    keys = [key for key, count in counts.items() if count > 1]
    if not keys:
        raise MecsimError(f"--kind {kind}: no key was swept in these runs; see mecsim sweep --help")
    problems = [
        f"--{option} {name}: must be {either(tuple(keys))}{nearest(name, keys)}"
        for option, name in (("key", request.key), ("col", request.column))
        if name and name not in keys
    ]
    if request.key and request.key == request.column:
        problems.append(f"--col {request.column}: is --key already")
    if problems:
        raise MecsimError("\n".join(problems))
    given = [name for name in (request.key, request.column) if name]
    rest = sorted((key for key in keys if key not in given), key=lambda key: -counts[key])
    first = request.key or rest.pop(0)
    return first, request.column or (rest[0] if rest else "")


def _timeline(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.timeline import timeline_figure
    from mecsim.results.store import load_run

    world = _first_world(study)
    runs = {
        str(key[-2]): load_run(path) for key, path in study.folders.items() if (*key[:-2], key[-1]) == world
    }
    return timeline_figure(runs, order=study.order, width_in=request.width_in)


def _pareto(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.pareto import pareto_figure

    metrics = request.metrics or tuple(name for name in VERDICT_METRICS if METRIC[name].better == "less")
    if len(metrics) != 2:
        raise MecsimError(f"--kind pareto: takes two metrics, not {len(metrics)}: {', '.join(metrics)}")
    return pareto_figure(
        study.per_run, study.by, x=metrics[0], y=metrics[1], order=study.order, width_in=request.width_in
    )


def _ranking(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.ranking import ranking_figure

    metric = (request.metrics or (study.headline,))[0]
    return ranking_figure(study.per_run, metric, study.by, order=study.order, width_in=request.width_in)


def _first_world(study: StudyFrames) -> tuple[object, ...]:
    """Return the setting and seed that most policies have, the first of them if there are several."""
    worlds = [(*key[:-2], key[-1]) for key in study.folders]
    return max(dict.fromkeys(worlds), key=worlds.count)


DrawFigure = Callable[[StudyFrames, FigureRequest], "Figure"]
KINDS: dict[str, DrawFigure] = {
    "distributions": _distributions,
    "forest": _forest,
    "swept": _swept,
    "heatmap": _heatmap,
    "timeline": _timeline,
    "pareto": _pareto,
    "ranking": _ranking,
}
NARROW: Sequence[str] = ("pareto", "ranking")
"""Kinds that fill one column of a paper; the others fill both."""
