"""How objects show themselves: one title and a few rows, as text and as HTML in notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from mecsim.escapes import printable


class Overview(NamedTuple):
    """What an object says of itself on one screen: a title, and rows of a name and a value."""

    title: str
    rows: Sequence[tuple[str, str]]

    def text(self) -> str:
        """Return the title and a line for each row, names in one column."""
        width = max((len(name) for name, _ in self.rows), default=0)
        lines = [self.title, *(f"  {name:<{width}}  {value}" for name, value in self.rows)]
        return "\n".join(map(printable, lines))

    def html(self) -> str:
        """Return the title and a table; what the values hold is text, never markup."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{_escaped(name)}</th>"
            f"<td style='text-align:left'>{_escaped(value)}</td></tr>"
            for name, value in self.rows
        )
        return f"<div><strong>{_escaped(self.title)}</strong><table>{rows}</table></div>"


class Shown:
    """Gives a class with a method ``overview`` its ``repr`` and its HTML in notebooks."""

    __slots__ = ()

    def overview(self) -> Overview:
        """Return what the object says of itself."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.overview().text()

    def _repr_html_(self) -> str:
        return self.overview().html()


def spread(values: Iterable[float], unit: str = "", scale: float = 1.0) -> str:
    """Return numbers in short: the one that all have, or ``least to largest``, with a unit."""
    numbers = [float(value) * scale for value in values]
    if not numbers:
        return "none"
    low, high = f"{min(numbers):.4g}", f"{max(numbers):.4g}"
    told = low if low == high else f"{low} to {high}"
    return f"{told} {unit}".rstrip()


def _escaped(text: str) -> str:
    return escape(printable(text))
