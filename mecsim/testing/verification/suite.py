"""Every check, run one after another, with the level of the whole."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mecsim.errors import MecsimError
from mecsim.messages import nearest
from mecsim.results.blas import one_blas_thread
from mecsim.testing.verification import (
    engine_laws,
    fading,
    largescale,
    mobility,
    oracles,
    queues,
    tandem,
    walks,
)
from mecsim.testing.verification.finding import Check, Finding, Setting

FULL_SIZE = 4
_GROUPS: dict[str, tuple[Check, ...]] = {
    "channel": fading.CHECKS + largescale.CHECKS,
    "mobility": mobility.CHECKS + walks.CHECKS,
    "queues": queues.CHECKS + tandem.CHECKS,
    "optimisers": oracles.CHECKS,
    "engine": engine_laws.LAWS,
    "determinism": engine_laws.DETERMINISM,
}
CHECKS = tuple(replace(check, group=group) for group, checks in _GROUPS.items() for check in checks)


@dataclass(frozen=True, slots=True)
class Row:
    """What one check came to.

    Parameters
    ----------
    check : Check
    finding : Finding
        All NaN if the check raised.
    mutant : Finding or None
        With the bug put in, if that was asked for.
    seconds : float
        Time on the wall for both.
    error : str
        What the check raised.
    """

    check: Check
    finding: Finding
    mutant: Finding | None
    seconds: float
    error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the simulator passed."""
        return not self.error and self.finding.passed

    @property
    def rejected(self) -> bool | None:
        """Whether the bug was noticed; None if it was not put in."""
        return None if self.mutant is None else not self.mutant.passed

    @property
    def fine(self) -> bool:
        """Whether the simulator passed, and its mutant, if there was one, failed."""
        return self.passed and self.rejected is not False


def chosen(only: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks of some groups or whose names begin so; all of them by default.

    Raises
    ------
    MecsimError
        If nothing answers to a name.
    """
    picked: set[str] = set()
    for word in only:
        found = {c.name for c in CHECKS if c.group == word or c.name.lower().startswith(word.lower())}
        if not found:
            names = [*_GROUPS, *(check.name for check in CHECKS)]
            groups = ", ".join(_GROUPS)
            raise MecsimError(
                f"--only {word}: no such check{nearest(word, names)} (groups: {groups}; "
                "or the beginning of a name)"
            )
        picked |= found
    return tuple(check for check in CHECKS if not only or check.name in picked)


def verify(
    checks: Sequence[Check] = CHECKS,
    setting: Setting | None = None,
    *,
    mutants: bool = False,
    on_progress: Callable[[int, str], None] | None = None,
) -> list[Row]:
    """Run checks and return a row for each, whatever they raise."""
    return list(_rows(checks, setting or Setting(), mutants, on_progress))


def _rows(
    checks: Sequence[Check], setting: Setting, mutants: bool, tell: Callable[[int, str], None] | None
) -> Iterator[Row]:
    for done, check in enumerate(checks):
        if tell is not None:
            tell(done, check.name)
        began = time.perf_counter()
        with one_blas_thread():
            finding, error = _judge(check, setting, wrong=False)
            mutant = _judge(check, setting, wrong=True)[0] if mutants else None
        yield Row(check, finding, mutant, time.perf_counter() - began, error)


def _judge(check: Check, setting: Setting, *, wrong: bool) -> tuple[Finding, str]:
    try:
        return check.judge(setting, wrong), ""
    except Exception as error:  # noqa: BLE001 - a check that cannot be carried out is a row that fails
        nothing = Finding(math.nan, math.nan, math.nan, math.nan)
        return nothing, f"{type(error).__name__}: {error}"


def level(rows: Sequence[Row]) -> float:
    """Return at most how likely a right simulator is to fail some row, by an unlucky seed."""
    return math.fsum(row.finding.chance for row in rows)
