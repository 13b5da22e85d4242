"""The folder of a reproduction: figures, tables, and a page that compares them with the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from mecsim.analysis.figures.panels import heavy_in
from mecsim.analysis.rounding import bracketed, plus_minus
from mecsim.analysis.stats import median_interval, t_interval
from mecsim.analysis.style import save_figure
from mecsim.errors import RunFailed
from mecsim.results.csv_text import csv_text
from mecsim.results.files import make_folder, write_text
from mecsim.results.leftovers import remove_parts
from mecsim.results.lock import folder_lock
from mecsim.scenario.load import load_scenario
from mecsim.study.decision_run import DecisionRun, read_decision
from mecsim.study.paper.claims import PaperClaim, all_claims
from mecsim.study.paper.convergence import WHOLE, by_iteration, convergence, padded
from mecsim.study.paper.figures import (
    bandwidth_figure,
    convergence_figure,
    policies_figure,
    weights_figure,
)
from mecsim.study.paper.snapshots import (
    POLICIES,
    SYSTEMS,
    Kept,
    by_bandwidth,
    by_system,
    by_weights,
    measured,
    with_best_phi,
)
from mecsim.study.paper.texts import FIGURE_2, FIGURE_3A, FIGURE_3C, VERDICTS, head
from mecsim.study.progress import OnStudyProgress
from mecsim.study.snapshot import USES
from mecsim.study.sweep import complete

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PAGE = "paper.md"
DECISIONS = "decisions"
# What tells apart the settings of figures 3(a), 3(b) and 3(c).
SETTINGS = (["system"], ["bandwidth_mhz"], ["delay_per_s", "energy_per_j"])
_SHOWN = ("delay_s", "energy_j", "score", "scr")


class Reproduction(NamedTuple):
    """What :func:`reproduce` found and wrote; paths in the order of the page.

    ``origins`` counts the decisions that are new, reused or replaced.
    """

    page: Path
    files: tuple[Path, ...]
    claims: tuple[PaperClaim, ...]
    seeds: int
    origins: Counter[str]


class _Part(NamedTuple):
    """One figure with its data: a row a run, and a row a point with its interval."""

    name: str
    number: str
    title: str
    what: str
    figure: Figure
    runs: pd.DataFrame
    points: pd.DataFrame
    table: str


def reproduce(
    out: str | Path, seeds: int = 20, *, jobs: int = -1, on_progress: OnStudyProgress | None = None
) -> Reproduction:
    """Compute figures 2 and 3 of the paper and write them, their tables and a page about them.

    Every decision is a run of a study: done by a child process, and kept in a file of its own in
    ``decisions``. What is there already, of the same scenario, policy, seed, code and packages, is
    not done again. Figures and tables are made of these files alone.

    Parameters
    ----------
    out : str or Path
        The folder; files of the same names in it are replaced.
    seeds : int
        Worlds 0, 1, ... of each setting; every policy meets all of them.
    jobs : int
        Worker processes; -1 for every core. The tables do not depend on it.
    on_progress : callable, optional
        As in :func:`mecsim.study.sweep.sweep`.

    Raises
    ------
    RunFailed
        If a decision failed twice; the results of the others stay.
    ResultStoreError
        If another process writes to the folder, or it cannot be written (any more).
    """
    folder = make_folder(out).absolute()
    rows = [asked(range(seeds)) for asked in (by_iteration, by_system, by_bandwidth, by_weights)]
    with folder_lock(folder):
        remove_parts(folder)
        decisions = [decision for part in rows for _, decision in part]
        kept, origins = decided(decisions, make_folder(folder / DECISIONS), jobs, on_progress)
        frames = [convergence(rows[0], kept)]
        frames += [
            with_best_phi(measured(part, kept), by) for part, by in zip(rows[1:], SETTINGS, strict=True)
        ]
        claims = all_claims(*frames)
        parts = [make(frame) for make, frame in zip((_fig2, _fig3a, _fig3b, _fig3c), frames, strict=True)]
        files = [file for part in parts for file in _write(part, folder)]
        page = folder / PAGE
        write_text(page, _page(parts, claims, seeds))
    return Reproduction(page, (page, *files), tuple(claims), seeds, origins)


def decided(
    decisions: Sequence[DecisionRun], folder: Path, jobs: int, on_progress: OnStudyProgress | None = None
) -> tuple[Kept, Counter[str]]:
    """Make the missing ones of some decisions in a locked folder.

    Returns
    -------
    callable, Counter
        The stored result of each decision; how many are new, reused or replaced.

    Raises
    ------
    RunFailed, ResultStoreError
        As :func:`reproduce`.
    """
    # Figures share decisions: dashf at the paper's own settings is in all of them.
    runs = {decision.run_id: decision for decision in decisions}
    outcomes, _ = complete(list(runs.values()), folder, jobs, on_progress=on_progress)
    failures = [outcome for outcome in outcomes if outcome.error]
    if failures:
        raise RunFailed(
            f"{len(failures)} of {len(runs)} decisions failed, such as {failures[0].run_id}: "
            f"{failures[0].error}; tracebacks: {folder}/failed-*.txt; the same command tries them again"
        )
    kept = {run_id: read_decision(folder / decision.stored_as) for run_id, decision in runs.items()}
    return (lambda decision: kept[decision.run_id]), Counter(outcome.origin for outcome in outcomes)


def _fig2(frame: pd.DataFrame) -> _Part:
    names = {name: _system_name(name) for name in SYSTEMS}
    by = ["system", "part", "iteration"]
    points = _points(_going_on(frame), by, ("scr", "relative"))
    whole = points[(points["part"] == WHOLE) & (points["metric"] == "scr")]
    return _Part(
        "fig2", "2", "Figure 2: convergence of part 1, part 2 and DASHF", FIGURE_2,
        convergence_figure(frame, names), frame, points,
        f"SCR after each step of y:\n\n{_points_table(whole, ['system'], across='iteration')}",
    )  # fmt: skip


def _fig3a(frame: pd.DataFrame) -> _Part:
    points = _points(frame, ["system", "policy"], (*USES, "use", *_SHOWN, "phi"))
    shown = points[points["metric"].isin(["use", "delay_s", "energy_j", "scr", "phi"])]
    return _Part(
        "fig3a", "3(a)", "Figure 3(a): the policies",
        f"The figure is of {_system_name(SYSTEMS[0])}.\n{FIGURE_3A}",
        policies_figure(frame[frame["system"] == SYSTEMS[0]]), frame, points,
        _points_table(shown, ["system", "policy"]),
    )  # fmt: skip


def _fig3b(frame: pd.DataFrame) -> _Part:
    points = _points(frame, ["bandwidth_mhz", "policy"], _SHOWN)
    shown = points[points["metric"] == "scr"]
    return _Part(
        "fig3b", "3(b)", "Figure 3(b): bandwidth",
        f"SCR against the bandwidth of each server, {_system_name(SYSTEMS[0])}.",
        bandwidth_figure(frame), frame, points,
        _points_table(shown, ["bandwidth_mhz"], across="policy"),
    )  # fmt: skip


def _fig3c(frame: pd.DataFrame) -> _Part:
    settings = ["delay_per_s", "energy_per_j"]
    points = _points(frame, [*settings, "policy"], _SHOWN)
    shown = points[(points["policy"] == "dashf") & (points["metric"] != "score")]
    return _Part(
        "fig3c", "3(c)", "Figure 3(c): weights of the cost", f"{_system_name(SYSTEMS[0])}.\n{FIGURE_3C}",
        weights_figure(frame), frame, points, _points_table(shown, settings),
    )  # fmt: skip


def _write(part: _Part, folder: Path) -> list[Path]:
    files = save_figure(part.figure, folder / part.name)
    for suffix, frame in (("", part.points), ("-runs", part.runs)):
        file = folder / f"{part.name}{suffix}.csv"
        write_text(file, csv_text(frame))
        files.append(file)
    return files


def _page(parts: Sequence[_Part], claims: Sequence[PaperClaim], seeds: int) -> str:
    lines = ["# The figures of the paper", "", head(SYSTEMS, POLICIES, seeds), "", VERDICTS, ""]
    for part in parts:
        lines += [f"## {part.title}", "", f"![{part.title}]({part.name}.png)", "", part.what, ""]
        lines += ["| | The paper says | Ours | Verdict |", "|---|---|---|---|"]
        own = [claim for claim in claims if claim.figure.startswith(part.number)]
        lines += [f"| {c.figure} | {c.says} | {c.found} | **{c.verdict}** |" for c in own]
        lines += [
            "",
            part.table,
            "",
            f"Data: `{part.name}.csv`, and a row a run in `{part.name}-runs.csv`.",
            "",
        ]
    return "\n".join(lines)


def _going_on(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the convergence with runs that have ended going on at their last value."""
    import pandas as pd

    parts = []
    for (system, part), runs in frame.groupby(["system", "part"], sort=False):
        tall = [
            padded(runs, name).reset_index().melt("seed", value_name=name) for name in ("scr", "relative")
        ]
        parts.append(tall[0].assign(system=str(system), part=str(part), relative=tall[1]["relative"]))
    return pd.concat(parts)


