"""Calls the policy and lets nothing but a feasible allocation through."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mecsim.engine.answer import plain_number
from mecsim.engine.policy_caller import Answer, PolicyCaller
from mecsim.errors import InvalidAllocation, PolicyFailed
from mecsim.foreign_code import shown
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.scenario.control import CallEvent
from mecsim.system.allocation import Allocation, Violation

DecisionStatus = Literal["new", "kept", "held", "late", "empty"]
Cause = Literal["period", CallEvent]

_SHOWN = 5
_TOO_MANY = 2**31
_WHOLE = "a whole number >= 0 and < 2^31"


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of one call: the allocation to put in force, and how it came about.

    ``status`` is ``new``, ``kept`` (the policy returned None), ``held`` (what it returned was not
    feasible and the run says to hold the last allocation) or ``late`` (it took longer than the
    deadline). ``iterations`` and ``predicted_scr`` are what the policy shows in attributes of these
    names: 0 and NaN if it has none. A decision that is held or late has no ``predicted_scr``: what the
    policy shows is about another allocation.
    """

    allocation: Allocation
    status: DecisionStatus
    cpu_s: float
    iterations: int
    predicted_scr: float


class Guard:
    """Checks every decision, docs/model.md section 11.

    The policy gets copies, and what it returns is copied and judged by our own :class:`Allocation` with the
    engine's own budgets (:mod:`mecsim.engine.policy_caller`).

    Parameters
    ----------
    policy : Policy
    label : str
        What to call the policy in messages.
    on_invalid : {"raise", "hold"}
        What to do about an allocation that is not feasible.
    """

    def __init__(self, policy: Policy, label: str, on_invalid: Literal["raise", "hold"]) -> None:
        self.caller = PolicyCaller(policy, label)
        self._on_invalid = on_invalid
        self.holds = self.late = 0

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Call the policy's optional ``reset``.

        Raises
        ------
        PolicyFailed
            If it raised; the cause is chained.
        """
        try:
            self.caller.reset(info, rng)
        except BaseException:
            self.caller.put_back_generators()
            raise

    def decide(self, observation: Observation) -> Decision:
        """Return the decision for an observation.

        Raises
        ------
        PolicyFailed
            If the policy raised; the cause is chained.
        InvalidAllocation
            If the allocation is not feasible, naming fields, users, values and bounds.
        """
        return self.judge(self.caller.ask(observation), observation)

    def judge(self, answer: Answer, observation: Observation) -> Decision:
        """Return the decision that an answer to an observation is; raise InvalidAllocation as `decide`."""
        if answer.problem:
            return self._refused(answer, answer.problem, observation)
        if answer.allocation is not None:
            problem = _problem(answer.allocation, observation)
            if problem:
                return self._refused(answer, problem, observation)
            return self._decision(answer, answer.allocation, "new", observation)
        if observation.allocation is not None:
            return self._decision(answer, observation.allocation, "kept", observation)
        return self._refused(answer, "returned None, but there is no allocation to keep yet", observation)

    def too_late(self, observation: Observation, decision: Decision) -> Decision:
        """Return a decision that holds the allocation in force, in place of one that took too long."""
        if observation.allocation is None:
            return decision
        self.late += 1
        return replace(decision, allocation=observation.allocation, status="late", predicted_scr=math.nan)

    def _refused(self, answer: Answer, problem: str, observation: Observation) -> Decision:
        if self._on_invalid == "raise" or observation.allocation is None:
            raise InvalidAllocation(f"{self.caller.place(observation)}: {problem}") from answer.cause
        self.holds += 1
        held = self._decision(answer, observation.allocation, "held", observation)
        return replace(held, predicted_scr=math.nan)

    def _decision(
        self, answer: Answer, allocation: Allocation, status: DecisionStatus, observation: Observation
    ) -> Decision:
        iterations, predicted_scr = plain_number(answer.iterations), plain_number(answer.predicted_scr)
        if iterations is None or not 0 <= iterations < _TOO_MANY or iterations % 1:
            raise self._wrong(observation, "iterations", answer.iterations, _WHOLE)
        if predicted_scr is None or _is_too_long(predicted_scr):
            raise self._wrong(observation, "predicted_scr", answer.predicted_scr, "a number")
        return Decision(allocation, status, answer.cpu_s, int(iterations), float(predicted_scr))

    def _wrong(self, observation: Observation, name: str, value: object, allowed: str) -> PolicyFailed:
        where = self.caller.place(observation)
        return PolicyFailed(f"{where}: {name} = {shown(value)}: must be {allowed}")


def _is_too_long(number: int | float) -> bool:
    """Return whether a whole number is more than a float can hold."""
    return isinstance(number, int) and number.bit_length() > sys.float_info.max_exp - 1


def _problem(answer: Allocation, observation: Observation) -> str:
    """Return why an allocation is not feasible, or an empty string."""
    violations = _once(answer.violations(observation.instance))
    before = observation.allocation
    if not violations and before is not None:
        for n in (observation.pinned & (answer.server != before.server)).nonzero()[0]:
            rule = f"is pinned to server {before.server[n]}"
            violations.append(f"server of user {n} = {answer.server[n]}: {rule}")
    more = f"; and {len(violations) - _SHOWN} more" if len(violations) > _SHOWN else ""
    return "; ".join(violations[:_SHOWN]) + more


def _once(violations: Sequence[Violation]) -> list[str]:
    """Return one line for each field: the worst of its violations, and how many others there are."""
    by_field: dict[str, list[Violation]] = {}
    for violation in violations:
        by_field.setdefault(violation.field, []).append(violation)
    return [
        str(max(own, key=lambda each: each.excess)) + (f" (the worst of {len(own)})" if len(own) > 1 else "")
        for own in by_field.values()
    ]
