"""Rayleigh fading with Clarke's autocorrelation over the distance travelled.

The coefficient of a link is ``h(s) = sum_k exp(i(2 pi s cos(theta_k) / wavelength + phi_k)) / sqrt(K)``
with s the distance the user has travelled: E[h(s) conj h(s+x)] = J0(2 pi x / wavelength), and the
power averaged over a link's own path is one. A user who stands sees a constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.rng import Purpose, stream
from mecsim.system.arrays import Floats, Ints, frozen
from mecsim.world.channel.waves import Complexes, complex_sum_on_grid, unit_phasor

WAVES = 128


@dataclass(frozen=True, eq=False, slots=True)
class RayleighLinks:
    """The waves of every link.

    Parameters
    ----------
    wave_rad_per_m : (N, M, WAVES) float
        Doppler wave numbers ``2 pi cos(theta) / wavelength``.
    phase_rad : (N, M, WAVES) float
        Phases where the user started.

    References
    ----------
    Clarke (1968), "A statistical theory of mobile-radio reception".
    Xiao, Zheng and Beaulieu (2006), "Novel sum-of-sinusoids simulation models for Rayleigh and
    Rician fading channels": one arrival angle drawn in each of K equal sectors.
    """

    wave_rad_per_m: Floats
    phase_rad: Floats

    @classmethod
    def draw(cls, seed: int, users: int, servers: int, wavelength_m: float) -> RayleighLinks:
        """Draw the links of every user from the user's own stream."""
        drawn = np.stack(
            [stream(seed, Purpose.FADING, n).random((servers, 2, WAVES)) for n in range(users)], axis=0
        )
        angle = 2.0 * np.pi * (np.arange(WAVES) + drawn[:, :, 0]) / WAVES
        wave = 2.0 * np.pi / wavelength_m * np.cos(angle)
        return cls(frozen(wave), frozen(2.0 * np.pi * drawn[:, :, 1]))

    def coefficient(self, users: Ints, servers: Ints, travelled_m: Floats) -> Complexes:
        """Return the complex coefficients h of links S after travelled distances S."""
        angle = self.wave_rad_per_m[users, servers] * travelled_m[..., None] + self.phase_rad[users, servers]
        total: Complexes = unit_phasor(angle).sum(axis=-1) / np.sqrt(WAVES)
        return total

    def coefficient_on_grid(self, users: Ints, servers: Ints, start_m: Floats, step_m: Floats) -> Complexes:
        """Return h, (P, GRID), of P links along lines of equal steps; arguments as of ``power_on_grid``."""
        wave = self.wave_rad_per_m[users, servers]
        start = wave * start_m[:, None] + self.phase_rad[users, servers]
        total: Complexes = complex_sum_on_grid(start, wave * step_m[:, None]) / np.sqrt(WAVES)
        return total

    def power(self, users: Ints, servers: Ints, travelled_m: Floats) -> Floats:
        """Return the power gains |h|^2, of unit mean, of links S after travelled distances S."""
        return squared_magnitude(self.coefficient(users, servers, travelled_m))

    def power_on_grid(self, users: Ints, servers: Ints, start_m: Floats, step_m: Floats) -> Floats:
        """Return |h|^2, (P, GRID), of P links along lines of equal steps.

        Parameters
        ----------
        users, servers : (P,) int
        start_m, step_m : (P,) float
            Distance travelled at the first point, and what it gains from point to point.
        """
        wave = self.wave_rad_per_m[users, servers]
        start = wave * start_m[:, None] + self.phase_rad[users, servers]
        return squared_magnitude(complex_sum_on_grid(start, wave * step_m[:, None])) / WAVES


def squared_magnitude(value: Complexes) -> Floats:
    """Return ``|value|^2``."""
    squared: Floats = value.real**2 + value.imag**2
    return squared