def _points(frame: pd.DataFrame, by: list[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row for each group and metric: mean and median with 95 % intervals, number of seeds.

    ``heavy_tail`` says that the metric is heavy-tailed in one of the groups, so that medians are shown.
    """
    import pandas as pd

    heavy, rows = heavy_in(frame, by, metrics), []
    for key, runs in frame.groupby(by, sort=False):
        interval = t_interval(runs[list(metrics)].to_numpy())
        medians = [median_interval(runs[metric].to_numpy(np.float64))[:3] for metric in metrics]
        numbers = zip(metrics, interval.mean, interval.low, interval.high, interval.n, medians, strict=True)
        rows += [(*key, name, *mean, *middle, name in heavy) for name, *mean, middle in numbers]
    columns = ["metric", "mean", "low", "high", "n", "median", "median_low", "median_high", "heavy_tail"]
    return pd.DataFrame(rows, columns=[*by, *columns])


def _points_table(points: pd.DataFrame, by: list[str], across: str = "metric") -> str:
    """Return points as a Markdown table of mean ± half width, or median [interval] if heavy-tailed."""
    texts = [_point_text(row) for row in points.to_dict("records")]
    wide = points.assign(text=texts).pivot_table(
        index=by, columns=across, values="text", aggfunc="first", sort=False
    )
    header = [*by, *map(str, wide.columns)]
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    for key, row in zip(wide.index, wide.to_numpy(), strict=True):
        keys = key if isinstance(key, tuple) else (key,)
        lines.append(f"| {' | '.join([*map(str, keys), *map(str, row)])} |")
    return "\n".join(lines)


def _point_text(row: dict[Hashable, Any]) -> str:
    if row["heavy_tail"]:
        return bracketed(row["median"], row["median_low"], row["median_high"])
    half = row["high"] - row["mean"]
    # What is left of rounding is no spread.
    return plus_minus(row["mean"], half if half > 1e-9 * abs(row["mean"]) else 0.0)


def _system_name(name: str) -> str:
    scenario = load_scenario(name)
    return f"{scenario.users.count} users, {scenario.servers.count} servers"
