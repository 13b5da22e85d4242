"""Any rate law in the form that conic solvers take, ``a k ln(1 + j c w / a) + a l``, touching at a point."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mecsim.system.arrays import Floats
from mecsim.system.capped import Capped
from mecsim.system.link_law import LinkLaw
from mecsim.system.rates import Shannon
from mecsim_policies.dashf_reference.solvers import cvxpy

_STEPS = 60
_TOLERANCE = 1e-14
# Below this excess over 1, and so at this SNR, the rate is linear in the power to rounding.
_LINEAR = 1e-7
_LEAST = 1e-12
# A law that grows more slowly than this logarithm gets its value from the linear term.
_LARGEST_LOG = 30.0
_NO_REST = 1e-9


class _Form(NamedTuple):
    """``a k ln(1 + j c w / a) + a l`` with the share a of bandwidth and w of power, where w <= kink a.

    Parameters
    ----------
    factor, gain, linear : (N,) float
        k, j and l.
    kink : (N,) float or None
        The ratio of power to bandwidth beyond which there is no more rate; None for a law without a kink.
    """

    factor: Floats
    gain: Floats
    linear: Floats
    kink: Floats | None = None


def _form(law: LinkLaw, snr: Floats, band: Floats, power: Floats) -> _Form:
    """Return a law as it is, if it has this form, and else one that touches it at a point."""
    one, zero = np.ones_like(snr), np.zeros_like(snr)
    if isinstance(law, Capped):
        kink = law.kink_snr / np.maximum(snr, 1e-300) if has_cap(law) else None
        return _Form(law.share * law.efficiency * one, one / law.gap, zero, kink)
    factor, gain = touching_shannon(law, snr, band, power)
    if isinstance(law, Shannon):
        return _Form(factor, gain, zero)
    value = law.nat_rate(band, power, snr) / band
    rest = value - factor * np.log1p(gain * snr * power / band)
    return _Form(factor, gain, np.where(rest > _NO_REST * value, rest, 0.0))


def touching_shannon(law: LinkLaw, snr: Floats, band: Floats, power: Floats) -> tuple[Floats, Floats]:
    """Return k and j with which Shannon's law has the rate and the gradient of another one at a point.

    Value s and slope s' of the spectral efficiency at the SNR g agree if ``u = j g`` solves
    ``(1 + u) ln(1 + u) / u = s / (g s')``, which is at least 1 because s is concave. Both laws are
    homogeneous in bandwidth and power, so the whole gradients agree then. A point that the alternation of
    part 2 does not move is therefore a stationary one of the true problem, as it is with the transform's nu.
    Where a rate has all but stopped to grow, the slope in the power alone agrees, and the rate is less.
    """
    if isinstance(law, Shannon):
        return np.ones_like(snr), np.ones_like(snr)
    found = law.nat_derivatives(band, power, snr)
    with np.errstate(divide="ignore"):
        ratio = found.rate / (power * found.by_power)
    wanted = np.minimum(ratio, _LARGEST_LOG)
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
    by_slope = np.maximum(power * found.by_power * (1.0 + u) / (u * band), 1e-300)
    factor = np.where(ratio > _LARGEST_LOG, by_slope, found.rate / (band * np.log1p(u)))
    return factor, u / (snr * power / band)


def conic_rate(link: str, p: dict[str, Any], band: Any, power: Any) -> Any:
    """Return ``a ln(1 + c w / a) = a ln((a + c w) / C / a) + a ln C``, with C of the size of the SNR."""
    cp = cvxpy()
    received = cp.multiply(p[f"{link}_band"], band) + cp.multiply(p[f"{link}_power"], power)
    return -cp.rel_entr(band, received) + cp.multiply(p[f"{link}_log"], band)


def stays_below_kink(link: str, p: dict[str, Any], band: Any, power: Any) -> Any:
    """Return the constraint that there is rate for all of the power."""
    cp = cvxpy()
    return cp.multiply(p[f"{link}_below"], power) <= cp.multiply(p[f"{link}_kink"], band)


def conic_constants(
    link: str, law: LinkLaw, snr: Floats, band: Floats, power: Floats, rate: Floats
) -> dict[str, Floats]:
    """Return the constants of one direction; rates count in units of the last point's."""
    form = _form(law, snr, band, power)
    snr = form.gain * snr
    size = np.maximum(1.0, snr)
    constants = {
        f"{link}_scale": rate / form.factor,
        f"{link}_band": 1.0 / size,
        f"{link}_power": snr / size,
        f"{link}_log": np.log(size) + form.linear / form.factor,
    }
    if form.kink is not None:  # no coefficient above 1
        constants |= {f"{link}_below": np.minimum(1.0, 1.0 / form.kink)}
        constants |= {f"{link}_kink": np.minimum(1.0, form.kink)}
    return constants


def has_cap(law: LinkLaw) -> bool:
    """Return whether power beyond some SNR buys no rate."""
    return isinstance(law, Capped) and bool(np.isfinite(law.cap_nat))
