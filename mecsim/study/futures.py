"""Several futures of one past: one policy decides until a moment, each of those compared from then on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mecsim.errors import MecsimError, PolicyNotFound
from mecsim.policy_spec import PolicySpec
from mecsim.study.policy_choice import PolicyChoice
from mecsim.study.runner import as_scenario

if TYPE_CHECKING:
    from mecsim.scenario.schema import Scenario
    from mecsim.study.policy_choice import PolicyLike


def futures(
    scenario: Scenario | str | Path,
    policies: Iterable[PolicyLike],
    *,
    before: PolicyLike,
    from_s: float,
) -> tuple[Scenario, list[PolicyChoice]]:
    """Return what to compare for several futures of one past: ``compare(*futures(...), replications=10)``.

    Parameters
    ----------
    scenario : Scenario, str or Path
        As in :func:`mecsim.compare`.
    policies : iterable of str or mapping
        The policies that decide from the moment on; they keep their labels.
    before : str or mapping
        The policy that decides until then, in every run.
    from_s : float
        The moment, in s: the first decision at this time or later is the compared policy's.

    Returns
    -------
    tuple of Scenario and list of PolicyChoice
        The scenario with ``warmup_s = from_s``, so that metrics are of what follows, and one
        ``switch`` for each policy.

    Raises
    ------
    MecsimError
        If the moment is not within the run, or no decision comes after it.
    PolicyNotFound
        If a policy is not given by its name: a ready-made object cannot be part of another.
    """
    given = as_scenario(scenario)
    if not 0 < from_s < given.duration_s:
        raise MecsimError(f"from_s = {from_s:g}: must be above 0 and below duration_s = {given.duration_s:g}")
    last_s = _last_decision_s(given)
    if from_s > last_s and not given.reallocation.events:
        raise MecsimError(
            f"from_s = {from_s:g}: must be at most {last_s:g}, the time of the last decision (duration_s = "
            f"{given.duration_s:g}, reallocation.period_s = {given.reallocation.period_s:g}); after it all "
            "futures are the same"
        )
    past = _spec(PolicyChoice.of(before))
    choices = [PolicyChoice.of(policy) for policy in policies]
    switched = [
        replace(
            choice,
            target="switch",
            parameters={"policy": past, "then": _spec(choice), "at_s": float(from_s)},
            label=choice.label,
        )
        for choice in choices
    ]
    return given.with_changes({"warmup_s": float(from_s)}), switched


def _last_decision_s(scenario: Scenario) -> float:
    """Return the time of the last periodic decision, which is before the end of the run."""
    period_s = scenario.reallocation.period_s
    return (math.ceil(scenario.duration_s / period_s * (1.0 - 1e-14)) - 1) * period_s


def _spec(choice: PolicyChoice) -> str:
    if choice.instance is not None:
        raise PolicyNotFound(
            f"policy '{choice.label}' is an object: several futures of one past need policies by their names"
        )
    return str(PolicySpec(choice.target, choice.parameters))
