"""The mean Shannon rate over Rayleigh fading, in closed form."""

from __future__ import annotations

import math

import numpy as np

from mecsim.system.arrays import Floats

_FAR = 50.0
_DEPTH = 16


def ergodic_rate(
    bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats, noise_w_per_hz: float
) -> Floats:
    """Return ``E[b log2(1 + g X)] = b e^(1/g) E1(1/g) / ln 2`` in bit/s for X ~ Exp(1).

    g is the mean SNR ``h p / (N0 b)``. Zero where the bandwidth, the power or the gain is zero. The
    arguments are those of :func:`~mecsim.system.equations.shannon_rate`, the gain being the mean.

    References
    ----------
    Lee (1990), "Estimate of channel capacity in Rayleigh fading environment".
    """
    bandwidth = np.asarray(bandwidth_hz, dtype=np.float64)
    received_w = np.asarray(gain, dtype=np.float64) * power_w
    inverse_snr = np.full(np.broadcast(bandwidth, received_w).shape, np.inf)
    heard = (bandwidth > 0) & (received_w > 0)
    np.divide(noise_w_per_hz * bandwidth, received_w, out=inverse_snr, where=heard)
    rate: Floats = bandwidth / math.log(2.0) * _scaled_integral(inverse_snr)
    return rate


def _scaled_integral(x: Floats) -> Floats:
    """Return ``e^x E1(x)`` for x > 0; E1 alone is zero to a double from x = 740 on."""
    from scipy.special import exp1  # a tenth of a second, which only this law has to wait

    near = np.minimum(x, _FAR)
    far = np.maximum(x, _FAR)
    # e^x E1(x) = 1/(x+1 - 1/(x+3 - 4/(x+5 - ...))), which from 50 on is exact after 16 terms.
    fraction = far + (2 * _DEPTH + 1)
    for k in range(_DEPTH, 0, -1):
        fraction = far + (2 * k - 1) - k * k / fraction
    integral: Floats = np.where(x < _FAR, np.exp(near) * exp1(near), 1.0 / fraction)
    return integral
