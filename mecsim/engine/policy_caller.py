"""The one place where a policy is called: with copies, and whatever it raises becomes its failure."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable
from dataclasses import dataclass
from inspect import getattr_static
from math import isnan, nan
from types import TracebackType
from typing import Any, NoReturn

import numpy as np

from mecsim.engine.answer import own_answer
from mecsim.engine.global_generators import GlobalGenerators
from mecsim.engine.handout import changed_fields, handed_out
from mecsim.engine.policy_threads import PolicyThreads
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.foreign_code import Interrupts, described, file_of_class, one_line, place_of, text_of
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.system.allocation import Allocation

_LONGEST_PROBLEM = 1000
# Too small to change one where numbers are rounded to the nearest.
_ONE, _TINY = 1.0, 2.0**-60


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one call.

    Parameters
    ----------
    allocation : Allocation or None
        Our own copy of what the policy returned; it has not been compared with the budgets.
    cpu_s : float
        CPU time of the call.
    iterations, predicted_scr : object
        What the policy shows in attributes of these names, read once; 0 and NaN without them.
    problem : str
        Why there is no allocation to judge; empty if there is one, or the policy returned None.
    cause : InvalidAllocation or None
        What the policy raised while it made its allocation.
    """

    allocation: Allocation | None
    cpu_s: float
    iterations: object
    predicted_scr: object
    problem: str = ""
    cause: InvalidAllocation | None = None


class PolicyCaller:
    """Calls one policy; entered as a context, it also watches the policy's threads between the calls.

    Whatever the policy raises is a :class:`~mecsim.errors.PolicyFailed`; only Ctrl-C interrupts. What it
    sets in a context of its own (NumPy's handling of errors, decimal) stays there.

    Parameters
    ----------
    policy : Policy
    label : str
        What to call the policy in messages.
    """

    def __init__(self, policy: Policy, label: str) -> None:
        self._policy: Any = policy
        self._name = f"policy '{one_line(label)}'"
        self._where, self._part = self._name, ""
        self.observations_changed = 0
        self.remarks: dict[str, str] = {}
        self.irreproducible: dict[str, str] = {}
        self._context = contextvars.copy_context()
        self._generators = GlobalGenerators()
        self._threads, self._interrupts = PolicyThreads(file_of_class(type(policy))), Interrupts()

    def __enter__(self) -> PolicyCaller:
        self._interrupts.__enter__()
        self._threads.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.__exit__()
        self._interrupts.__exit__()
        if kind is None:
            self._fail_with_threads()

    def put_back_generators(self) -> None:
        """Let the global generators that the policy has moved be as they were before."""
        self._generators.put_back(self.irreproducible)

    def place(self, observation: Observation) -> str:
        """Return who is asked and when, for messages."""
        return f"{self._name} at t = {observation.time_s:g} s (epoch {observation.epoch})"

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Call the policy's optional ``reset`` with a copy of ``info``.

        Raises
        ------
        PolicyFailed
            If it raised; the cause is chained.
        """
        self._call(self._name, " in reset", lambda: self._reset(handed_out(info), rng))

    def ask(self, observation: Observation) -> Answer:
        """Return our own copy of the policy's answer to a copy of an observation.

        Raises
        ------
        PolicyFailed
            If the policy raised; the cause is chained.
        """
        handed, users = handed_out(observation), observation.instance.user_count
        answer: Answer = self._call(self.place(observation), "", lambda: self._ask(handed, users))
        changed = tuple(changed_fields(observation, handed, "observation"))
        if changed:
            self._note_changes(changed)
        return answer

    def attribute(self, name: str) -> Any:
        """Return an attribute of the policy, None without it; raise PolicyFailed if reading it raises."""
        return self._call(self._name, f" in {name}", lambda: getattr(self._policy, name, None))

    def _ask(self, handed: Observation, users: int) -> Answer:
        allocation, problem, cause = None, "", None
        began, cpu_s = time.process_time(), nan
        try:
            answer = self._policy.allocate(handed)
            cpu_s = time.process_time() - began
            allocation = own_answer(answer, users)
        except InvalidAllocation as error:
            problem, cause = text_of(error, _LONGEST_PROBLEM), error
        cpu_s = time.process_time() - began if isnan(cpu_s) else cpu_s
        self._part = " in iterations"
        iterations = getattr(self._policy, "iterations", 0)
        self._part = " in predicted_scr"
        predicted_scr = getattr(self._policy, "predicted_scr", nan)
        self._part = ""
        return Answer(allocation, cpu_s, iterations, predicted_scr, problem, cause)

    def _reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        try:
            hook = self._policy.reset
        except AttributeError:
            if getattr_static(self._policy, "reset", None) is None:
                return
            raise
        if hook is not None:
            hook(info, rng)

    def _call(self, where: str, part: str, act: Callable[[], Any]) -> Any:
        """Return what code of the policy returns; whatever it raises is its failure."""
        self._where, self._part = where, part
        if self._generators.look() and self._threads.are_running:
            self._note_draw("numpy or random", f"in a thread, {self._moment()}")
        with self._interrupts, self._threads:
            self._fail_with_threads()
            self._threads.call_begins()
            try:
                answer = self._context.run(act)
            except BaseException as error:  # noqa: BLE001 - SystemExit and the like are no way out of a run
                self._look_around()
                self._failed(error)
            if self._look_around():
                raise PolicyFailed(f"{self._where}{self._part} has changed how the processor rounds")
            self._fail_with_threads()
            self._interrupt()
            return answer

    def _failed(self, error: BaseException) -> NoReturn:
        self._interrupt(error)
        kind, colon, text = described(error).partition(":")
        raise PolicyFailed(f"{self._where} raised {kind}{self._part}{colon}{text}") from error

    def _interrupt(self, error: BaseException | None = None) -> None:
        """Raise what Ctrl-C raised in the policy, also if the policy caught it or raised something else."""
        interrupt = self._interrupts.raised
        if interrupt is not None:
            place = place_of(error or interrupt)
            interrupt.add_note(f"interrupted in {self._where}{self._part}{place and f', {place}'}")
            raise interrupt

    def _look_around(self) -> bool:
        """Look at what a call may have left behind; return whether it changed the rounding, now mended."""
        self._threads.call_ends()
        for library in self._generators.look():
            self._note_draw(library, f"first {self._moment()}")
        if _ONE + _TINY == _ONE == _ONE - _TINY:
            return False
        _round_to_nearest()
        return True

    def _fail_with_threads(self) -> None:
        if self._threads.failures:
            error = self._threads.failures.pop(0)
            reason = f"raised in a thread that it started: {described(error)}"
            raise PolicyFailed(f"{self._where} {reason}") from error

    def _note_changes(self, changed: tuple[str, ...]) -> None:
        self.observations_changed += 1
        self.remarks.setdefault(
            "observations_changed",
            f"{self._name} wrote into {', '.join(changed)}, which it was only shown, first {self._moment()}; "
            "nothing of the run follows from that",
        )

    def _note_draw(self, library: str, when: str) -> None:
        self.irreproducible.setdefault(
            library,
            f"{self._name} has drawn from or seeded the global generator of {library}, {when}; "
            "another run may differ (a policy has its own generator in reset)",
        )

    def _moment(self) -> str:
        return self._part.strip() or f"at {self._where.removeprefix(self._name).removeprefix(' at ')}"


def _round_to_nearest() -> None:
    import ctypes

    ctypes.CDLL(None).fesetround(0)  # FE_TONEAREST on every processor that NumPy runs on
