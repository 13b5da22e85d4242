"""Shannon's rate with an efficiency, a gap, a cap and an overhead, and a smooth law in place of the kink."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple, Self

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.link_law import LinkLaw, RateDerivatives
from mecsim.system.rate_spec import SpectralEfficiency

_BITS_PER_NAT = 1.0 / math.log(2.0)
_HIGH_NAT = 1e6  # beside a direction with a cap: no SNR reaches it, and it can be computed with


class _Limited(NamedTuple):
    """A spectral efficiency in nat, below its cap, with its slope and bend in the one without a cap."""

    value: Floats
    slope: Floats
    bend: Floats


@dataclass(frozen=True, slots=True)
class Capped:
    """``r = (1 - o) b min(eta ln(1 + h p / (G N0 b)), S)`` in nat/s.

    Parameters
    ----------
    noise_w_per_hz : float
        N0.
    efficiency, gap, cap_nat, share : float, or (2, 1) float for uplinks and downlinks at once
        eta, G, S in nat (infinite for none) and 1 - o.
    """

    noise_w_per_hz: float
    efficiency: float | Floats
    gap: float | Floats
    cap_nat: float | Floats
    share: float | Floats

    @classmethod
    def of(cls, noise_w_per_hz: float, spec: SpectralEfficiency) -> Self:
        """Return the law of a specification."""
        cap_nat = spec.cap_bps_hz / _BITS_PER_NAT
        return cls(noise_w_per_hz, spec.efficiency, spec.gap, cap_nat, 1.0 - spec.overhead)

    @property
    def kink_snr(self) -> float | Floats:
        """SNR beyond which power buys no rate, ``G (e^(S / eta) - 1)``."""
        return self.gap * np.expm1(self.cap_nat / self.efficiency)

    def rate(self, bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats) -> Floats:
        """Return the rate in bit/s; zero where bandwidth, power or gain is zero."""
        bandwidth = np.asarray(bandwidth_hz, dtype=np.float64)
        received_w = np.asarray(gain, dtype=np.float64) * power_w
        nats = np.zeros(np.broadcast(bandwidth, received_w).shape)
        noise_w = (self.noise_w_per_hz * self.gap) * bandwidth
        np.divide(received_w, noise_w, out=nats, where=noise_w > 0)
        np.log1p(nats, out=nats)
        nats *= self.efficiency
        np.minimum(nats, self.cap_nat, out=nats)
        nats *= bandwidth * (self.share * _BITS_PER_NAT)
        return nats

    def nat_rate(self, bandwidth: float | Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rate in nat/s of links with bandwidth and power > 0."""
        nats = self.efficiency * np.log1p(snr_density * power / (self.gap * bandwidth))
        rate: Floats = self.share * bandwidth * self._limit(nats)
        return rate

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the rate in nat/s of links with bandwidth, power and gain > 0, with its derivatives.

        At the kink they are those of less power.
        """
        tilt = power / bandwidth
        density = snr_density / self.gap
        snr = density * tilt
        nats = self.efficiency * np.log1p(snr)
        # Slope of the SNR's efficiency in the power; its own bend is the square of this over eta.
        steep = self.efficiency * density / (1.0 + snr)
        limited = self._limited(nats)
        by_power = limited.slope * steep
        curvature = (limited.slope / self.efficiency + limited.bend) * steep**2 / bandwidth
        return RateDerivatives(
            self.share * bandwidth * limited.value,
            self.share * (limited.value - tilt * by_power),
            self.share * by_power,
            self.share * curvature,
            tilt,
        )

    def smoothed(self, width: float) -> LinkLaw:
        """Return a smooth law that is never above this one; without a cap there is no kink."""
        if self.cap_nat == math.inf:
            return self
        return SmoothCapped(self.noise_w_per_hz, self.efficiency, self.gap, self.cap_nat, self.share, width)

    def with_downlink(self, down: Self) -> Self:
        """Return the law of N uplinks and N downlinks at once, this one being that of the uplinks."""
        names = ("efficiency", "gap", "cap_nat", "share")
        both = {name: np.array([[getattr(self, name)], [getattr(down, name)]]) for name in names}
        return replace(self, **both | {"cap_nat": np.minimum(both["cap_nat"], _HIGH_NAT)})

    def _limit(self, nats: Floats) -> Floats:
        limited: Floats = np.minimum(nats, self.cap_nat)
        return limited

    def _limited(self, nats: Floats) -> _Limited:
        rises = (nats <= self.cap_nat).astype(np.float64)
        return _Limited(np.minimum(nats, self.cap_nat), rises, np.zeros_like(nats))


@dataclass(frozen=True, slots=True)
class SmoothCapped(Capped):
    """A law with the smaller root m of ``(a - m) (S - m) = width^2 a S`` in place of ``min(a, S)``.

    Jointly concave and homogeneous in a and S, rising in both, below the smaller one, and by ``width`` of it
    where they are equal. It goes to the minimum with the width, as a barrier method's points go to a
    constraint with one over its weight.

    Parameters
    ----------
    width : float
        Between 0 and 1.
    """

    width: float = 0.0

    def smoothed(self, width: float) -> LinkLaw:
        """Return the law of another width."""
        return replace(self, width=width)

    def _limit(self, nats: Floats) -> Floats:
        e = self.width**2
        product, half = nats * self.cap_nat, 0.5 * (nats - self.cap_nat)
        limited: Floats = (1.0 - e) * product / (half + self.cap_nat + np.sqrt(half**2 + e * product))
        return limited

    def _limited(self, nats: Floats) -> _Limited:
        e, cap = self.width**2, self.cap_nat
        product, half = nats * cap, 0.5 * (nats - cap)
        square = half**2 + e * product
        root = np.sqrt(square)
        rise = half + e * cap
        rest = e * (1.0 - e) * cap**2
        # 1 - rise / root, without its cancellation beyond the kink.
        falls = np.where(rise > 0, rest / (root * (root + np.abs(rise))), 1.0 - rise / root)
        value = (1.0 - e) * product / (half + cap + root)
        return _Limited(value, 0.5 * falls, 0.25 * rest / (square * root))
