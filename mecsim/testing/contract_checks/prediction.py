"""Contract check of what a policy predicts: the SCR of its own decision, by every rate law and objective."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from mecsim.policy import Observation, Policy
from mecsim.system.allocation import Allocation
from mecsim.system.objective import DelayKind, Objective
from mecsim.system.rate_spec import RATES
from mecsim.testing.contract_checks.subject import SYSTEMS, Subject, decide, feasible, require
from mecsim.testing.snapshots import draw_instance, mid_round

PREDICTED_RTOL = 1e-9
_SYSTEMS = ("like the paper", "one of each", "more servers than users", "tiny budgets", "gains of every size")

# Objectives change what is optimised, not on what systems it works: one system tells.
_SYSTEM_OF_OBJECTIVES = _SYSTEMS[0]

_LAWS: dict[str, dict[str, Any]] = {
    "shannon": {},
    "ergodic": {"ergodic": True},
    "nr-256qam": {"rate": RATES["nr-256qam"]},
}


def predicted_scr(subject: Subject) -> None:
    """Show as ``predicted_scr`` the SCR of the decision by the snapshot's own laws, NaN, or nothing."""
    for name in _SYSTEMS:
        if name not in subject.traits.systems:
            continue
        drawn = draw_instance(3, **SYSTEMS[name])
        laws = _LAWS | (_objectives(drawn.user_count) if name == _SYSTEM_OF_OBJECTIVES else {})
        for law, changes in laws.items():
            instance = replace(drawn, **changes)
            policy, nobody = subject.fresh(instance), np.zeros(instance.user_count)
            where = f"system '{name}', {law}"
            first = _judge(policy, Observation.of(instance), where)
            if first is not None:
                _judge(policy, mid_round(instance, first, nobody), f"{where}, in the middle of rounds")


def _objectives(users: int) -> dict[str, dict[str, Any]]:
    delay_weight, energy_weight = np.geomspace(0.4, 3.0, users), np.geomspace(2.0, 0.5, users)
    kinds: tuple[DelayKind, ...] = ("max", "mean")
    return {
        f"{kind} delay with weights": {"objective": Objective(kind, delay_weight, energy_weight)}
        for kind in kinds
    }


def _judge(policy: Policy, observation: Observation, where: str) -> Allocation | None:
    """Return the decision if the prediction beside it, if there is one, is its SCR."""
    answer = decide(policy, observation)
    predicted = getattr(policy, "predicted_scr", None)
    if answer is None or predicted is None:
        return answer
    number = isinstance(predicted, float | int) and not isinstance(predicted, bool)
    require(number, f"{where}: predicted_scr = {predicted!r}: must be a number, or NaN")
    scr = observation.instance.scr(feasible(answer, observation.instance, where))
    close = math.isnan(predicted) or math.isclose(predicted, scr, rel_tol=PREDICTED_RTOL)
    require(close, f"{where}: predicted_scr = {predicted:.12g}, but the SCR is {scr:.12g}")
    return answer
