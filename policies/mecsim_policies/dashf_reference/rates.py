"""Any rate law in the form that conic solvers take, ``a k ln(1 + j c w / a)``, touching at a point."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.rates import LinkLaw, Shannon

_STEPS = 60
_TOLERANCE = 1e-14
# Below this excess over 1, and so at this SNR, the rate is linear in the power to rounding.
_LINEAR = 1e-7
_LEAST = 1e-12


def touching_shannon(law: LinkLaw, snr: Floats, band: Floats, power: Floats) -> tuple[Floats, Floats]:
    """Return k and j with which Shannon's law has the rate and the gradient of another one at a point.

    Value s and slope s' of the spectral efficiency at the SNR g agree if ``u = j g`` solves
    ``(1 + u) ln(1 + u) / u = s / (g s')``, which is at least 1 because s is concave. Both laws are
    homogeneous in bandwidth and power, so the whole gradients agree then. A point that the alternation of
    part 2 does not move is therefore a stationary one of the true problem, as it is with the transform's nu.
    """
    if isinstance(law, Shannon):
        return np.ones_like(snr), np.ones_like(snr)
    found = law.nat_derivatives(band, power, snr)
    wanted = found.rate / (power * found.by_power)
    excess = wanted - 1.0
    is_linear = excess < _LINEAR
    # The left side grows from 1 and is convex in ln u: Newton's method in ln u comes from the far end.
    v = np.where(is_linear, 0.0, wanted)
    for _ in range(_STEPS):
        u = np.exp(v)
        log = np.log1p(u)
        step = np.where(is_linear, 0.0, ((1.0 + u) * log / u - wanted) / (1.0 - log / u))
        v = v - step
        if np.abs(step).max() <= _TOLERANCE:
            break
    u = np.where(is_linear, np.maximum(2.0 * excess, _LEAST), np.exp(v))
    return found.rate / (band * np.log1p(u)), u / (snr * power / band)
