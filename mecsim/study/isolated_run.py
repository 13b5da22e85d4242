"""A run in a process of its own: for foreign code, and wherever there is a time limit."""

from __future__ import annotations

import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from mecsim.errors import PolicyFailed, RunFailed
from mecsim.results.files import has_room
from mecsim.study.answer import decoded, encoded
from mecsim.study.isolation.child import Child
from mecsim.study.isolation.client import Call
from mecsim.study.isolation.ending import Ending
from mecsim.study.isolation.place import line, moment, where
from mecsim.study.outcome import FailureKind, RunOutcome, attempt, failure
from mecsim.study.plan import Run
from mecsim.study.progress import OnProgress


class IsolatedRun:
    """One attempt at a run, in a child of the fork server.

    Parameters
    ----------
    run : Run
    folder : Path or None
        Where its results go.
    limit_s : float or None
        Wall-clock limit.
    on_progress : callable, optional
        Called now and then with the simulated seconds done.
    reuse : bool
        As in :func:`mecsim.study.outcome.attempt`.
    """

    def __init__(
        self,
        run: Run,
        folder: Path | None,
        limit_s: float | None = None,
        on_progress: OnProgress | None = None,
        *,
        reuse: bool = False,
    ) -> None:
        self._run, self._folder, self._limit_s = run, folder, limit_s
        # Foreign code may change the working directory.
        place = folder and folder.absolute()
        self._call = Call(
            attempted,
            run,
            place,
            reuse,
            limit_s=limit_s,
            on_note=on_progress,
            brought=(run.policy.instance,),
        )

    def attempt(self) -> RunOutcome:
        """Return the outcome; when interrupted, the exception has a note of where the run was."""
        try:
            ending = self._call.wait()
        except KeyboardInterrupt as interrupt:
            if isinstance(stopped := getattr(interrupt, "ending", None), Ending):
                interrupt.add_note(outcome_of(stopped, self._run, self._folder, self._limit_s).error)
            raise
        return outcome_of(ending, self._run, self._folder, self._limit_s)

    def stop(self) -> None:
        """End it; the attempt returns where it was."""
        self._call.stop()


def outcome_of(ending: Ending, run: Run, folder: Path | None, limit_s: float | None) -> RunOutcome:
    """Return the outcome of a run whose process ended like that."""
    if ending.how == "answered":
        try:
            return _without_pretence(decoded(ending.value, run, folder), run, folder)
        except ValueError as error:
            message = f"policy '{run.policy.label}' was answered for by {error}"
            return failure(run, RunFailed(message), "killed")
    kinds: dict[str, FailureKind] = {"limit": "timeout", "raised": "raised", "unsent": "raised"}
    told = f"policy '{run.policy.label}' {where(ending, limit_s)}"
    return RunOutcome(
        run.run_id,
        run.policy.label,
        run.seed,
        error=told,
        details=f"{told}\n\n{ending.trace}",
        failure_kind=kinds.get(ending.how, "killed"),
    )


def _without_pretence(outcome: RunOutcome, run: Run, folder: Path | None) -> RunOutcome:
    """Return an outcome that says the store is broken, which stops a study, only if that is so from here."""
    if outcome.failure_kind == "store" and run.is_foreign and folder is not None and has_room(folder.parent):
        return replace(outcome, failure_kind="raised")
    return outcome


def attempted(run: Run, folder: Path | None, reuse: bool, child: Child) -> dict[str, Any]:
    """Return the outcome of a run that is made in this process, for the process that asked."""
    try:
        return encoded(
            _named_run(attempt(run, folder, child.note, reuse=reuse, before_writing=child.ready), child)
        )
    except BaseException as error:  # noqa: BLE001 - a policy that leaves, in whatever way, has failed
        trace = "".join(traceback.format_exception(error))
        ending = Ending("raised", told=_named(error), trace=trace, calls=child.calls, time_s=child.last_s)
        reason = PolicyFailed(f"policy '{run.policy.label}' {where(ending)}")
        return encoded(replace(failure(run, reason), details=trace))


def _named_run(outcome: RunOutcome, child: Child) -> RunOutcome:
    """Return an outcome whose error names the policy: code of others may also raise between its calls."""
    who = f"policy '{outcome.policy}'"
    if not outcome.error or outcome.failure_kind == "store" or who in outcome.error:
        return outcome
    at = moment(Ending("raised", calls=child.calls, time_s=child.last_s))
    place = line(outcome.details)
    told = f"the run of {who} failed{at}: {outcome.error}{place and f' ({place})'}"
    return replace(outcome, error=told)


def _named(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - its text is foreign code too
        return type(error).__name__
