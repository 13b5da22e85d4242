"""A line-of-sight component beside the scattered ones: Rician fading of unit mean power.

``h = sqrt(K / (K + 1)) exp(-i 2 pi d / wavelength) + h_scattered / sqrt(K + 1)`` with K the power of the
line-of-sight component over that of the scattered ones and d the distance from antenna to antenna:
its Doppler shift follows from the movement of the user. Links without line of sight have K = 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.world.channel.fading import squared_magnitude
from mecsim.world.channel.local_mean import Link
from mecsim.world.channel.waves import Complexes, unit_phasor


@dataclass(frozen=True, slots=True)
class LineOfSightComponent:
    """The line-of-sight component of every link.

    Parameters
    ----------
    k : float
        Power over that of the scattered waves, linear.
    wavelength_m : float
    rise_m : float
        Height of the one antenna above the other.

    References
    ----------
    Xiao, Zheng and Beaulieu (2006), "Novel sum-of-sinusoids simulation models for Rayleigh and
    Rician fading channels".
    """

    k: float
    wavelength_m: float
    rise_m: float

    def coefficient(self, scattered: Complexes, link: Link) -> Complexes:
        """Return h of links whose scattered waves have the unit-power coefficients given."""
        k = self.k if link.los is None else np.where(link.los, self.k, 0.0)
        direct = unit_phasor(-2.0 * np.pi / self.wavelength_m * np.hypot(link.ground_m, self.rise_m))
        total: Complexes = np.sqrt(k / (k + 1.0)) * direct + scattered / np.sqrt(k + 1.0)
        return total

    def power(self, scattered: Complexes, link: Link) -> Floats:
        """Return |h|^2, of unit mean."""
        return squared_magnitude(self.coefficient(scattered, link))
