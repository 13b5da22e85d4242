"""Contract checks of a short run: it ends, twice with the same bits, and leaves nothing behind."""

from __future__ import annotations

from mecsim.testing.contract_checks.subject import Subject, require


def short_run(subject: Subject) -> None:
    """Require that a run of 60 s with 12 decisions comes to its end in time."""
    for run in subject.short_runs:
        require(not run.fault, run.fault)


def same_run_twice(subject: Subject) -> None:
    """Require the same bits from two processes: no clock, no own generator, no order of a set."""
    first, second = subject.short_runs
    require(not first.fault and not second.fault, "the short run did not come to its end")
    differ = [name for name, digest in first.digests.items() if second.digests[name] != digest]
    require(
        not differ,
        f"two processes gave other {' and '.join(differ)} for one seed: look for a generator of its own, "
        "a clock, id(), or the order of a set",
    )


def leaves_nothing_behind(subject: Subject) -> None:
    """Require that a run leaves observations, threads, folder, generators and the like as they were."""
    first, _ = subject.short_runs
    require(not first.fault, "the short run did not come to its end")
    require(not first.left, "; ".join(first.left))
