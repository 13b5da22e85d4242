"""Log-normal shadowing as a Gaussian field over the map, one field a server.

Position alone decides the value, so it is the same for two users at one point, for a user who
stands, and however the way there was cut into steps. The field is a sum of plane waves whose
wave numbers follow the spectrum of ``exp(-distance / decorrelation)`` in the plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.channel.waves import WHOLE, cosine_sum_on_grid

WAVES = 64


@dataclass(frozen=True, eq=False, slots=True)
class ShadowingFields:
    """The fields of all servers.

    Parameters
    ----------
    sigma_db : float
        Standard deviation in dB.
    wave_rad_per_m : (M, WAVES, 2) float
        Wave vectors.
    phase_rad : (M, WAVES) float
        Phases at the origin of the map.

    References
    ----------
    Gudmundson (1991), "Correlation model for shadow fading in mobile radio systems".
    Cai and Giannakis (2003), "A two-dimensional channel simulation model for shadowing processes".
    """

    sigma_db: float
    wave_rad_per_m: Floats
    phase_rad: Floats

    @classmethod
    def draw(
        cls,
        seed: int,
        servers: int,
        sigma_db: float,
        decorrelation_m: float,
        purpose: Purpose = Purpose.SHADOWING,
    ) -> ShadowingFields:
        """Draw the fields of ``servers`` servers, each from its own stream of a purpose."""
        drawn = [_draw_waves(stream(seed, purpose, m), decorrelation_m) for m in range(servers)]
        return cls(sigma_db, frozen([wave for wave, _ in drawn]), frozen([phase for _, phase in drawn]))

    def at(self, servers: Ints, position_m: Floats) -> Floats:
        """Return the shadowing in dB of servers S at positions S + (2,)."""
        wave, phase = self.wave_rad_per_m[servers], self.phase_rad[servers]
        angle = wave[..., 0] * position_m[..., 0, None] + wave[..., 1] * position_m[..., 1, None] + phase
        shadowing_db: Floats = self._amplitude * np.cos(angle).sum(axis=-1)
        return shadowing_db

    def on_grid(self, servers: Ints, start_m: Floats, step_m: Floats, points: range = WHOLE) -> Floats:
        """Return the shadowing in dB, (P, len(points)), along P straight lines of equal steps.

        Parameters
        ----------
        servers : (P,) int
        start_m, step_m : (P, 2) float
            Point 0 of each line, and the step from point to point.
        points : range
            Successive points of the grid.
        """
        wave = self.wave_rad_per_m[servers]
        start = wave[..., 0] * start_m[:, :1] + wave[..., 1] * start_m[:, 1:] + self.phase_rad[servers]
        step = wave[..., 0] * step_m[:, :1] + wave[..., 1] * step_m[:, 1:]
        return self._amplitude * cosine_sum_on_grid(start, step, points)

    @property
    def _amplitude(self) -> float:
        return self.sigma_db * float(np.sqrt(2.0 / WAVES))


def _draw_waves(rng: np.random.Generator, decorrelation_m: float) -> tuple[Floats, Floats]:
    # P(|k| <= k) = 1 - 1/sqrt(1 + (k d)^2) is the spectrum of exp(-r/d) in two dimensions; one
    # wave is drawn from each of WAVES equally likely strata of it.
    stratum, direction, phase = rng.random((WAVES, 3)).T
    tail = 1.0 - (np.arange(WAVES) + stratum) / WAVES
    wave_number = np.sqrt(1.0 / tail**2 - 1.0) / decorrelation_m
    angle = 2.0 * np.pi * direction
    wave = np.stack([wave_number * np.cos(angle), wave_number * np.sin(angle)], axis=1)
    return wave, 2.0 * np.pi * phase
