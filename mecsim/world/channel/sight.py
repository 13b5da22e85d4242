"""Line of sight as a field over the map, one field a server.

A point is in sight of a server where a field of standard normal marginal, looked up in its own
distribution function, is at most the probability of line of sight there. So the share of points in sight
is the probability, a user who stands keeps its state, and places near one another mostly share it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mecsim.rng import Purpose
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.channel.shadowing import WAVES, ShadowingFields

_AMPLITUDE = float(np.sqrt(2.0 / WAVES))


@dataclass(frozen=True, eq=False, slots=True)
class SightFields:
    """The fields of all servers, uniform between 0 and 1 at every point.

    Parameters
    ----------
    fields : ShadowingFields
        Of standard deviation 1, with the autocorrelation ``exp(-distance / decorrelation)``.

    References
    ----------
    3GPP TR 38.901 V17, 7.6.3.3, which compares a spatially consistent uniform variable with the probability.
    """

    fields: ShadowingFields

    @classmethod
    def draw(cls, seed: int, servers: int, decorrelation_m: float) -> SightFields:
        """Draw the fields of ``servers`` servers, each from its own stream."""
        return cls(ShadowingFields.draw(seed, servers, 1.0, decorrelation_m, Purpose.LINE_OF_SIGHT))

    def at(self, servers: Ints, position_m: Floats) -> Floats:
        """Return the values for servers S at positions S + (2,)."""
        return _uniform(self.fields.at(servers, position_m))

    def on_grid(self, servers: Ints, start_m: Floats, step_m: Floats, points: range) -> Floats:
        """Return the values, (P, len(points)), along P straight lines of equal steps."""
        return _uniform(self.fields.on_grid(servers, start_m, step_m, points))


def _uniform(value: Floats) -> Floats:
    uniform: Floats = np.interp(value, *_distribution())
    return uniform


@cache
def _distribution() -> tuple[Floats, Floats]:
    """Return points and the distribution function of ``sqrt(2/K) sum_k cos(u_k)``, u_k uniform, K = WAVES.

    Nearly Gaussian, but for small probabilities not nearly enough. From its characteristic function
    J0(sqrt(2/K) t)^K by the inversion of Gil-Pelaez; the trapezoidal rule is exact to rounding here.
    """
    points = np.arange(4096) / 512.0
    t = (np.arange(1200) + 0.5) / 100.0
    angle = (np.arange(64) + 0.5) * np.pi / 64.0
    bessel = np.cos(_AMPLITUDE * t[:, None] * np.cos(angle)).mean(axis=1)
    weight = bessel**WAVES / t / 100.0 / np.pi
    upper = np.array([0.5 + (weight * np.sin(t * x)).sum() for x in points])
    upper = np.minimum(np.maximum.accumulate(upper), 1.0)
    return frozen(np.concatenate([-points[:0:-1], points])), frozen(
        np.concatenate([1.0 - upper[:0:-1], upper])
    )
