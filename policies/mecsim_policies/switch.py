"""Switch: one policy decides until a moment, another one from then on."""

from __future__ import annotations

import math

import numpy as np

from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.system.allocation import Allocation


class Switch:
    """One policy decides before a moment, another one from then on, with the allocation it finds in force.

    Runs that differ in ``then`` alone are the same bit for bit until the moment: they are several futures
    of one past. A third policy nests: ``switch:policy=dashf,then=(switch:policy=rucaa,then=dashf,at_s=605),
    at_s=600`` lets ``rucaa`` decide for 5 s.

    Parameters
    ----------
    policy, then : str or Policy
        The policy before the moment, and from it on. ``make_policy`` puts objects in place of specs, as in
        ``"switch:policy=dashf,then=(gucaa:local_fraction=0.3),at_s=600"``.
    at_s : float
        The moment in s: ``then`` makes every decision at this time or later; at least 0.

    Attributes
    ----------
    iterations, predicted_scr
        Those of the policy that made the last decision.
    remarks : tuple of str
        What a reader of the run must know: that the second policy has decided nothing.
    """

    def __init__(
        self, policy: Policy | str = "nearest", then: Policy | str = "water_filling", at_s: float = 60.0
    ) -> None:
        self.policy, self.then = _policy("policy", policy), _policy("then", then)
        number = isinstance(at_s, int | float) and not isinstance(at_s, bool)
        if not (number and 0 <= at_s < float("inf")):
            raise ValueError(f"at_s = {at_s!r}: must be a number >= 0, in s")
        self.at_s = self._moment_s = float(at_s)
        self.iterations, self.predicted_scr = 0, float("nan")
        self._last_s, self._switched = math.nan, False

    @property
    def remarks(self) -> tuple[str, ...]:
        """That the moment came after the last decision, if it did."""
        if self._switched or math.isnan(self._last_s):
            return ()
        return (
            f"at_s = {self.at_s:g} is after the last decision, at {self._last_s:g} s: "
            "the second policy has decided nothing",
        )

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Hand on the run's facts; the second policy gets a generator of its own.

        The first one's draws are those that it has alone, whatever the second one draws.
        """
        # The decision after k periods may come out just below a moment that is k periods: 3 * 0.7 < 2.1.
        decision_s = round(self.at_s / info.period_s) * info.period_s
        is_decision = math.isclose(decision_s, self.at_s, rel_tol=1e-14)
        self._moment_s = min(decision_s, self.at_s) if is_decision else self.at_s
        self._last_s, self._switched = math.nan, False
        for policy, own_rng in ((self.policy, rng), (self.then, rng.spawn(1)[0])):
            hook = getattr(policy, "reset", None)
            if hook is not None:
                hook(info, own_rng)

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the answer of the policy whose time it is."""
        self._last_s, self._switched = observation.time_s, observation.time_s >= self._moment_s
        policy = self.then if self._switched else self.policy
        answer = policy.allocate(observation)
        self.iterations = getattr(policy, "iterations", 0)
        self.predicted_scr = getattr(policy, "predicted_scr", float("nan"))
        return answer


def _policy(name: str, given: Policy | str) -> Policy:
    if isinstance(given, str) or not callable(getattr(given, "allocate", None)):
        raise ValueError(f"{name} = {given!r}: must be a policy (make_policy turns names into policies)")
    return given
