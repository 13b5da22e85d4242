"""The mean Shannon rate over Rayleigh fading, in closed form, and its derivatives."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats

# e^x E1(x) = 1/(x+1 - 1/(x+3 - 4/(x+5 - ...))), which from x = 50 on is exact after 16 terms.
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
    rate: Floats = bandwidth / math.log(2.0) * scaled_integral(inverse_snr)
    return rate


def scaled_integral(x: Floats) -> Floats:
    """Return ``e^x E1(x)`` for x > 0: the spectral efficiency in nat at a mean SNR of 1/x.

    E1 alone is zero to a double from x = 740 on.
    """
    from scipy.special import exp1  # a tenth of a second, which only this law has to wait

    is_near = x < _FAR
    near = np.minimum(x, _FAR)
    integral: Floats = np.exp(near) * exp1(near)
    if is_near.all():
        return integral
    far = np.maximum(x, _FAR)
    fraction = far + (2 * _DEPTH + 1)
    for k in range(_DEPTH, 0, -1):
        fraction = far + (2 * k - 1) - k * k / fraction
    return np.where(is_near, integral, 1.0 / fraction)


class Efficiency(NamedTuple):
    """Spectral efficiency s in nat as a function of the mean SNR g: s, s - g s', s' and -s''."""

    value: Floats
    intercept: Floats
    slope: Floats
    curvature: Floats


def efficiency(x: Floats) -> Efficiency:
    """Return the spectral efficiency at a mean SNR of 1/x, x > 0, with its derivatives in the SNR.

    They are elementary in x and ``e^x E1(x)``. For large x these forms cancel; there the
    expectations over the fading are taken by Gauss-Laguerre quadrature, whose terms are all positive.
    """
    value = scaled_integral(x)
    with np.errstate(over="ignore", invalid="ignore"):  # far away, where the quadrature takes over
        intercept = (1.0 + x) * value - 1.0
        slope = x * (1.0 - x * value)
        curvature = x * x * (1.0 + x - x * (2.0 + x) * value)
    far = ~(x < _FAR)
    if far.any():
        intercept[far], slope[far], curvature[far] = _by_quadrature(x[far])
    return Efficiency(value, intercept, slope, curvature)


def _by_quadrature(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Return ``E[X/(x+X)^2]``, ``x E[X/(x+X)]`` and ``x^2 E[(X/(x+X))^2]`` for X ~ Exp(1)."""
    nodes, weights = _laguerre(_DEPTH + 1)
    part = nodes / (x[:, None] + nodes)
    over = x[:, None] / (x[:, None] + nodes)
    return (part * part) @ (weights / nodes), (over * nodes) @ weights, (over * over * nodes**2) @ weights


@lru_cache(maxsize=1)
def _laguerre(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.laguerre.laggauss(count)
    return nodes, weights
