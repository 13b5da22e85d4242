"""Gauss-Markov: a velocity with a memory, held for a step at a time, between borders that are mirrors.

The velocity of step k is ``v_k = mu + u_k`` with ``u_k = a u_{k-1} + sqrt(1 - a^2) sigma w_k``: a the
memory, w_k standard normal, mu of given length in a direction drawn once for the user. Seen in a
mirror at each border the user goes on for ever in a plane of copies of the area, so that a uniform
place together with the stationary velocity (mean mu, deviation sigma) is the law of all times.

References
----------
Liang and Haas (1999), "Predictive distance-based mobility management for PCS networks".
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, ValidationInfo, field_validator

from mecsim.config.base import Real, key, refusal
from mecsim.rng import Purpose, stream
from mecsim.scenario.area import current_area
from mecsim.system.arrays import Floats
from mecsim.world.mobility.borders import mirrored
from mecsim.world.mobility.legs import Legs
from mecsim.world.mobility.model import MODEL, MobilityModel, Share


class GaussMarkov(MobilityModel):
    """Each user's velocity wanders about a mean of its own, with a memory; borders are mirrors."""

    model: Literal["gauss_markov"] = key(MODEL, default="gauss_markov")
    memory: Share = key(
        "Correlation of the velocity with that of one step before: 0 none, 1 a constant velocity",
        example=0.9,
    )
    mean_speed_mps: Annotated[Real, Field(ge=0, le=400)] = key(
        "Speed of a user's mean velocity, whose direction is drawn once", unit="m/s", example=1.2
    )
    sigma_mps: Annotated[Real, Field(ge=0, le=100)] = key(
        "Standard deviation of each component of the velocity", unit="m/s", example=0.4
    )
    step_s: Annotated[Real, Field(ge=0.1, le=1e4)] = key(
        "Time for which a velocity is held", unit="s", default=1.0
    )

    @field_validator("sigma_mps")
    @classmethod
    def _slow_for_the_area(cls, value: float, info: ValidationInfo) -> float:
        area, mean_mps = current_area(), info.data.get("mean_speed_mps")
        if area is not None and mean_mps is not None and mean_mps + 5 * value > 10 * min(area.size_m):
            most = 10 * min(area.size_m)
            raise refusal(((), f"mean_speed_mps + 5 sigma_mps must be at most {most:g}, ten widths a second"))
        return value

    def legs(self, size_m: Floats, seed: int, user: int, until_s: float) -> Legs:
        """Return the legs of a user who starts in the stationary law."""
        start = stream(seed, Purpose.MOBILITY_START, user)
        steps = int(np.ceil(until_s / self.step_s)) + 1
        here, angle = start.random(2) * size_m, 2.0 * np.pi * start.random()
        mean_mps = self.mean_speed_mps * np.array([np.cos(angle), np.sin(angle)])
        pushes = stream(seed, Purpose.MOBILITY_LEGS, user).standard_normal((steps, 2))
        pushes[1:] *= np.sqrt(1.0 - self.memory**2)
        velocity = mean_mps + self.sigma_mps * _remembered(pushes, self.memory)
        start_s = np.arange(steps, dtype=np.float64) * self.step_s
        moved = np.concatenate([np.zeros((1, 2)), np.cumsum(velocity[:-1] * self.step_s, axis=0)])
        return mirrored(start_s, here + moved, velocity, size_m)

    def fastest_mps(self) -> float | None:
        """Return zero if the mean speed and the deviation are zero; else there is no bound."""
        return 0.0 if self.mean_speed_mps == self.sigma_mps == 0 else None


def _remembered(pushes: Floats, memory: float) -> Floats:
    """Return u_k = memory u_{k-1} + pushes_k, doubling the reach of the sum in each pass."""
    total, reach, factor = pushes.copy(), 1, memory
    while reach < len(total) and factor > 0.0:
        total[reach:] += factor * total[:-reach]
        reach, factor = 2 * reach, factor * factor
    return total
