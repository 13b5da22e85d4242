"""Frames as CSV for programs of others: a cell that came from outside runs nothing in a spreadsheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mecsim.escapes import csv_cell
from mecsim.results.files import write_text

if TYPE_CHECKING:
    import pandas as pd


def csv_text(frame: pd.DataFrame) -> str:
    """Return a frame as CSV without its index, as `csv_frame` shows it; numbers have all their digits."""
    return str(csv_frame(frame).to_csv(index=False))


def write_csv_file(path: Path, frame: pd.DataFrame) -> None:
    """Write `csv_text` of a frame atomically; raises `ResultStoreError` if it cannot be written."""
    write_text(path, csv_text(frame))


def csv_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame for CSV: its numbers, and its texts as cells.

    A text that a spreadsheet would take for a formula has an apostrophe before it, and what is not printable
    is escaped: :func:`mecsim.escapes.csv_cell`.
    """
    shown = frame.rename(columns=csv_cell)
    for place, kind in enumerate(frame.dtypes):
        if getattr(kind, "kind", "O") not in "biuf":
            shown.isetitem(place, frame.iloc[:, place].map(csv_cell).to_numpy())
    return shown
