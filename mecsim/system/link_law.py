"""What a rate law of one direction is: a rate, and the derivatives that optimisers need."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from mecsim.system.arrays import Floats


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

    def __hash__(self) -> int:
        """Return the hash of its values."""
        ...

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

    def smoothed(self, width: float) -> LinkLaw:
        """Return a smooth law that is never above this one; a law without a kink is its own.

        ``width`` is the relative difference at the kink, the largest there is.
        """
        ...
