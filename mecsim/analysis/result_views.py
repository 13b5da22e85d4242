"""What results show of themselves: metrics, a table to read, figures, the report."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mecsim.analysis.figure_kinds import FigureRequest, draw
from mecsim.analysis.frames import StudyFrames, study_frames
from mecsim.analysis.inline import shown_inline
from mecsim.analysis.style import WIDTH_IN
from mecsim.errors import MecsimError
from mecsim.results.metrics import METRICS, check_metric, run_metrics, stored_metrics
from mecsim.results.notes import judged
from mecsim.results.result import Results
from mecsim.results.store import write_run

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEYS = ("scenario", "policy", "seed")


def metrics(results: Results) -> dict[str, float]:
    """Return every metric of one run: those stored with it, else computed from its tables.

    Raises
    ------
    MecsimError
        If these are several runs.
    """
    runs = results.manifest.get("runs")
    if runs is not None:
        raise MecsimError(f"metrics: these are {len(runs)} runs; summary() has a row for each")
    return stored_metrics(results.manifest) or run_metrics(results)


def summary(results: Results) -> pd.DataFrame:
    """Return the metrics of one run with unit and meaning, or a row of metrics for each of several."""
    import pandas as pd

    runs: list[Mapping[str, Any]] | None = results.manifest.get("runs")
    if runs is None:
        values = metrics(results)
        rows = [(metric.name, values[metric.name], metric.unit, metric.meaning) for metric in METRICS]
        return pd.DataFrame(rows, columns=["metric", "value", "unit", "meaning"]).set_index("metric")
    return pd.DataFrame([{key: run[key] for key in _KEYS} | stored_metrics(run) for run in runs])


def plot(results: Results, kind: str, names: tuple[str, ...], mix: bool) -> list[Axes]:
    """Draw a figure of one run or of several, show it in a notebook, and return its axes.

    A warning counts the runs of other plans, which are left out unless ``mix`` is true.

    Raises
    ------
    MecsimError
        If there is no such kind or metric, or the runs lack what it needs.
    """
    for name in names:
        check_metric(name)
    with _folder(results) as folder:
        study = study_frames(folder, mix=mix)
        if study.note:
            warnings.warn(study.note, stacklevel=3)
        figure = _drawn(study, kind, names)
    return shown_inline(figure)


def figure_of(
    folder: Path, kind: str, names: tuple[str, ...], policies: Sequence[str] | None = None
) -> Figure:
    """Return a figure of the runs of a folder; of all its policies, or of some in their order."""
    return _drawn(study_frames(folder, policies), kind, names)


def _drawn(study: StudyFrames, kind: str, names: tuple[str, ...]) -> Figure:
    return draw(
        kind, study, FigureRequest(metrics=names, key="", column="", reference=None, width_in=WIDTH_IN)
    )


def report(results: Results, path: str | Path, mix: bool) -> Path:
    """Write the report of one run or of several, and return its path."""
    from mecsim.analysis.report.page import write_report

    with _folder(results) as folder:
        return write_report(folder, path, mix=mix)


@contextmanager
def _folder(results: Results) -> Iterator[Path]:
    """Yield a folder with one run, written for this; of several, where they were read from."""
    runs = results.manifest.get("runs")
    if runs is not None:
        yield Path(results.manifest["folder"])
        return
    with TemporaryDirectory() as place:
        folder = Path(place, str(results.manifest["run_id"]))
        manifest = judged(results) | results.manifest
        write_run(replace(results, manifest=manifest), folder)
        yield folder
