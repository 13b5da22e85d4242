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
        The swept key of the first axis; may be empty if only one key was swept.
    reference : str or None
        The policy that others are compared with; the first one if None.
    width_in : float
        Width of the figure in inches.
    """

    metrics: tuple[str, ...]
    key: str
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

    return distributions_figure(study.delays, study.by, width_in=request.width_in)


def _forest(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.forest import forest_figure
    from mecsim.analysis.paired import paired_table

    metrics = request.metrics or with_headline(TABLE_METRICS, study.headline)[:4]
    if len(study.policies) < 2:
        raise MecsimError(f"--kind forest: needs two policies; these runs have only {study.policies[0]}")
    paired = paired_table(study.per_run, request.reference, metrics=metrics, by=study.by)
    return forest_figure(paired, study.by, width_in=request.width_in)


def _swept(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.swept import swept_figure

    keys = [key for key in study.by if len(study.per_run[key].unique()) > 1]
    if not keys:
        raise MecsimError("--kind swept: no key was swept in these runs; see mecsim sweep --help")
    if len(keys) > 1 and not request.key:
        raise MecsimError(f"--kind swept: name one of the swept keys with --key: {either(tuple(keys))}")
    if request.key and request.key not in keys:
        raise MecsimError(f"--key {request.key}: must be {either(tuple(keys))}{nearest(request.key, keys)}")
    metrics = request.metrics or with_headline(VERDICT_METRICS, study.headline)
    return swept_figure(study.per_run, request.key or keys[0], metrics, width_in=request.width_in)


def _timeline(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.timeline import timeline_figure
    from mecsim.results.store import load_run

    world = _first_world(study)
    runs = {
        str(key[-2]): load_run(path) for key, path in study.folders.items() if (*key[:-2], key[-1]) == world
    }
    return timeline_figure(runs, width_in=request.width_in)


def _pareto(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.pareto import pareto_figure

    metrics = request.metrics or tuple(name for name in VERDICT_METRICS if METRIC[name].better == "less")
    if len(metrics) != 2:
        raise MecsimError(f"--kind pareto: takes two metrics, not {len(metrics)}: {', '.join(metrics)}")
    return pareto_figure(study.per_run, study.by, x=metrics[0], y=metrics[1], width_in=request.width_in)


def _ranking(study: StudyFrames, request: FigureRequest) -> Figure:
    from mecsim.analysis.figures.ranking import ranking_figure

    metric = (request.metrics or (study.headline,))[0]
    return ranking_figure(study.per_run, metric, study.by, width_in=request.width_in)


def _first_world(study: StudyFrames) -> tuple[object, ...]:
    """Return the setting and seed that most policies have, the first of them if there are several."""
    worlds = [(*key[:-2], key[-1]) for key in study.folders]
    return max(dict.fromkeys(worlds), key=worlds.count)


DrawFigure = Callable[[StudyFrames, FigureRequest], "Figure"]
KINDS: dict[str, DrawFigure] = {
    "distributions": _distributions,
    "forest": _forest,
    "swept": _swept,
    "timeline": _timeline,
    "pareto": _pareto,
    "ranking": _ranking,
}
NARROW: Sequence[str] = ("pareto", "ranking")
"""Kinds that fill one column of a paper; the others fill both."""
