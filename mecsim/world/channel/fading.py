"""Rayleigh fading with Clarke's autocorrelation over the distance travelled.

The coefficient of a link is ``h(s) = sum_k exp(i(2 pi s cos(theta_k) / wavelength + phi_k)) / sqrt(K)``
with s the distance the user has travelled: E[h(s) conj h(s+x)] = J0(2 pi x / wavelength), and the
power averaged over a link's own path is one. A user who stands sees a constant.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from mecsim.rng import DOUBLES_A_STEP, Purpose, stream
from mecsim.system.arrays import Floats, Ints
from mecsim.world.channel.model import Bools
from mecsim.world.channel.waves import WHOLE, Complexes, complex_sum_on_grid, unit_phasor

WAVES = 128

_NEVER = math.nan, np.empty(WAVES, dtype=np.complex128)


@dataclass(frozen=True, eq=False, slots=True)
class RayleighLinks:
    """The waves of every link, drawn when the link is first used.

    Parameters
    ----------
    seed : int
    wavelength_m : float
    wave_rad_per_m : (N, M, WAVES) float
        Doppler wave numbers ``2 pi cos(theta) / wavelength``.
    phase_rad : (N, M, WAVES) float
        Phases where the user started.
    is_drawn : (N, M) bool
        Which links have their waves; the memory of the others has not been touched.
    turns : dict
        By link the last step asked for on a grid, which stays the same along a leg, and phasors, (WAVES,),
        of what the waves turn in it. The two are one entry, so that threads may share a world.

    References
    ----------
    Clarke (1968), "A statistical theory of mobile-radio reception".
    Xiao, Zheng and Beaulieu (2006), "Novel sum-of-sinusoids simulation models for Rayleigh and
    Rician fading channels": one arrival angle drawn in each of K equal sectors.
    """

    seed: int
    wavelength_m: float
    wave_rad_per_m: Floats
    phase_rad: Floats
    is_drawn: Bools
    turns: dict[tuple[int, int], tuple[float, Complexes]] = field(default_factory=dict)

    @classmethod
    def draw(cls, seed: int, users: int, servers: int, wavelength_m: float) -> RayleighLinks:
        """Return the links of every user, each drawn from the user's own stream once it is used."""
        wave, phase = (np.empty((users, servers, WAVES)) for _ in range(2))
        return cls(seed, wavelength_m, wave, phase, np.zeros((users, servers), dtype=np.bool_))

    def waves(self, users: Ints, servers: Ints) -> tuple[Floats, Floats]:
        """Return wave numbers and phases of links S, S + (WAVES,)."""
        missing = ~self.is_drawn[users, servers]
        if missing.any():
            self._draw_links(*(index[missing] for index in np.broadcast_arrays(users, servers)))
        return self.wave_rad_per_m[users, servers], self.phase_rad[users, servers]

    def _draw_links(self, users: Ints, servers: Ints) -> None:
        """Draw some links; the place of each in its user's stream is that of its server."""
        order = np.lexsort((servers, users))
        own, first = np.unique(users[order], return_index=True)
        for n, asked in zip(own.tolist(), np.split(servers[order], first[1:]), strict=True):
            part = slice(int(asked[0]), int(asked[-1]) + 1)
            rng = stream(self.seed, Purpose.FADING, n)
            rng.bit_generator.advance(part.start * 2 * WAVES // DOUBLES_A_STEP)  # type: ignore[attr-defined]
            drawn = rng.random((part.stop - part.start, 2, WAVES))
            angle = 2.0 * np.pi * (np.arange(WAVES) + drawn[:, 0]) / WAVES
            self.wave_rad_per_m[n, part] = 2.0 * np.pi / self.wavelength_m * np.cos(angle)
            self.phase_rad[n, part] = 2.0 * np.pi * drawn[:, 1]
            self.is_drawn[n, part] = True

    def coefficient(self, users: Ints, servers: Ints, travelled_m: Floats) -> Complexes:
        """Return the complex coefficients h of links S after travelled distances S."""
        wave, phase = self.waves(users, servers)
        angle = wave * travelled_m[..., None] + phase
        total: Complexes = unit_phasor(angle).sum(axis=-1) / np.sqrt(WAVES)
        return total

    def coefficient_on_grid(
        self, users: Ints, servers: Ints, start_m: Floats, step_m: Floats, points: range = WHOLE
    ) -> Complexes:
        """Return h of P links along lines of equal steps; arguments and shape as of ``power_on_grid``."""
        total: Complexes = self._sum_on_grid(users, servers, start_m, step_m, points) / np.sqrt(WAVES)
        return total

    def power(self, users: Ints, servers: Ints, travelled_m: Floats) -> Floats:
        """Return the power gains |h|^2, of unit mean, of links S after travelled distances S."""
        return squared_magnitude(self.coefficient(users, servers, travelled_m))

    def power_on_grid(
        self, users: Ints, servers: Ints, start_m: Floats, step_m: Floats, points: range = WHOLE
    ) -> Floats:
        """Return |h|^2, (P, len(points)), of P links along lines of equal steps.

        Parameters
        ----------
        users, servers : (P,) int
        start_m, step_m : (P,) float
            Distance travelled at point 0, and what it gains from point to point.
        points : range
            Successive points of the grid.
        """
        return squared_magnitude(self._sum_on_grid(users, servers, start_m, step_m, points)) / WAVES

    def _sum_on_grid(
        self, users: Ints, servers: Ints, start_m: Floats, step_m: Floats, points: range
    ) -> Complexes:
        wave, phase = self.waves(users, servers)
        turn = self._turn(users, servers, wave, step_m)
        return complex_sum_on_grid(wave * start_m[:, None] + phase, turn, points)

    def _turn(self, users: Ints, servers: Ints, wave: Floats, step_m: Floats) -> Complexes:
        """Return the phasors, (P, WAVES), of what the waves of links turn in a step each."""
        links, steps_m = list(zip(users.tolist(), servers.tolist(), strict=True)), step_m.tolist()
        turn, new = np.empty(wave.shape, dtype=np.complex128), []
        for i, link in enumerate(links):
            turned_m, kept = self.turns.get(link, _NEVER)
            if turned_m == steps_m[i]:
                turn[i] = kept
            else:
                new.append(i)
        if new:
            turn[new] = unit_phasor(wave[new] * step_m[new, None])
            self.turns.update((links[i], (steps_m[i], turn[i].copy())) for i in new)
        return turn


def squared_magnitude(value: Complexes) -> Floats:
    """Return ``|value|^2``."""
    squared: Floats = value.real**2 + value.imag**2
    return squared
