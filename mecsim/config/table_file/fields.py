"""What the columns of a kind of table may hold, and what was read from one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Role: TypeAlias = str


@dataclass(frozen=True)
class Fields:
    """The roles that columns of a kind of table play.

    Parameters
    ----------
    names : mapping
        Names by which the column of each role is found; the first one is that which mecsim writes.
    choices : tuple of tuples
        The roles that a table must have: those of one of the choices.
    optional : tuple of str
        Roles that it may have beside them.
    texts : frozenset of str
        Roles whose values are names; all others are numbers, and ``time`` also a time.
    """

    names: Mapping[Role, tuple[str, ...]]
    choices: tuple[tuple[Role, ...], ...]
    optional: tuple[Role, ...] = ()
    texts: frozenset[Role] = frozenset()

    @property
    def common(self) -> frozenset[Role]:
        """Roles of all choices."""
        return frozenset.intersection(*map(frozenset, self.choices))

    def own(self, choice: tuple[Role, ...]) -> tuple[Role, ...]:
        """Return the roles of one choice that are not those of all."""
        return tuple(role for role in choice if role not in self.common)


@dataclass
class Table:
    """The columns of a table, in the order of its records.

    Parameters
    ----------
    roles : tuple of str
        The roles that were found.
    numbers : dict of (R,) float
        Finite numbers of each role; times are seconds.
    texts : dict of pairs
        For each role of names the names, and which of them each record has, (R,) int.
    line : (R,) int
        Line of the file, or number of the row from 1.
    record : (R,) int
        Number of the record, from 1; those passed over count too.
    notes : list of str
        How the table was read, and what was passed over.
    """

    roles: tuple[Role, ...]
    numbers: dict[Role, NDArray[np.float64]]
    texts: dict[Role, tuple[list[str], NDArray[Any]]]
    line: NDArray[np.int64]
    record: NDArray[np.int64]
    notes: list[str] = field(default_factory=list)
