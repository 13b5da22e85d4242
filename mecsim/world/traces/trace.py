"""A trace: samples of where users were, in order of time for each user."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mecsim.messages import counted, shortened
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
    breaks : (S,) bool
        Whether the file says that the user was not followed between the sample before and this one.
    notes : tuple of str
        How the file was read, and what was passed over, one sentence each.
    """

    source: str
    ids: tuple[str, ...]
    first: Ints
    time_s: Floats
    place: Floats
    geo: bool
    line: Ints
    breaks: NDArray[np.bool_]
    notes: tuple[str, ...]

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
        self._users, self._lines, self._breaks = array("q"), array("q"), array("b")
        self._time_s, self._x, self._y = array("d"), array("d"), array("d")
        self.records = 0
        self.notes: list[str] = []

    def add(
        self, user: str, time_s: float, x: float, y: float, line: int, *, after_break: bool = False
    ) -> None:
        """Add a sample: x and y, or longitude and latitude."""
        if self.geo and not (-180.0 <= x <= 180.0 and -89.0 <= y <= 89.0):
            self.problems.add(
                line,
                f"longitude {x:g}, latitude {y:g}: must lie from -180 to 180 and from -89 to 89",
                self.records,
            )
        self._users.append(self._numbers.setdefault(user, len(self._numbers)))
        self._time_s.append(time_s)
        self._x.append(x)
        self._y.append(y)
        self._lines.append(line)
        self._breaks.append(after_break)

    def trace(self) -> Trace:
        """Return the trace.

        Raises
        ------
        TraceError
            Lists what was wrong: problems of the reader, or times that do not ascend.
        """
        if not self._users:
            self.problems.add(0, "holds no sample of any user")
        self.problems.raise_any()
        users, time_s = np.array(self._users), np.array(self._time_s)
        place = np.column_stack([self._x, self._y])
        order = np.argsort(users, kind="stable")
        users, time_s, place = users[order], time_s[order], place[order]
        lines, breaks = np.array(self._lines)[order], np.array(self._breaks, dtype=np.bool_)[order]
        again = (users[1:] == users[:-1]) & (time_s[1:] == time_s[:-1])
        again &= (place[1:] == place[:-1]).all(axis=1)
        if again.any():
            self.notes.append(f"{counted(int(again.sum()), 'exact repetition')} passed over")
            kept = np.concatenate([[True], ~again])
            users, time_s, place, lines = users[kept], time_s[kept], place[kept], lines[kept]
            breaks, order = breaks[kept], order[kept]
        ids = tuple(self._numbers)
        self._check_times(ids, users, time_s, lines, order)
        first = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=len(ids)))])
        return Trace(
            source=self.problems.source,
            ids=ids,
            first=frozen(first, np.int64),
            time_s=frozen(time_s),
            place=frozen(place),
            geo=self.geo,
            line=frozen(lines, np.int64),
            breaks=frozen(breaks, np.bool_),
            notes=tuple(self.notes),
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
