"""Checks in several processes: those of a module stay together, since they share their samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

import cloudpickle

from mecsim.study.import_path import safe_path
from mecsim.study.pool import worker_count
from mecsim.testing.verification.finding import Check, Setting
from mecsim.testing.verification.suite import CHECKS, Row, verify


def verify_in_processes(
    checks: Sequence[Check],
    setting: Setting,
    jobs: int,
    *,
    mutants: bool = False,
    on_progress: Callable[[int, str], None] | None = None,
) -> list[Row]:
    """Run checks of the suite in ``jobs`` processes, all cores for -1; the rows are those of ``verify``.

    Raises
    ------
    MecsimError
        If ``jobs`` is no such number.
    """
    parts = _parts(checks)
    jobs = worker_count(jobs, len(parts))
    if jobs == 1:
        return verify(checks, setting, mutants=mutants, on_progress=on_progress)
    by_name, rows = {check.name: check for check in checks}, dict[str, Row]()
    with safe_path(), ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_rows_of, [c.name for c in part], setting, mutants) for part in parts]
        for done in as_completed(waiting):
            for name, *found in cloudpickle.loads(done.result()):
                rows[name] = Row(by_name[name], *found)
                if on_progress is not None:
                    on_progress(len(rows), name)
    return [rows[check.name] for check in checks]


def _parts(checks: Iterable[Check]) -> list[list[Check]]:
    """Return the checks of each module, the queues first, for they take longest."""
    parts = dict[str, list[Check]]()
    for check in checks:
        parts.setdefault(check.judge.__module__, []).append(check)
    return sorted(parts.values(), key=lambda part: part[0].group != "queues")


def _rows_of(names: list[str], setting: Setting, mutants: bool) -> bytes:
    rows = verify([check for check in CHECKS if check.name in names], setting, mutants=mutants)
    # Judges and mutants stay here, and laws are functions without a name, which pickle cannot send.
    told = [(r.check.name, r.finding, r.mutant, r.seconds, r.error, r.mutant_error) for r in rows]
    sent: bytes = cloudpickle.dumps(told)
    return sent
