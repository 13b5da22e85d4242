"""The results of one finished run, or of several."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mecsim import plugins
from mecsim.messages import counted
from mecsim.overview import Overview, Shown
from mecsim.plugin_files import Group
from mecsim.tables import ALL_TABLES, MEASURED, Column, columns_of, to_frame

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mecsim.engine.recorder import RunRecord
    from mecsim.world.world import World


VIEWS = Group("mecsim.views", "view of results")


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Results(Shown):
    """The tables of a run (docs/reference/tables.md) and their origin.

    Parameters
    ----------
    rounds, epochs, generations, positions, allocations : DataFrame
        Columns as in ``mecsim.tables``. From ``load_results`` they also carry
        ``scenario``, ``policy`` and ``seed``, first.
    manifest : dict
        Scenario, seed, policy, versions, times and counts of the run; from a folder of many
        runs, ``{"runs": [...]}`` with one such manifest for each, and their ``folder``.
    worth : DataFrame or None
        What one more unit of each server's budgets is worth at each epoch; None unless
        ``record.bound = true``.
    """

    rounds: pd.DataFrame
    epochs: pd.DataFrame
    generations: pd.DataFrame
    positions: pd.DataFrame
    allocations: pd.DataFrame
    manifest: dict[str, Any]
    worth: pd.DataFrame | None = None

    @classmethod
    def of(cls, record: RunRecord, world: World, manifest: dict[str, Any]) -> Results:
        """Return the results of a run in its world, checked against the contract.

        Raises
        ------
        ResultStoreError
            If a table of the record is not what the contract says.
        """
        from mecsim.results.derive import all_tables

        frames = {name: to_frame(name, table) for name, table in all_tables(record, world).items()}
        return cls(**frames, manifest=manifest)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The frames by name: five, and ``worth`` where it is recorded."""
        return {name: frame for name in ALL_TABLES if (frame := getattr(self, name)) is not None}

    def overview(self) -> Overview:
        """Return which run or runs, how long its tables are."""
        runs = self.manifest.get("runs")
        named = [counted(len(runs), "run")] if runs is not None else []
        named += [
            f"{key} {self.manifest[key]!r}" for key in ("scenario", "policy", "seed") if key in self.manifest
        ]
        rows = [(name, counted(len(frame), "row")) for name, frame in self.tables.items()]
        return Overview(f"Results of {', '.join(named) or 'a run'}", rows)

    @property
    def metrics(self) -> dict[str, float]:
        """Every metric of the run by name (docs/reference/metrics.md); NaN where nothing was measured.

        Raises
        ------
        MecsimError
            If these are several runs: :meth:`summary` has a row for each.
        """
        return dict(_views().metrics(self))

    def summary(self) -> pd.DataFrame:
        """Return the metrics to read: value, unit and meaning of each; of several runs a row for each run."""
        frame: pd.DataFrame = _views().summary(self)
        return frame

    def plot(self, kind: str = "timeline", metrics: Sequence[str] = (), *, mix: bool = False) -> list[Axes]:
        """Draw a figure of ``mecsim plot``, show it in a notebook, and return its axes.

        Parameters
        ----------
        kind : str
            ``timeline`` for one run; any other kind for several.
        metrics : sequence of str
            Which ones; those of the kind if left out.
        mix : bool
            Whether runs of several plans of one folder, or of several studies, may be put together.
            Without it a warning counts the runs of other plans, which are left out.

        Returns
        -------
        list of matplotlib Axes
            ``axes[0].figure.savefig("mine.pdf")`` writes it.

        Raises
        ------
        MecsimError
            If there is no such kind or metric, the runs lack what it needs, or they are of several
            studies and ``mix`` is not given.
        """
        return list(_views().plot(self, kind, tuple(metrics), mix))

    def report(self, path: str | Path = "report.html", *, mix: bool = False) -> Path:
        """Write the report of the run, or of the runs, as one HTML file, and return its path.

        ``mix`` is that of :meth:`plot`; the page itself says which runs are left out.

        Raises
        ------
        ResultStoreError
            If it cannot be written.
        """
        return Path(_views().report(self, path, mix))

    def digest(self) -> str:
        """Return the SHA-256 of everything that is reproducible, as hexadecimal digits.

        Covers the bits of every column of the contract but the measured ones
        (``decision_cpu_s``); the keys that ``load_results`` adds are left out, so a run has the
        same digest in memory and on disk. Equal digests mean bit-identical runs.
        """
        return tables_digest(self.tables)


def _views() -> Any:
    """Return the module that draws and judges results; it is a floor above, so it comes by its name."""
    return plugins.find(VIEWS, "results")


def tables_digest(frames: Mapping[str, pd.DataFrame]) -> str:
    """Return the digest of :meth:`Results.digest` for frames by table name."""
    total = hashlib.sha256()
    for name in (name for name in ALL_TABLES if name in frames):
        for column in columns_of(name, frames[name].columns):
            if column.name not in MEASURED:
                total.update(f"{name}.{column.name}:{len(frames[name])}\n".encode())
                total.update(_column_bytes(frames[name][column.name], column))
    return total.hexdigest()


def _column_bytes(values: pd.Series[Any], column: Column) -> bytes:
    if column.dtype == "str":
        codes, texts = values.factorize()
        return "\0".join([*texts, ""]).encode() + codes.astype("<i8").tobytes()
    numbers = values.to_numpy(column.dtype)
    if numbers.dtype.kind == "f":
        # A NaN has many bit patterns that mean the same.
        numbers = np.where(np.isnan(numbers), np.nan, numbers)
    return numbers.astype(numbers.dtype.newbyteorder("<")).tobytes()
