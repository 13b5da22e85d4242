"""Checks of rates that stay below Shannon's: S3 of docs/verification.md."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scipy.integrate import quad

from mecsim.system import ergodic_capped
from mecsim.system.capped import Capped
from mecsim.system.ergodic_capped import ErgodicCapped
from mecsim.system.rate_spec import RATES, SpectralEfficiency
from mecsim.testing.verification.fading import power
from mecsim.testing.verification.finding import Check, Finding, Judge, Setting, equal, mean
from mecsim.testing.verification.mutant import replaced

NR, LTE = RATES["nr-256qam"], RATES["lte-36942"]
SNR = 100.0


def _efficiency(spec: SpectralEfficiency, snr: float) -> float:
    """Return the spectral efficiency in bit/s/Hz, by hand."""
    return (1.0 - spec.overhead) * min(spec.efficiency * math.log2(1.0 + snr / spec.gap), spec.cap_bps_hz)


def _moments(spec: SpectralEfficiency) -> tuple[float, float]:
    """Return mean and deviation of the spectral efficiency over Rayleigh fading by quadrature."""
    kink = spec.gap * (2.0 ** (spec.cap_bps_hz / spec.efficiency) - 1.0) / SNR

    def moment(k: int) -> float:
        def below(x: float) -> float:
            return float(_efficiency(spec, SNR * x) ** k * math.exp(-x))

        inside = quad(below, 0.0, kink, epsabs=0.0, epsrel=1e-12)[0]
        return float(inside + _efficiency(spec, math.inf) ** k * math.exp(-kink))

    first, second = moment(1), moment(2)
    return first, math.sqrt(second - first**2)


def above_the_kink(setting: Setting) -> Finding:
    """Check that ten times the SNR of the kink carries 8 x 948/1024 bit/s/Hz less the overhead."""
    law = Capped.of(1.0, NR.up)
    return equal(float(law.rate(1.0, 10.0 * float(law.kink_snr), 1.0)), 0.92 * 7.40625, rel=1e-14)


def below_the_kink(setting: Setting) -> Finding:
    """Check that LTE's uplink carries 0.4 log2(1 + SNR) at 10 dB."""
    return equal(float(Capped.of(1.0, LTE.up).rate(1.0, 10.0, 1.0)), 0.4 * math.log2(11.0), rel=1e-14)


def closed_mean(spec: SpectralEfficiency) -> Judge:
    """Return the check of the closed form of the mean against quadrature."""

    def judge(setting: Setting) -> Finding:
        return equal(float(ErgodicCapped.of(1.0, spec).rate(1.0, SNR, 1.0)), _moments(spec)[0], rel=1e-9)

    return judge


def drawn_mean(setting: Setting) -> Finding:
    """Check the mean of the rate over the fading that a world draws against the closed form."""
    expected = float(ErgodicCapped.of(1.0, NR.down).rate(1.0, SNR, 1.0))
    sample = Capped.of(1.0, NR.down).rate(1.0, SNR, power(setting))
    return mean(sample, expected, _moments(NR.down)[1])


def _without_cap(rate: Any) -> Callable[..., Any]:
    return lambda law, *link: rate(replace(law, cap_nat=math.inf), *link)


NO_CAP = replaced("no cap", Capped, "rate", _without_cap)
SHANNON = replaced(
    "the efficiency of Shannon",
    Capped,
    "rate",
    lambda rate: lambda law, *link: rate(replace(law, efficiency=1.0), *link),
)
NO_LAST_TERM = replaced(
    "the mean without a cap",
    ergodic_capped,
    "capped_integral",
    lambda integral: lambda x, top: integral(x, math.inf),
)

CHECKS = (
    Check("S3 above the kink", "highest rate of 256-QAM", above_the_kink, NO_CAP),
    Check("S3 below the kink", "0.4 log2(1 + SNR), 10 dB", below_the_kink, SHANNON),
    Check("S3 closed form", "nr-256qam, mean at 20 dB", closed_mean(NR.down), NO_LAST_TERM),
    Check("S3 closed form, LTE", "lte-36942, mean at 20 dB", closed_mean(LTE.down), NO_LAST_TERM),
    Check("S3 mean", "nr-256qam over drawn fading", drawn_mean, NO_CAP, bug_size=1.0),
)
