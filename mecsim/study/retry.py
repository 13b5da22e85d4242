"""Which runs are tried a second time; the one rule of every study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mecsim.study.outcome import RunOutcome
from mecsim.study.plan import Run

Executor = Callable[[Sequence[Run], int], Iterator[RunOutcome]]
"""Tries every run once, so many at a time, and yields the outcomes as they come."""


def with_retries(runs: Sequence[Run], executor: Executor, jobs: int) -> Iterator[RunOutcome]:
    """Yield the last outcome of each run.

    A run that raised an exception, or whose process was killed, is tried once more after all
    others; those that were killed one at a time, because the memory that other runs took may have
    been the cause. A run that met the time limit, or whose results could not be written, is not
    tried again.
    """
    by_id = {run.run_id: run for run in runs}
    again: dict[str, list[Run]] = {"raised": [], "killed": []}
    for outcome in executor(runs, jobs):
        if outcome.failure_kind in again:
            again[outcome.failure_kind].append(by_id[outcome.run_id])
        else:
            yield outcome
    for failed, at_once in ((again["raised"], jobs), (again["killed"], 1)):
        if failed:
            yield from executor(failed, at_once)
