"""A trace: samples of where users were, in order of time for each user."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mecsim.config.table_file.problems import Problems
from mecsim.messages import counted, shortened
from mecsim.system.arrays import Floats, Ints, frozen


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
    waypoints : bool
        Whether the file says that users go straight from each place to the next, however long that takes.
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
    waypoints: bool = False

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
    waypoints : bool
        Whether users go straight from sample to sample by definition.
    """

    def __init__(self, problems: Problems, *, geo: bool, waypoints: bool = False) -> None:
        self.problems, self.geo, self._waypoints = problems, geo, waypoints
        self._numbers: dict[str, int] = {}
        self._users, self._lines, self._breaks = array("q"), array("q"), array("b")
        self._time_s, self._x, self._y = array("d"), array("d"), array("d")
        self._columns: tuple[NDArray[Any], ...] | None = None
        self.records = 0
        self.notes: list[str] = []

    def add(
        self, user: str, time_s: float, x: float, y: float, line: int, *, after_break: bool = False
    ) -> None:
        """Add a sample: x and y, or longitude and latitude."""
        if self.geo and not (-180.0 <= x <= 180.0 and -89.0 <= y <= 89.0):
            self._note_degrees(x, y, line, self.records)
        self._users.append(self._numbers.setdefault(user, len(self._numbers)))
        self._time_s.append(time_s)
        self._x.append(x)
        self._y.append(y)
        self._lines.append(line)
        self._breaks.append(after_break)

    def extend(
        self,
        names: list[str],
        users: Ints,
        time_s: Floats,
        x: Floats,
        y: Floats,
        line: Ints,
        record: Ints,
        breaks: NDArray[np.bool_] | None = None,
    ) -> None:
        """Set all samples at once, (S,) each; ``users`` are places in the list of names."""
        if self.geo:
            wrong = (np.abs(x) > 180.0) | (np.abs(y) > 89.0)
            for i in np.flatnonzero(wrong).tolist():
                self._note_degrees(float(x[i]), float(y[i]), int(line[i]), int(record[i]))
        self._numbers = {name: n for n, name in enumerate(names)}
        breaks = np.zeros(len(users), dtype=np.bool_) if breaks is None else breaks
        self._columns = users, time_s, x, y, line, breaks

    def _note_degrees(self, x: float, y: float, line: int, record: int) -> None:
        what = f"longitude {x:g}, latitude {y:g}: must lie from -180 to 180 and from -89 to 89"
        self.problems.add(line, what, record)

    def _taken(self) -> tuple[NDArray[Any], ...]:
        """Return users, times, x, y, lines and breaks in the order of the file."""
        if self._columns is not None:
            columns, self._columns = self._columns, None
            return columns
        single = (self._users, self._time_s, self._x, self._y, self._lines)
        return *map(np.array, single), np.array(self._breaks, dtype=np.bool_)

    def trace(self) -> Trace:
        """Return the trace.

        Raises
        ------
        TraceError
            Lists what was wrong: problems of the reader, or times that do not ascend.
        """
        users, time_s, x, y, lines, breaks = self._taken()
        if len(users) == 0:
            self.problems.add(0, "holds no sample of any user")
        self.problems.raise_any()
        order: Ints | None = None
        if (users[1:] < users[:-1]).any():
            order = np.argsort(users, kind="stable")
            users, time_s, x, y = users[order], time_s[order], x[order], y[order]
            lines, breaks = lines[order], breaks[order]
        place = np.column_stack([x, y])
        del x, y
        again = (users[1:] == users[:-1]) & (time_s[1:] == time_s[:-1])
        again &= (place[1:] == place[:-1]).all(axis=1)
        if again.any():
            self.notes.append(f"{counted(int(again.sum()), 'exact repetition')} passed over")
            kept = np.concatenate([[True], ~again])
            users, time_s, place, lines = users[kept], time_s[kept], place[kept], lines[kept]
            breaks, order = breaks[kept], np.flatnonzero(kept) if order is None else order[kept]
        order = np.arange(len(users)) if order is None else order
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
            waypoints=self._waypoints,
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
