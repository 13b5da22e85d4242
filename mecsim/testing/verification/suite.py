"""All checks, run one after another, and the level of the whole suite."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from mecsim.errors import MecsimError
from mecsim.messages import nearest
from mecsim.results.blas import one_blas_thread
from mecsim.testing.verification import (
    certificates,
    engine_laws,
    fading,
    largescale,
    mobility,
    oracles,
    power_laws,
    queues,
    rate_laws,
    tandem,
    walks,
    work,
)
from mecsim.testing.verification.finding import Check, Finding, Judge, Setting

FULL_SIZE = 4
_GROUPS: dict[str, tuple[Check, ...]] = {
    "channel": fading.CHECKS + rate_laws.CHECKS + largescale.CHECKS,
    "mobility": mobility.CHECKS + walks.CHECKS,
    "queues": queues.CHECKS + tandem.CHECKS,
    "optimisers": oracles.CHECKS + certificates.CHECKS,
    "engine": engine_laws.LAWS + power_laws.CHECKS + work.CHECKS,
    "determinism": engine_laws.DETERMINISM,
}
CHECKS = tuple(replace(check, group=group) for group, checks in _GROUPS.items() for check in checks)


@dataclass(frozen=True, slots=True)
class Row:
    """Outcome of one check.

    Parameters
    ----------
    check : Check
    finding : Finding
        All NaN if the check raised.
    mutant : Finding or None
        On the broken product, if that was asked for.
    seconds : float
        Wall time of both in s.
    error : str
        The exception that the check raised, if any.
    mutant_error : str
        The exception on the broken product, if any: then nothing was rejected.
    """

    check: Check
    finding: Finding
    mutant: Finding | None
    seconds: float
    error: str = ""
    mutant_error: str = ""

    @property
    def passed(self) -> bool:
        """Whether the simulator passes."""
        return not self.error and self.finding.passed

    @property
    def rejected(self) -> bool | None:
        """Whether the check fails on the broken product; None if that was not run."""
        return None if self.mutant is None else not (self.mutant_error or self.mutant.passed)

    @property
    def fine(self) -> bool:
        """Whether the simulator passes and its mutant, if there is one, fails."""
        return self.passed and self.rejected is not False


def chosen(only: Sequence[str] = ()) -> tuple[Check, ...]:
    """Return the checks of some groups or with names that begin with a word; all by default.

    Raises
    ------
    MecsimError
        If a word matches neither.
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
    checks: Sequence[Check], setting: Setting, mutants: bool, on_progress: Callable[[int, str], None] | None
) -> Iterator[Row]:
    for done, check in enumerate(checks):
        if on_progress is not None:
            on_progress(done, check.name)
        began = time.perf_counter()
        with one_blas_thread():
            finding, error = _judge(check.judge, setting)
            mutant, mutant_error = _judge(check.judge_mutant, setting) if mutants else (None, "")
        yield Row(check, finding, mutant, time.perf_counter() - began, error, mutant_error)


def _judge(judge: Judge, setting: Setting) -> tuple[Finding, str]:
    try:
        return judge(setting), ""
    except Exception as error:  # noqa: BLE001 - a check that raises is a row that fails
        nothing = Finding(math.nan, math.nan, math.nan, math.nan)
        return nothing, f"{type(error).__name__}: {error}"


def level(rows: Sequence[Row]) -> float:
    """Return an upper bound of the probability that a correct simulator fails some row by chance."""
    return math.fsum(row.finding.chance for row in rows)
