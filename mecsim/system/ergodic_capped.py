"""The mean over Rayleigh fading of a rate with efficiency, gap, cap and overhead, in closed form.

With x = G / g for the mean SNR g and K = e^(S / eta), the mean of ``min(eta ln(1 + X / x), S)`` over
X ~ Exp(1) is eta times the integral of ``e^(-x u) / (1 + u)`` over u from 0 to K - 1. The fading has smoothed
the kink.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.ergodic import Efficiency, scaled_integral
from mecsim.system.link_law import LinkLaw, RateDerivatives
from mecsim.system.rate_spec import SpectralEfficiency

_BITS_PER_NAT = 1.0 / math.log(2.0)
# From here on the elementary forms cancel, and quadrature takes over; the weight is nothing after so much.
_FAR = 50.0
_NOTHING = 45.0
_NODES = 32


@dataclass(frozen=True, slots=True)
class ErgodicCapped:
    """The mean of the rate of :class:`~mecsim.system.capped.Capped` over Rayleigh fading.

    Parameters
    ----------
    noise_w_per_hz : float
        N0.
    efficiency, gap, cap_nat, share : float
        eta, G, S in nat (infinite for none) and 1 - o.
    """

    noise_w_per_hz: float
    efficiency: float
    gap: float
    cap_nat: float
    share: float

    @classmethod
    def of(cls, noise_w_per_hz: float, spec: SpectralEfficiency) -> Self:
        """Return the law of a specification."""
        cap_nat = spec.cap_bps_hz / _BITS_PER_NAT
        return cls(noise_w_per_hz, spec.efficiency, spec.gap, cap_nat, 1.0 - spec.overhead)

    @property
    def _top(self) -> float:
        """K - 1: the SNR at which the cap is reached, in units of G."""
        return math.inf if math.isinf(self.cap_nat) else math.expm1(self.cap_nat / self.efficiency)

    def rate(self, bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats) -> Floats:
        """Return the rate in bit/s; zero where bandwidth, power or gain is zero."""
        bandwidth = np.asarray(bandwidth_hz, dtype=np.float64)
        received_w = np.asarray(gain, dtype=np.float64) * power_w
        x = np.full(np.broadcast(bandwidth, received_w).shape, np.inf)
        heard = (bandwidth > 0) & (received_w > 0)
        np.divide((self.noise_w_per_hz * self.gap) * bandwidth, received_w, out=x, where=heard)
        factor = self.share * self.efficiency * _BITS_PER_NAT
        rate: Floats = (factor * bandwidth) * capped_integral(x, self._top)
        return rate

    def nat_rate(self, bandwidth: float | Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rate in nat/s of links with bandwidth and power > 0."""
        x = self.gap * bandwidth / (snr_density * power)
        rate: Floats = (self.share * self.efficiency * bandwidth) * capped_integral(x, self._top)
        return rate

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the rate in nat/s of links with bandwidth, power and gain > 0, with its derivatives."""
        density = snr_density / self.gap
        per_snr = capped_efficiency(bandwidth / (density * power), self._top)
        factor = self.share * self.efficiency
        return RateDerivatives(
            factor * bandwidth * per_snr.value,
            factor * per_snr.intercept,
            factor * density * per_snr.slope,
            factor * density**2 * per_snr.curvature / bandwidth,
            power / bandwidth,
        )

    def smoothed(self, width: float) -> LinkLaw:
        """Return this law, which has no kink."""
        return self


def capped_integral(x: Floats, top: float) -> Floats:
    """Return the integral of ``e^(-x u) / (1 + u)`` over u from 0 to ``top``, for x > 0.

    That is ``e^x (E1(x) - E1((1 + top) x))``; without a bound ``e^x E1(x)``.
    """
    if math.isinf(top):
        return scaled_integral(x)
    with np.errstate(over="ignore"):
        left: Floats = scaled_integral(x) - np.exp(-top * x) * scaled_integral((1.0 + top) * x)
    return left


def capped_efficiency(x: Floats, top: float) -> Efficiency:
    """Return spectral efficiency and derivatives in g at a mean SNR of g = 1 / x, for eta = G = 1."""
    value = capped_integral(x, top)
    with np.errstate(over="ignore", invalid="ignore"):  # far away, where the quadrature takes over
        y = np.minimum(top * x, 1e3)  # e^-y is nothing there
        over, ended = -np.expm1(-y), np.exp(-y)
        intercept = (1.0 + x) * value - over
        slope = x * (over - x * value)
        curvature = x * x * ((1.0 + x) * over + y * ended - x * (2.0 + x) * value)
    far = ~(x < _FAR)
    if far.any():
        intercept[far], slope[far], curvature[far] = _by_quadrature(x[far], y[far])
    return Efficiency(value, intercept, slope, curvature)


def _by_quadrature(x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the same for large x, from integrals over t = x u up to y, all of whose terms are positive."""
    nodes, weights = _legendre()
    length = np.minimum(y, _NOTHING)[:, None]
    t = length * nodes
    measure = (length * weights) * np.exp(-t)
    part, ended = 1.0 / (1.0 + t / x[:, None]), np.exp(-y)
    at_end = y / (1.0 + y / x)
    intercept = (measure * t * part**2).sum(axis=1) / x**2 + at_end * ended / x
    slope = (measure * t * part).sum(axis=1)
    curvature = (measure * (t * part) ** 2).sum(axis=1) + at_end * y * x * ended
    return intercept, slope, curvature


@lru_cache(maxsize=1)
def _legendre() -> tuple[Floats, Floats]:
    """Return the nodes and weights of Gauss's rule for the unit interval."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return 0.5 * (nodes + 1.0), 0.5 * weights
