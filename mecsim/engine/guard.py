"""Calls the policy and lets nothing but a feasible allocation through."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mecsim.errors import InvalidAllocation, PolicyError, PolicyFailed
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.scenario.control import CallEvent
from mecsim.system.allocation import Allocation

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

    Parameters
    ----------
    policy : Policy
    label : str
        What to call the policy in messages.
    on_invalid : {"raise", "hold"}
        What to do about an allocation that is not feasible.
    """

    def __init__(self, policy: Policy, label: str, on_invalid: Literal["raise", "hold"]) -> None:
        self._policy, self._label, self._on_invalid = policy, label, on_invalid
        self.holds = self.late = 0

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Call the policy's optional ``reset``.

        Raises
        ------
        PolicyFailed
            If it raised; the cause is chained.
        """
        hook = getattr(self._policy, "reset", None)
        if hook is None:
            return
        try:
            hook(info, rng)
        except Exception as error:
            raise PolicyFailed(
                f"policy '{self._label}' raised {type(error).__name__} in reset: {error}"
            ) from error

    def decide(self, observation: Observation) -> Decision:
        """Return the decision for an observation.

        Raises
        ------
        PolicyFailed
            If the policy raised; the cause is chained.
        InvalidAllocation
            If the allocation is not feasible, naming fields, users, values and bounds.
        """
        where = f"policy '{self._label}' at t = {observation.time_s:g} s (epoch {observation.epoch})"
        began = time.process_time()
        try:
            answer: object = self._policy.allocate(observation)
        except InvalidAllocation as error:
            return self._refused(where, str(error), observation, time.process_time() - began, error)
        except Exception as error:
            raise PolicyFailed(f"{where} raised {type(error).__name__}: {error}") from error
        cpu_s = time.process_time() - began
        if answer is None and observation.allocation is not None:
            return self._decision(where, observation.allocation, "kept", cpu_s)
        problem = _problem(answer, observation)
        if problem:
            return self._refused(where, problem, observation, cpu_s)
        return self._decision(where, answer, "new", cpu_s)  # type: ignore[arg-type]  # _problem has looked

    def too_late(self, observation: Observation, decision: Decision) -> Decision:
        """Return a decision that holds the allocation in force, in place of one that took too long."""
        if observation.allocation is None:
            return decision
        self.late += 1
        return replace(decision, allocation=observation.allocation, status="late", predicted_scr=math.nan)

    def _refused(
        self,
        where: str,
        problem: str,
        observation: Observation,
        cpu_s: float,
        cause: PolicyError | None = None,
    ) -> Decision:
        if self._on_invalid == "raise" or observation.allocation is None:
            raise InvalidAllocation(f"{where}: {problem}") from cause
        self.holds += 1
        held = self._decision(where, observation.allocation, "held", cpu_s)
        return replace(held, predicted_scr=math.nan)

    def _decision(self, where: str, allocation: Allocation, status: DecisionStatus, cpu_s: float) -> Decision:
        iterations = self._shown(where, "iterations", 0, _WHOLE)
        if not 0 <= iterations < _TOO_MANY or iterations % 1:
            raise PolicyFailed(f"{where}: iterations = {iterations!r}: must be {_WHOLE}")
        predicted_scr = self._shown(where, "predicted_scr", math.nan, "a number")
        return Decision(allocation, status, cpu_s, int(iterations), float(predicted_scr))

    def _shown(self, where: str, name: str, absent: float, allowed: str) -> float:
        """Return a number that the policy shows in an attribute."""
        try:
            value: Any = getattr(self._policy, name, absent)
        except Exception as error:
            raise PolicyFailed(f"{where} raised {type(error).__name__} in {name}: {error}") from error
        if not isinstance(value, int | float | np.integer | np.floating):
            raise PolicyFailed(f"{where}: {name} = {value!r}: must be {allowed}")
        return value  # type: ignore[return-value]  # NumPy's numbers will do


def _problem(answer: object, observation: Observation) -> str:
    """Return what is wrong with an answer, or an empty string."""
    if answer is None:
        return "returned None, but there is no allocation to keep yet"
    if not isinstance(answer, Allocation):
        return f"returned {type(answer).__name__}, must be an Allocation or None"
    violations = [str(violation) for violation in answer.violations(observation.instance)]
    before = observation.allocation
    if not violations and before is not None:
        for n in (observation.pinned & (answer.server != before.server)).nonzero()[0]:
            rule = f"is pinned to server {before.server[n]}"
            violations.append(f"server of user {n} = {answer.server[n]}: {rule}")
    more = f"; and {len(violations) - _SHOWN} more" if len(violations) > _SHOWN else ""
    return "; ".join(violations[:_SHOWN]) + more
