"""The one rate law of an instance: rates of links, with the derivatives that optimisers need.

Every law is the perspective ``r = b s(h p / (N0 b))`` of a concave spectral efficiency s of the SNR. So it
is concave in (b, p), its Hessian has rank one, and optimisers treat all laws alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import efficiency, ergodic_rate, scaled_integral

_BITS_PER_NAT = 1.0 / math.log(2.0)

Direction = Literal["up", "down"]


class RateDerivatives(NamedTuple):
    """A rate with its derivatives in bandwidth b and power p.

    Parameters
    ----------
    rate, by_bandwidth, by_power : arrays
        The rate and its gradient.
    curvature, tilt : arrays
        The Hessian is ``-curvature w w'`` with ``w = (tilt, -1)``; the tilt is p / b.
    """

    rate: Floats
    by_bandwidth: Floats
    by_power: Floats
    curvature: Floats
    tilt: Floats

    @property
    def hessian(self) -> tuple[Floats, Floats, Floats]:
        """Second derivatives by b twice, by b and p, by p twice."""
        mixed = self.curvature * self.tilt
        return -mixed * self.tilt, mixed, -self.curvature

    def times(self, factor: float) -> RateDerivatives:
        """Return the derivatives of a multiple of the rate."""
        return RateDerivatives(
            self.rate * factor,
            self.by_bandwidth * factor,
            self.by_power * factor,
            self.curvature * factor,
            self.tilt,
        )


class LinkLaw(Protocol):
    """The rate law of one direction; a frozen value.

    The methods with ``snr_density`` count in nat/s and take any units: b and p with c = h / N0, or their
    shares of B and P with the SNR ``h P / (N0 B)``.
    """

    @property
    def noise_w_per_hz(self) -> float:
        """Noise power spectral density N0."""
        ...

    def rate(self, bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats) -> Floats:
        """Return the rate in bit/s; zero where bandwidth, power or gain is zero."""
        ...

    def nat_rate(self, bandwidth: float | Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rate in nat/s of links with bandwidth and power > 0."""
        ...

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the rate in nat/s of links with bandwidth, power and gain > 0, with its derivatives."""
        ...


@dataclass(frozen=True, slots=True)
class Shannon:
    """``r = b log2(1 + h p / (N0 b))``."""

    noise_w_per_hz: float

    def rate(self, bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats) -> Floats:
        """Return the rate in bit/s; zero where bandwidth, power or gain is zero."""
        return shannon_rate(bandwidth_hz, power_w, gain, self.noise_w_per_hz)

    def nat_rate(self, bandwidth: float | Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rate in nat/s of links with bandwidth and power > 0."""
        rate: Floats = bandwidth * np.log1p(snr_density * power / bandwidth)
        return rate

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the rate in nat/s of links with bandwidth, power and gain > 0, with its derivatives."""
        tilt = power / bandwidth
        snr = snr_density * tilt
        nats = np.log1p(snr)
        by_power = snr_density / (1.0 + snr)
        return RateDerivatives(
            bandwidth * nats, nats - tilt * by_power, by_power, by_power**2 / bandwidth, tilt
        )


@dataclass(frozen=True, slots=True)
class Ergodic:
    """The mean of Shannon's rate over Rayleigh fading, :mod:`mecsim.system.ergodic`."""

    noise_w_per_hz: float

    def rate(self, bandwidth_hz: float | Floats, power_w: float | Floats, gain: float | Floats) -> Floats:
        """Return the rate in bit/s; zero where bandwidth, power or gain is zero."""
        return ergodic_rate(bandwidth_hz, power_w, gain, self.noise_w_per_hz)

    def nat_rate(self, bandwidth: float | Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rate in nat/s of links with bandwidth and power > 0."""
        rate: Floats = bandwidth * scaled_integral(bandwidth / (snr_density * power))
        return rate

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the rate in nat/s of links with bandwidth, power and gain > 0, with its derivatives."""
        per_snr = efficiency(bandwidth / (snr_density * power))
        return RateDerivatives(
            bandwidth * per_snr.value,
            per_snr.intercept,
            snr_density * per_snr.slope,
            snr_density**2 * per_snr.curvature / bandwidth,
            power / bandwidth,
        )


@dataclass(frozen=True, slots=True)
class RateLaw:
    """The rate laws of an instance's uplinks and downlinks."""

    up: LinkLaw
    down: LinkLaw

    @classmethod
    def of(cls, noise_w_per_hz: float, *, ergodic: bool = False) -> RateLaw:
        """Return Shannon's law both ways, or its mean over Rayleigh fading."""
        law = (Ergodic if ergodic else Shannon)(noise_w_per_hz)
        return cls(law, law)

    @property
    def _is_symmetric(self) -> bool:
        return self.up is self.down or self.up == self.down

    def towards(self, direction: Direction) -> LinkLaw:
        """Return the law of one direction."""
        return self.up if direction == "up" else self.down

    def rate(
        self,
        bandwidth_hz: float | Floats,
        power_w: float | Floats,
        gain: float | Floats,
        direction: Direction = "up",
    ) -> Floats:
        """Return rates in bit/s; zero where bandwidth, power or gain is zero. Arguments broadcast.

        Parameters
        ----------
        bandwidth_hz, power_w, gain : float or array
            Bandwidth b in Hz, transmit power p in W and linear power gain h of each link.
        direction : {"up", "down"}
        """
        return self.towards(direction).rate(bandwidth_hz, power_w, gain)

    def rows(
        self, bandwidth_hz: Floats, power_w: Floats, gain: Floats, is_downlink: Sequence[bool]
    ) -> Floats:
        """Return the rates in bit/s of L links over B blocks, (L, B), each by the law of its direction.

        Parameters
        ----------
        bandwidth_hz, power_w : (L,) float
        gain : (L, B) float
        is_downlink : sequence of L bool
        """
        bandwidth, power = bandwidth_hz[:, None], power_w[:, None]
        if self._is_symmetric:
            return self.up.rate(bandwidth, power, gain)
        up, down = (law.rate(bandwidth, power, gain) for law in (self.up, self.down))
        return np.where(np.array(is_downlink)[:, None], down, up)

    def derivatives(
        self, bandwidth_hz: Floats, power_w: Floats, gain: Floats, direction: Direction = "up"
    ) -> RateDerivatives:
        """Return rates in bit/s with their derivatives by b in Hz and p in W, all of them > 0."""
        law = self.towards(direction)
        return law.nat_derivatives(bandwidth_hz, power_w, gain / law.noise_w_per_hz).times(_BITS_PER_NAT)

    def nat_rates(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> Floats:
        """Return the rates in nat/s of N uplinks and N downlinks with the same bandwidth, (2, N).

        Parameters
        ----------
        bandwidth : (N,) float
        power, snr_density : (2, N) float
            Row 0 is the uplink; in any units, as for :class:`LinkLaw`.
        """
        if self._is_symmetric:
            return self.up.nat_rate(bandwidth, power, snr_density)
        both = zip((self.up, self.down), power, snr_density, strict=True)
        return np.stack([law.nat_rate(bandwidth, p, c) for law, p, c in both])

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the same rates with their derivatives, each (2, N)."""
        if self._is_symmetric:
            return self.up.nat_derivatives(bandwidth, power, snr_density)
        both = zip((self.up, self.down), power, snr_density, strict=True)
        each = [law.nat_derivatives(bandwidth, p, c) for law, p, c in both]
        return RateDerivatives(*(np.stack(pair) for pair in zip(*each, strict=True)))
