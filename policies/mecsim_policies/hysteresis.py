"""Hysteresis: users change their servers only where that pays by a margin."""

from __future__ import annotations

import dataclasses

import numpy as np

from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.system.allocation import Allocation


class Hysteresis:
    """Another policy, whose handovers are put off unless they raise the predicted SCR by a margin.

    The other policy is asked twice where its first answer moves somebody: as usual, and with
    everybody pinned to the server in force. The first answer is taken if its service-cost ratio on
    the snapshot is more than ``1 + margin`` times that of the second.

    Parameters
    ----------
    policy : str or Policy
        The other policy. ``make_policy`` puts an object in place of a spec, as in
        ``"hysteresis:policy=gucro,margin=0.1"``.
    margin : float
        What handovers must gain, relative to the SCR without them; at least 0.

    Attributes
    ----------
    iterations : int
        Those of the other policy in the last decision.
    predicted_scr : float
        What the other policy predicted for the answer that was taken; NaN if it predicts nothing.
    """

    def __init__(self, policy: Policy | str = "nearest", margin: float = 0.05) -> None:
        if isinstance(policy, str) or not callable(getattr(policy, "allocate", None)):
            raise ValueError(f"policy = {policy!r}: must be a policy (make_policy turns names into policies)")
        number = isinstance(margin, int | float) and not isinstance(margin, bool)
        if not (number and 0 <= margin < float("inf")):
            raise ValueError(f"margin = {margin!r}: must be a number >= 0")
        self.policy, self.margin = policy, float(margin)
        self.iterations, self.predicted_scr = 0, float("nan")

    def reset(self, info: ScenarioInfo, rng: np.random.Generator) -> None:
        """Hand the run's facts and generator to the other policy, if it wants them."""
        hook = getattr(self.policy, "reset", None)
        if hook is not None:
            hook(info, rng)

    def allocate(self, observation: Observation) -> Allocation | None:
        """Return the other policy's answer, or its answer without handovers."""
        self.iterations = 0
        moved = self._ask(observation)
        current = observation.allocation
        if moved is None or current is None or not (moved.server != current.server).any():
            return moved
        predicted = self.predicted_scr
        everybody = np.ones(len(current.server), dtype=bool)
        everybody.flags.writeable = False
        stayed = self._ask(dataclasses.replace(observation, pinned=everybody)) or current
        if (stayed.server != current.server).any():
            raise ValueError(f"{type(self.policy).__name__} moves users who are pinned")
        instance = observation.instance
        if instance.scr(moved) > (1.0 + self.margin) * instance.scr(stayed):
            self.predicted_scr = predicted
            return moved
        return stayed

    def _ask(self, observation: Observation) -> Allocation | None:
        """Return the other policy's answer; note what it predicts of it."""
        answer = self.policy.allocate(observation)
        self.iterations += getattr(self.policy, "iterations", 0)
        predicted = float("nan") if answer is None else getattr(self.policy, "predicted_scr", float("nan"))
        self.predicted_scr = predicted
        return answer
