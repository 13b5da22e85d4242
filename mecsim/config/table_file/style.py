"""How a table is written, as far as a scenario or a command says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Separator: TypeAlias = Literal[",", ";", "tab", "space"]
Decimal: TypeAlias = Literal[".", ","]
TimeUnit: TypeAlias = Literal["s", "ms", "us", "min", "h"]


@dataclass(frozen=True)
class TableStyle:
    """What is given about a table; None where the file says it itself.

    Parameters
    ----------
    columns : tuple of pairs
        Which column holds each role: its name, or its number from 1 if there is no header.
    separator, decimal, time_unit, time_format : str, optional
        How the values of a CSV file are written.
    """

    columns: tuple[tuple[str, str | int], ...] = ()
    separator: Separator | None = None
    decimal: Decimal | None = None
    time_unit: TimeUnit | None = None
    time_format: str | None = None
