"""The tables for other programs: CSV, and MATLAB's format."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mecsim.escapes import printable
from mecsim.results.csv_text import csv_frame
from mecsim.results.files import make_folder, write_atomically
from mecsim.results.result import Results
from mecsim.tables import columns_of

MAT_FILE = "results.mat"


def write_csv(results: Results, folder: str | Path) -> list[Path]:
    """Write one CSV file for each table; return the files.

    Numbers have all their digits: reading them gives the same bits.

    Raises
    ------
    ResultStoreError
        If one cannot be written; that file is then missing.
    """
    root = make_folder(folder)
    return [
        _written(root / f"{name}.csv", partial(csv_frame(frame).to_csv, index=False))
        for name, frame in results.tables.items()
    ]


def write_mat(results: Results, folder: str | Path) -> Path:
    """Write one MATLAB file with a struct for each table, columns as fields; return it.

    Strings become cell arrays, dots in names underscores. The struct ``units`` has the unit of every
    column that has one.

    Raises
    ------
    ResultStoreError
        If it cannot be written; the file is then missing.
    """
    from scipy.io import savemat

    structs: dict[str, dict[str, Any]] = {
        name: {_field(column): _mat_column(frame[column].to_numpy()) for column in frame.columns}
        for name, frame in results.tables.items()
    }
    every = (c for name, frame in results.tables.items() for c in columns_of(name, frame.columns))
    structs["units"] = {column.name: column.unit for column in every if column.unit}
    path = make_folder(folder) / MAT_FILE
    return _written(
        path,
        lambda part: savemat(
            part, structs, appendmat=False, do_compression=True, long_field_names=True, oned_as="column"
        ),
    )


def _field(column: str) -> str:
    """Return a name that MATLAB takes for a field: letters, digits and '_', at most 63."""
    name = re.sub(r"\W", "_", column, flags=re.ASCII)[:62]
    return name if name[:1].isalpha() else f"x{name}"


def _mat_column(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if values.dtype.kind in "biuf":
        return values
    cells = [printable(cell) if isinstance(cell, str) else cell for cell in values]
    column = np.empty((len(cells), 1), dtype=object)
    column[:, 0] = cells
    return column


def _written(path: Path, write: Callable[[Path], object]) -> Path:
    write_atomically(path, write)
    return path
