"""A trace: samples of where users were, in order of time for each user."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.messages import shortened
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.traces.problems import Problems


@dataclass(frozen=True, eq=False, slots=True)
class Trace:
    """The samples of all users, those of user 0 first, then those of user 1, and so on.

    Users are numbered in the order of their first samples in the file.

    Parameters
    ----------
    source : str
        The file.
    ids : tuple of str
        What the file calls each user.
    first : (N + 1,) int
        Index of each user's first sample; the last entry is the number of samples S.
    time_s : (S,) float
        Times as the file gives them, strictly ascending for each user.
    place : (S, 2) float
        x and y in m, or longitude and latitude in degrees.
    geo : bool
        Whether places are degrees.
    line : (S,) int
        Line of the file.
    """

    source: str
    ids: tuple[str, ...]
    first: Ints
    time_s: Floats
    place: Floats
    geo: bool
    line: Ints

    @property
    def user_count(self) -> int:
        """Number of users."""
        return len(self.ids)


class Samples:
    """Samples in the order of the file, until they are put in the order of a trace.

    Parameters
    ----------
    problems : Problems
        Where to note what is wrong.
    geo : bool
        Whether places are longitude and latitude in degrees.
    """

    def __init__(self, problems: Problems, *, geo: bool) -> None:
        self.problems, self.geo = problems, geo
        self._numbers: dict[str, int] = {}
        self._users: list[int] = []
        self._rows: list[tuple[float, float, float]] = []
        self._lines: list[int] = []
        self.records = 0

    def add(self, user: str, time_s: float, x: float, y: float, line: int) -> None:
        """Add a sample: x and y, or longitude and latitude."""
        if self.geo and not (-180.0 <= x <= 180.0 and -89.0 <= y <= 89.0):
            self.problems.add(
                line,
                f"longitude {x:g}, latitude {y:g}: must lie from -180 to 180 and from -89 to 89",
                self.records,
            )
        self._users.append(self._numbers.setdefault(user, len(self._numbers)))
        self._rows.append((time_s, x, y))
        self._lines.append(line)

    def trace(self) -> Trace:
        """Return the trace.

        Raises
        ------
        TraceError
            Lists what was wrong: problems of the reader, or times that do not ascend.
        """
        if not self._rows:
            self.problems.add(0, "holds no sample of any user")
        self.problems.raise_any()
        users, rows, lines = np.array(self._users), np.array(self._rows), np.array(self._lines)
        order = np.argsort(users, kind="stable")
        ids = tuple(self._numbers)
        self._check_times(ids, users[order], rows[order, 0], lines[order], order)
        first = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(ids)))])
        return Trace(
            source=self.problems.source,
            ids=ids,
            first=frozen(first, np.int64),
            time_s=frozen(rows[order, 0]),
            place=frozen(rows[order, 1:]),
            geo=self.geo,
            line=frozen(lines[order], np.int64),
        )

    def _check_times(
        self, ids: tuple[str, ...], users: Ints, time_s: Floats, lines: Ints, order: Ints
    ) -> None:
        back = (users[1:] == users[:-1]) & (time_s[1:] <= time_s[:-1])
        found = np.flatnonzero(back) + 1
        for i in found[np.argsort(order[found])].tolist():
            before = f"{time_s[i - 1]:.12g} s, line {lines[i - 1]}"
            name = shortened(ids[users[i]])
            if time_s[i] == time_s[i - 1]:
                what = f"user {name} has a sample at this time already ({before})"
            else:
                what = f"earlier than the sample of user {name} before it ({before}); times must ascend"
            self.problems.add(int(lines[i]), f"time {time_s[i]:.12g} s: {what}", int(order[i]) + 1)
        self.problems.raise_any()
