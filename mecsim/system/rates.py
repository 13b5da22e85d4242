"""The one rate law of an instance: rates of links, with the derivatives that optimisers need.

Every law is the perspective ``r = b s(h p / (N0 b))`` of a concave spectral efficiency s of the SNR. So it
is concave in (b, p), its Hessian has rank one, and optimisers treat all laws alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.capped import Capped
from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import efficiency, ergodic_rate, scaled_integral
from mecsim.system.ergodic_capped import ErgodicCapped
from mecsim.system.link_law import LinkLaw, RateDerivatives
from mecsim.system.rate_spec import IDEAL, RateSpec, SpectralEfficiency

_BITS_PER_NAT = 1.0 / math.log(2.0)

Direction = Literal["up", "down"]


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

    def smoothed(self, width: float) -> LinkLaw:
        """Return this law, which has no kink."""
        return self


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

    def smoothed(self, width: float) -> LinkLaw:
        """Return this law, which has no kink."""
        return self


@dataclass(frozen=True, slots=True)
class RateLaw:
    """The rate laws of an instance's uplinks and downlinks."""

    up: LinkLaw
    down: LinkLaw
    # One law that takes uplinks and downlinks as two rows, where there is one.
    _both: LinkLaw | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_both", _joined(self.up, self.down))

    @staticmethod
    def of(noise_w_per_hz: float, spec: RateSpec = IDEAL, *, ergodic: bool = False) -> RateLaw:
        """Return the laws of a specification, by default Shannon's, or their means over Rayleigh fading."""
        return _of(noise_w_per_hz, spec, ergodic)

    @property
    def _is_symmetric(self) -> bool:
        return self.up is self.down or self.up == self.down

    def smoothed(self, width: float) -> RateLaw:
        """Return the law with the kinks smoothed, see :class:`LinkLaw`; itself if there are none."""
        up, down = self.up.smoothed(width), self.down.smoothed(width)
        return self if up is self.up and down is self.down else _pair(up, down)

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
        down = np.array(is_downlink)
        if down.all() or not down.any():
            return (self.down if down[0] else self.up).rate(bandwidth, power, gain)
        rate = np.empty(gain.shape)
        for law, rows in ((self.up, ~down), (self.down, down)):
            rate[rows] = law.rate(bandwidth[rows], power[rows], gain[rows])
        return rate

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
        if self._both is not None:
            return self._both.nat_rate(bandwidth, power, snr_density)
        both = zip((self.up, self.down), power, snr_density, strict=True)
        return np.stack([law.nat_rate(bandwidth, p, c) for law, p, c in both])

    def nat_derivatives(self, bandwidth: Floats, power: Floats, snr_density: Floats) -> RateDerivatives:
        """Return the same rates with their derivatives, each (2, N)."""
        if self._both is not None:
            return self._both.nat_derivatives(bandwidth, power, snr_density)
        both = zip((self.up, self.down), power, snr_density, strict=True)
        each = [law.nat_derivatives(bandwidth, p, c) for law, p, c in both]
        return RateDerivatives(*(np.stack(pair) for pair in zip(*each, strict=True)))


def _law(noise_w_per_hz: float, spec: SpectralEfficiency, *, ergodic: bool) -> LinkLaw:
    if spec.is_ideal:
        return Ergodic(noise_w_per_hz) if ergodic else Shannon(noise_w_per_hz)
    return (ErgodicCapped if ergodic else Capped).of(noise_w_per_hz, spec)


def _joined(up: LinkLaw, down: LinkLaw) -> LinkLaw | None:
    if up is down or up == down:
        return up
    if isinstance(up, Capped) and isinstance(down, Capped) and type(up) is type(down):
        return up.with_downlink(down)
    return None


@lru_cache(maxsize=64)
def _of(noise_w_per_hz: float, spec: RateSpec, ergodic: bool) -> RateLaw:
    up = _law(noise_w_per_hz, spec.up, ergodic=ergodic)
    return RateLaw(up, up if spec.down == spec.up else _law(noise_w_per_hz, spec.down, ergodic=ergodic))


@lru_cache(maxsize=64)
def _pair(up: LinkLaw, down: LinkLaw) -> RateLaw:
    return RateLaw(up, down)
