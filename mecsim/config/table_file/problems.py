"""What is wrong with a file, collected while it is read."""

from __future__ import annotations

from mecsim.errors import TraceError

MOST_PROBLEMS = 20


class Problems:
    """The problems of one file, in the order in which they are found.

    Parameters
    ----------
    source : str
        What messages call the file.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines: list[str] = []
        self._order: list[int] = []

    @property
    def by_line(self) -> tuple[str, ...]:
        """The problems so far in the order of the file; those of the file as a whole come first."""
        order = sorted(range(len(self._order)), key=self._order.__getitem__)
        return tuple(self._lines[n] for n in order)

    def add(self, line: int, message: str, record: int | None = None) -> None:
        """Note a problem; with `MOST_PROBLEMS` of them reading ends.

        Parameters
        ----------
        line : int
            Line of the file, from 1; 0 for the file as a whole.
        message : str
            What is wrong and what is allowed.
        record : int, optional
            Number of the record, from 1.

        Raises
        ------
        TraceError
            If this was the last problem that is reported.
        """
        place = f"{self.source}:{line}" if line else self.source
        self._order.append(line)
        self._lines.append(
            f"{place}: {message}" if record is None else f"{place}: record {record}: {message}"
        )
        if len(self._lines) == MOST_PROBLEMS:
            self._lines.append(
                f"{self.source}: these are the first {MOST_PROBLEMS} problems; there may be more"
            )
            self.raise_any()

    @property
    def found(self) -> bool:
        """Whether there are any."""
        return bool(self._lines)

    def raise_any(self) -> None:
        """Raise a TraceError with the problems noted, if there are any."""
        if self._lines:
            raise TraceError(self.source, self._lines)
