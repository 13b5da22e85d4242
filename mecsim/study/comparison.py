"""What a comparison of policies found: metrics of every run, intervals, paired differences."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim.analysis.centres import Centre
from mecsim.analysis.paired import ERROR, paired_table
from mecsim.analysis.stats import median_interval, paired_difference, t_interval
from mecsim.analysis.tails import heavy_tails
from mecsim.errors import MecsimError, ResultStoreError
from mecsim.messages import counted
from mecsim.overview import Overview, Shown
from mecsim.results.csv_text import write_csv_file
from mecsim.results.metrics import (
    METRIC,
    METRICS,
    TABLE_METRICS,
    WINDOW_SCR,
    check_metric,
    same_metrics,
    stored_metrics,
    with_headline,
)
from mecsim.study.outcome import RunOutcome

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mecsim.results.result import Results

_DIFFERENCES = ("difference", "difference_low", "difference_high", "difference_percent")
_STATISTICS = ("mean", "low", "high", "n", *_DIFFERENCES[:3], "pairs", _DIFFERENCES[3])
_MEDIANS = ["median", "median_low", "median_high"]

_MOST_SHOWN = 4


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown):
    """The outcome of :func:`compare`.

    Parameters
    ----------
    scenario : str
        Name of the scenario.
    policies : tuple of str
        Labels in the order given; differences are taken to the first.
    seeds : tuple of int
        One for each replication.
    outcomes : tuple of RunOutcome
        How every run ended, by replication, then policy.
    out : Path or None
        Where the run folders are.
    headline : str
        The SCR that is shown first: over windows, or of generations where rounds are synchronous.
    looks : int
        At how many interim looks the comparison could have ended; they share the error of 5 %.
    """

    scenario: str
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    outcomes: tuple[RunOutcome, ...]
    out: Path | None = None
    headline: str = WINDOW_SCR
    looks: int = 1

    @property
    def shown(self) -> tuple[str, ...]:
        """The metrics of the table."""
        return with_headline(TABLE_METRICS, self.headline)

    @property
    def failures(self) -> tuple[RunOutcome, ...]:
        """The runs that failed, each with its ``error``; all tables are without them."""
        return tuple(outcome for outcome in self.outcomes if outcome.error)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know about the metrics, one line for each policy and note."""
        seeds: dict[tuple[str, str], list[str]] = {}
        for outcome in self.outcomes:
            for note in outcome.notes:
                seeds.setdefault((outcome.policy, note), []).append(str(outcome.seed))
        return tuple(f"{policy}, seed {', '.join(of)}: {note}" for (policy, note), of in seeds.items())

    @cached_property
    def per_run(self) -> pd.DataFrame:
        """One row a finished run: ``scenario``, ``policy``, ``seed`` and every metric of ``METRICS``."""
        import pandas as pd

        rows = [
            {"scenario": self.scenario, "policy": o.policy, "seed": o.seed, **o.metrics}
            for o in self.outcomes
            if o.metrics is not None
        ]
        return pd.DataFrame(rows)

    @cached_property
    def delays(self) -> pd.DataFrame:
        """The delay distribution: ``policy``, ``seed``, ``delay_s``, ``weight``.

        At most 1000 rows a run, each standing for ``weight`` rounds.
        """
        import pandas as pd

        sketches = [
            o.delays.assign(policy=o.policy, seed=o.seed) for o in self.outcomes if o.delays is not None
        ]
        return pd.concat(sketches, ignore_index=True)[["policy", "seed", "delay_s", "weight"]]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Tidy statistics, one row a policy and metric.

        Columns: ``policy``, ``metric``, ``unit``; ``mean``, ``low``, ``high`` and ``n``, the 95 % t
        interval over replications; ``difference``, ``difference_low``, ``difference_high`` and
        ``pairs``, the same for the paired difference to the first policy;
        ``difference_percent``, the difference relative to the first policy's mean; ``median``,
        ``median_low``, ``median_high`` with its order-statistic interval; and ``heavy_tail``: whether the
        metric is one whose means should not be trusted. For the first policy itself the difference is NaN.
        """
        import pandas as pd

        # (replication, policy, metric), NaN where a run failed
        cube = np.stack([self._matrix(policy) for policy in self.policies], axis=1)
        own, paired = t_interval(cube), paired_difference(cube, cube[:, :1])
        first = np.where(own.mean[0] == 0, np.nan, np.abs(own.mean[0]))
        parts = (*own, paired.mean, paired.low, paired.high, paired.n, 100.0 * paired.mean / first)
        table = pd.DataFrame({name: part.ravel() for name, part in zip(_STATISTICS, parts, strict=True)})
        table.loc[: len(METRICS) - 1, list(_DIFFERENCES)] = np.nan
        table.insert(0, "policy", np.repeat(self.policies, len(METRICS)))
        table.insert(1, "metric", [metric.name for metric in METRICS] * len(self.policies))
        table.insert(2, "unit", [metric.unit for metric in METRICS] * len(self.policies))
        medians = [median_interval(own)[:3] for policy in self.policies for own in self._matrix(policy).T]
        table[_MEDIANS] = np.array(medians)
        heavy = heavy_tails(self.per_run, [metric.name for metric in METRICS])
        return table.assign(heavy_tail=table["metric"].isin(heavy))

    @cached_property
    def paired(self) -> pd.DataFrame:
        """All paired tests against the first policy, as from ``mecsim.analysis.paired.paired_table``."""
        return paired_table(
            self.per_run, policies=self.policies, metrics=self.shown, error=ERROR / self.looks
        )

    @cached_property
    def heavy_tails(self) -> dict[str, dict[str, str]]:
        """The metrics of the table whose mean should not be trusted: metric, policy, why."""
        return heavy_tails(self.per_run, self.shown)

    def centre(self, row: dict[Hashable, Any]) -> Centre:
        """Return the mean, or median of a heavy-tailed metric, of a row of the table."""
        is_heavy = bool(row["heavy_tail"])
        value, low, high = (row[name] for name in (_MEDIANS if is_heavy else _STATISTICS[:3]))
        return Centre(value, low, high, is_heavy)

    def median_difference(self, policy: str, metric: str) -> tuple[float, float, float]:
        """Return the median of the paired differences to the first policy, and the ends of its interval."""
        row = self.paired.query("policy == @policy and metric == @metric").iloc[0]
        return row["median"], row["median_low"], row["median_high"]

    @cached_property
    def differing(self) -> frozenset[tuple[str, str]]:
        """The (policy, metric) that differ from the first policy after Holm's correction for the table."""
        rows = self.paired.to_dict("records")
        return frozenset((r["policy"], r["metric"]) for r in rows if r["verdict"] in ("better", "worse"))

    def summary(self) -> pd.DataFrame:
        """Return a table to read: policies down, metrics across.

        Cells are ``mean ± half width``, or ``median [low, high]`` of a heavy-tailed metric.
        """
        import pandas as pd

        texts = np.array([self.centre(row).text for row in self.table.to_dict("records")])
        heads = [metric.head for metric in METRICS]
        shape = (len(self.policies), len(METRICS))
        return pd.DataFrame(texts.reshape(shape), index=pd.Index(self.policies, name="policy"), columns=heads)

    def figure(self, path: str | Path) -> list[Path]:
        """Draw SCR, delay distribution and energy; return the files written, PNG and PDF.

        Parameters
        ----------
        path : str or Path
            Where to, with or without a suffix; ``.png`` and ``.pdf`` are written.
        """
        from mecsim.analysis.style import save_figure

        return save_figure(self._figure(), path)

    def _figure(self) -> Figure:
        from mecsim.analysis.figures.comparison import comparison_figure

        return comparison_figure(self.per_run, self.delays, self.policies, self.seeds, self.headline)

    def stored_runs(self) -> dict[str, Iterator[Results]]:
        """Return the finished runs of each policy, read one by one; empty without ``out``.

        Raises
        ------
        ResultStoreError
            When one is read that was deleted, or changed since it was finished.
        """
        if self.out is None:
            return {}
        return {policy: self._stored_of(policy, self.out) for policy in self.policies}

    def _stored_of(self, policy: str, out: Path) -> Iterator[Results]:
        for outcome in self.outcomes:
            if outcome.policy == policy and not outcome.error:
                yield _stored(out, outcome)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``comparison.csv`` (the tidy table), ``per_run.csv``, ``paired.csv`` and the figure."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        tables = {"comparison.csv": self.table, "per_run.csv": self.per_run}
        tables |= {"paired.csv": self.paired} if len(self.policies) > 1 else {}
        for name, table in tables.items():
            write_csv_file(root / name, table)
        return [*(root / name for name in tables), *self.figure(root / "comparison")]

    def overview(self) -> Overview:
        """Return a row for each policy with the metrics of the table: mean and half width of the interval."""
        summary, heads = self.summary(), {name: METRIC[name].head for name in self.shown[:_MOST_SHOWN]}
        rows = [
            (policy, ", ".join(f"{head} {summary.loc[policy, head]!s}" for head in heads.values()))
            for policy in self.policies
        ]
        rows += [("failed", counted(len(self.failures), "run"))] if self.failures else []
        told = f"{len(self.policies)} policies, {counted(len(self.seeds), 'replication')}"
        return Overview(f"Comparison in scenario '{self.scenario}': {told}", rows)

    def plot(self, kind: str = "comparison", metrics: Sequence[str] = ()) -> list[Axes]:
        """Draw a figure, show it in a notebook, and return its axes.

        ``kind`` is ``comparison`` (SCR, delay, energy), or one of ``mecsim plot``, for which the comparison
        needs ``out``; ``metrics`` are those of the kind if left out. MecsimError says what is missing.
        """
        from mecsim.analysis.inline import shown_inline
        from mecsim.analysis.result_views import figure_of

        names = tuple(map(check_metric, metrics))
        if kind == "comparison":
            return shown_inline(self._figure())
        return shown_inline(figure_of(self.folder(f"kind = {kind}"), kind, names, self.policies))

    def report(self, path: str | Path | None = None) -> Path:
        """Write the report as one HTML file, ``report.html`` in ``out`` if left out, and return its path.

        Raises
        ------
        MecsimError
            For a comparison without ``out``.
        """
        from mecsim.analysis.report.page import write_report

        return write_report(self.folder("a report"), path)

    def folder(self, purpose: str) -> Path:
        """Return the folder of the runs; raise MecsimError if they were not kept, and say what needs them."""
        if self.out is None:
            raise MecsimError(f"{purpose} needs the tables of the runs: compare(..., out='results/mine')")
        return self.out

    def _matrix(self, policy: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the metrics of one policy, one row a seed."""
        rows = self.per_run[self.per_run["policy"] == policy].set_index("seed")
        return rows.reindex(list(self.seeds))[[m.name for m in METRICS]].to_numpy(np.float64)


def _stored(folder: Path, outcome: RunOutcome) -> Results:
    """Return a finished run from its folder, if it is still what its outcome says."""
    from mecsim.results.store import load_run

    place = folder / outcome.run_id
    try:
        results = load_run(place)
    except ResultStoreError as error:
        told = f"{error}\n{place}: was finished, and deleted or changed since"
        raise ResultStoreError(told) from OSError(place)
    if not same_metrics(stored_metrics(results.manifest), outcome.metrics or {}):
        raise ResultStoreError(
            f"{place}: was changed since it was finished; look at the policies of the comparison, delete the "
            "folder, and run again"
        ) from OSError(place)
    return results
