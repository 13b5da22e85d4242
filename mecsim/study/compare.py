"""Policies compared on the same worlds: metrics of every run, intervals, paired differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mecsim.analysis.rounding import plus_minus
from mecsim.analysis.stats import paired_difference, t_interval
from mecsim.errors import MecsimError, RunFailed
from mecsim.results.files import make_folder
from mecsim.results.metrics import METRICS
from mecsim.study.plan import Run, choose_policies, plan
from mecsim.study.pool import RunOutcome, run_here, run_in_workers, worker_count
from mecsim.study.runner import as_scenario

if TYPE_CHECKING:
    import pandas as pd

    from mecsim.scenario.schema import Scenario
    from mecsim.study.plan import PolicyLike

_DIFFERENCES = ("difference", "difference_low", "difference_high", "difference_percent")
_STATISTICS = ("mean", "low", "high", "n", *_DIFFERENCES[:3], "pairs", _DIFFERENCES[3])

OnStudyProgress = Callable[[float, int, str], None]


@dataclass(frozen=True, eq=False)
class Comparison:
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
    """

    scenario: str
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    outcomes: tuple[RunOutcome, ...]
    out: Path | None = None

    @property
    def failures(self) -> tuple[RunOutcome, ...]:
        """The runs that failed, each with its ``error``; all tables are without them."""
        return tuple(outcome for outcome in self.outcomes if outcome.error)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, such as a metric that nothing is left for."""
        about: dict[tuple[str, str], list[str]] = {}
        for outcome in self.outcomes:
            for note in outcome.notes:
                about.setdefault((outcome.policy, note), []).append(str(outcome.seed))
        return tuple(f"{policy}, seed {', '.join(seeds)}: {note}" for (policy, note), seeds in about.items())

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
        ``pairs``, the same for the paired difference to the first policy; and
        ``difference_percent``, the difference relative to the first policy's mean. For the first
        policy itself the difference is NaN.
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
        return table

    @cached_property
    def paired(self) -> pd.DataFrame:
        """All paired tests against the first policy, as from ``mecsim.analysis.paired.paired_table``."""
        from mecsim.analysis.paired import paired_table

        return paired_table(self.per_run, policies=self.policies)

    def summary(self) -> pd.DataFrame:
        """Return a table to read: policies down, metrics across, ``mean ± half width``."""
        import pandas as pd

        half = self.table["high"] - self.table["mean"]
        texts = np.array([plus_minus(*pair) for pair in zip(self.table["mean"], half, strict=True)])
        heads = [metric.label + (f" [{metric.unit}]" if metric.unit != "1" else "") for metric in METRICS]
        shape = (len(self.policies), len(METRICS))
        return pd.DataFrame(texts.reshape(shape), index=pd.Index(self.policies, name="policy"), columns=heads)

    def figure(self, path: str | Path) -> list[Path]:
        """Draw SCR, delay distribution and energy; return the files written, PNG and PDF.

        Parameters
        ----------
        path : str or Path
            Where to, with or without a suffix; ``.png`` and ``.pdf`` are written.
        """
        from mecsim.analysis.plots import comparison_figure
        from mecsim.analysis.style import save_figure

        return save_figure(comparison_figure(self), path)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``comparison.csv`` (the tidy table), ``per_run.csv``, ``paired.csv`` and the figure."""
        root = Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        tables = {"comparison.csv": self.table, "per_run.csv": self.per_run}
        tables |= {"paired.csv": self.paired} if len(self.policies) > 1 else {}
        for name, table in tables.items():
            table.to_csv(root / name, index=False)
        return [*(root / name for name in tables), *self.figure(root / "comparison")]

    def _repr_html_(self) -> str:
        return str(self.summary().to_html())

    def _matrix(self, policy: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        """Return the metrics of one policy, one row a seed."""
        rows = self.per_run[self.per_run["policy"] == policy].set_index("seed")
        return rows.reindex(list(self.seeds))[[m.name for m in METRICS]].to_numpy(np.float64)


def compare(
    scenario: Scenario | str | Path,
    policies: Sequence[PolicyLike],
    replications: int = 10,
    *,
    seed: int = 0,
    jobs: int = 1,
    out: str | Path | None = None,
    on_progress: OnStudyProgress | None = None,
) -> Comparison:
    """Compare policies on the same replications of one scenario.

    Replication k has the seed ``seed + k`` under every policy, so all see the same world. A run
    that fails is named in a warning and in ``failures``; the others are kept.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario, a scenario file, or the name of a shipped one.
    policies : sequence of str, mapping or Policy
        As in :func:`mecsim.simulate`; a mapping has ``name``, optionally ``label``, and parameters.
        Differences are taken to the first.
    replications : int
        Runs of each policy, at least 1; intervals need 2.
    seed : int
        Seed of the first replication.
    jobs : int
        Worker processes; 1 runs here, -1 uses every core. The tables do not depend on it.
    out : str or Path, optional
        Folder for one run folder each. A finished run found there is read instead of run again if
        nothing that its bits depend on has changed, else it is replaced.
    on_progress : callable, optional
        Called with runs done (a fraction where that is known), their number, and a line about the last one.

    Raises
    ------
    ScenarioError, PolicyNotFound, ResultStoreError
        Before any run starts.
    RunFailed
        If every run failed.
    """
    if replications < 1:
        raise MecsimError(f"replications = {replications}: must be at least 1")
    if seed < 0:
        raise MecsimError(f"seed = {seed}: must not be negative")
    runs = plan(as_scenario(scenario), choose_policies(policies), replications, seed)
    folder = None if out is None else make_folder(out)
    # Workers finish in any order; nothing after this line shows it.
    by_id = {o.run_id: o for o in _outcomes(runs, worker_count(jobs, len(runs)), folder, on_progress)}
    comparison = Comparison(
        scenario=runs[0].scenario.name,
        policies=tuple(dict.fromkeys(run.policy.label for run in runs)),
        seeds=tuple(dict.fromkeys(run.seed for run in runs)),
        outcomes=tuple(by_id[run.run_id] for run in runs),
        out=folder,
    )
    _tell_failures(comparison)
    return comparison


def _outcomes(
    runs: Sequence[Run], workers: int, out: Path | None, on_progress: OnStudyProgress | None
) -> Iterator[RunOutcome]:
    done = 0

    def within(share: float) -> None:
        if on_progress is not None:
            on_progress(done + share, len(runs), "")

    found = run_here(runs, out, within) if workers == 1 else run_in_workers(runs, workers, out)
    for outcome in found:
        done += 1
        if on_progress is not None:
            on_progress(done, len(runs), f"{outcome.run_id}: {outcome.error or outcome.origin}")
        yield outcome


def _tell_failures(comparison: Comparison) -> None:
    failures, total = comparison.failures, len(comparison.outcomes)
    if comparison.out is not None:
        for outcome in comparison.outcomes:
            note = comparison.out / f"failed-{outcome.run_id}.txt"
            if outcome.error:
                note.write_text(outcome.details, encoding="utf-8")
            else:
                note.unlink(missing_ok=True)
    if len(failures) == total:
        where = (
            ""
            if comparison.out is None
            else f" (traceback in {comparison.out}/failed-{failures[0].run_id}.txt)"
        )
        raise RunFailed(f"every run failed; the first, {failures[0].run_id}: {failures[0].error}{where}")
    if failures:
        named = "; ".join(f"{failed.run_id}: {failed.error}" for failed in failures)
        warnings.warn(f"{len(failures)} of {total} runs failed: {named}", RuntimeWarning, stacklevel=3)
