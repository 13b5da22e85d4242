"""Rates in the reference's convex problem: Shannon's as a relative entropy, any concave law by tangents."""

from __future__ import annotations

from typing import Any

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.rates import LinkLaw
from mecsim_policies.dashf_reference.solvers import cvxpy

TANGENTS = 200
# The outermost tangents touch at e^-_SPAN and e^_SPAN times the last point's SNR.
_SPAN = 12.0


def shannon_rates(link: str, rate: Any, band: Any, power: Any, parameters: dict[str, Any]) -> list[Any]:
    """Return the constraint that a rate is at most Shannon's; the link's parameters are added.

    ``a ln(1 + c w / a) = a ln((a + c w) / C / a) + a ln C``, with C of the size of the SNR.
    """
    cp = cvxpy()
    names = ("scale", "band", "power", "log")
    scale, of_band, of_power, log = (cp.Parameter(rate.size, nonneg=True) for _ in names)
    parameters |= {
        f"{link}_{name}": p for name, p in zip(names, (scale, of_band, of_power, log), strict=True)
    }
    received = cp.multiply(of_band, band) + cp.multiply(of_power, power)
    return [cp.multiply(scale, rate) <= -cp.rel_entr(band, received) + cp.multiply(log, band)]


def shannon_parameters(
    link: str, law: LinkLaw, snr: Floats, band: Floats, power: Floats
) -> dict[str, Floats]:
    """Return the values of those parameters; rates count in units of the last point's."""
    size = np.maximum(1.0, snr)
    return {
        f"{link}_scale": law.nat_rate(band, power, snr),
        f"{link}_band": 1.0 / size,
        f"{link}_power": snr / size,
        f"{link}_log": np.log(size),
    }


def tangent_rates(link: str, rate: Any, band: Any, power: Any, parameters: dict[str, Any]) -> list[Any]:
    """Return the constraint that a rate is at most the least of its tangents; parameters are added."""
    cp = cvxpy()
    shape = (TANGENTS, rate.size)
    of_band, of_power = (cp.Parameter(shape, nonneg=True) for _ in range(2))
    parameters |= {f"{link}_tangent_band": of_band, f"{link}_tangent_power": of_power}
    column = np.ones((TANGENTS, 1))
    rows = (column @ cp.reshape(each, (1, rate.size), order="C") for each in (rate, band, power))
    rates, bands, powers = rows
    return [rates <= cp.multiply(of_band, bands) + cp.multiply(of_power, powers)]


def tangent_parameters(
    link: str, law: LinkLaw, snr: Floats, band: Floats, power: Floats
) -> dict[str, Floats]:
    """Return the values of those parameters; rates count in units of the last point's.

    The tangent to ``s(g)`` at g is ``(s - g s') + s' g``, and that to the rate the same times the bandwidth.
    The tangents are dense at the last point's SNR, where one of them touches.
    """
    steps = np.linspace(-1.0, 1.0, TANGENTS + 1)[1:]
    at = band / power * np.exp(-_SPAN * steps**3)[:, None]
    found = law.nat_derivatives(at, np.ones_like(at), snr * np.ones_like(at))
    scale = law.nat_rate(band, power, snr)
    return {
        f"{link}_tangent_band": found.by_bandwidth / scale,
        f"{link}_tangent_power": found.by_power / scale,
    }
