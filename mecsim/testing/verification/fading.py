"""Small-scale fading: C1 to C6 of VERIFICATION, and Rice's, on the world's own links.

A fading of 128 waves is nearly, not exactly, Gaussian: that moves z by 2 at most at these sizes.
"""

from __future__ import annotations

import numpy as np
from scipy.special import j0
from scipy.stats import ncx2

from mecsim.system.arrays import Floats
from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import ergodic_rate
from mecsim.testing.verification.finding import (
    Check,
    Finding,
    Judge,
    Law,
    Setting,
    equal,
    follows,
    mean,
    share,
)
from mecsim.units import SPEED_OF_LIGHT_MPS
from mecsim.world.channel.fading import RayleighLinks
from mecsim.world.channel.local_mean import Link
from mecsim.world.channel.rician import LineOfSightComponent
from mecsim.world.channel.waves import Complexes

SIDE = 100
SPEED_MPS, WAVELENGTH_M = 10.0, SPEED_OF_LIGHT_MPS / 3.5e9
DOPPLER_HZ = SPEED_MPS / WAVELENGTH_M
EXPONENTIAL = Law(lambda x: -np.expm1(-x), lambda p: -np.log1p(-p))
K = 10.0**0.9
# 2 (K + 1) |h|^2 is noncentral chi-squared, of two degrees and 2 K.
RICE = Law(
    lambda x: ncx2.cdf(2.0 * (K + 1.0) * x, 2, 2.0 * K), lambda p: ncx2.ppf(p, 2, 2.0 * K) / (2.0 * (K + 1.0))
)
# SNR in dB: ergodic capacity and the deviation of log2(1 + g X), bit/s/Hz.
CAPACITY = {0: (0.860347382, 0.605761), 10: (2.906514808, 1.315007), 20: (5.884048234, 1.703670)}


def links_after(setting: Setting, *ways_m: float, batches: int = 4) -> list[Complexes]:
    """Return h of 1e4 links a batch after each way travelled."""
    users, servers = np.divmod(np.arange(SIDE * SIDE), SIDE)
    seeds = range(1000 * setting.seed, 1000 * setting.seed + batches * setting.size)
    drawn = [RayleighLinks.draw(seed, SIDE, SIDE, WAVELENGTH_M) for seed in seeds]
    return [
        np.concatenate([links.coefficient(users, servers, np.full(users.size, way)) for links in drawn])
        for way in ways_m
    ]


def power(setting: Setting) -> Floats:
    """Return |h|^2 of independent links."""
    (h,) = links_after(setting, 123.4)
    return np.abs(h) ** 2


def power_law(setting: Setting, wrong: bool) -> Finding:
    """Check that |h|^2 has the law Exp(1)."""
    sample = power(setting)
    return follows(np.sqrt(sample) if wrong else sample, EXPONENTIAL)


def mean_magnitude(setting: Setting, wrong: bool) -> Finding:
    """Check that E|h| = sqrt(pi)/2."""
    sample = power(setting)
    return mean(sample if wrong else np.sqrt(sample), 0.886226925, np.sqrt(0.214601837))


def deep_fades(setting: Setting, wrong: bool) -> Finding:
    """Check that P(|h|^2 < 0.01) = 1 - exp(-0.01); the mutant has two waves."""
    sample = power(setting)
    if wrong:
        phase = 2j * np.pi * np.random.default_rng(setting.seed).random((sample.size, 2))
        sample = np.abs(np.exp(phase).sum(axis=1)) ** 2 / 2
    return share(sample < 0.01, 0.009950166)


def autocorrelation(delay_s: float) -> Judge:
    """Return the check of R(delay) = J0(2 pi f_d delay) against an autoregression in steps of 0.5 ms."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        expected = float(j0(2 * np.pi * DOPPLER_HZ * delay_s))
        first, later = links_after(setting, 5.0, 5.0 + SPEED_MPS * delay_s)
        if wrong:
            rho = float(j0(2 * np.pi * DOPPLER_HZ * 0.5e-3)) ** (delay_s / 0.5e-3)
            (other,) = links_after(setting, 900.0)
            later = rho * first + np.sqrt(1.0 - rho**2) * other
        return mean((first * later.conj()).real, expected, np.sqrt((1.0 + expected**2) / 2.0))

    return judge


def power_autocorrelation(setting: Setting, wrong: bool) -> Finding:
    """Check that E[|h|^2 |h'|^2] = 1 + J0^2, after 5 ms."""
    first, later = links_after(setting, 5.0, 5.0 + SPEED_MPS * 5e-3)
    r = 0.397277122**2
    product = np.abs(first) ** 2 * np.abs(later) ** 2
    return mean(product, 1.0 - 0.397277122 if wrong else 1.0 + r, np.sqrt(3.0 + 14.0 * r + 3.0 * r**2))


def independent_parts(setting: Setting, wrong: bool) -> Finding:
    """Check that the real and the imaginary part of h are uncorrelated."""
    (h,) = links_after(setting, 5.0)
    imaginary = 0.2 * h.real + np.sqrt(1 - 0.2**2) * h.imag if wrong else h.imag
    return mean(h.real * imaginary, 0.0, 0.5)


def crossings(setting: Setting, wrong: bool) -> Finding:
    """Check sqrt(2 pi) f_d exp(-1) crossings of |h| = 1 in unit time; the mutant has a flat spectrum."""
    links = RayleighLinks.draw(21 + setting.seed, SIDE, SIDE, wavelength_m=1.0)
    if wrong:
        rng = np.random.default_rng(setting.seed)
        flat = rng.uniform(-2.0 * np.pi, 2.0 * np.pi, links.wave_rad_per_m.shape)
        links = RayleighLinks(flat, links.phase_rad)
    counts = []
    users, servers = np.divmod(np.arange(SIDE * SIDE), SIDE)
    for part in np.split(np.arange(SIDE * SIDE // 4), 10):
        start, step = np.full(part.size, 37.0), np.full(part.size, 0.01)
        below = links.power_on_grid(users[part], servers[part], start, step) < 1.0
        counts.append((below[:, :-1] & ~below[:, 1:]).sum(axis=1))
    found = np.concatenate(counts)
    return mean(found, 0.922137009 * 511 * 0.01, float(found.std()))


def rician(setting: Setting, ground_m: float = 120.0, *, travelled_m: float = 5.0) -> Complexes:
    """Return h of links with a direct wave of 9 dB over the scattered ones."""
    (scattered,) = links_after(setting, travelled_m)
    link = Link(np.ones(scattered.size), np.full(scattered.size, ground_m), None)
    return LineOfSightComponent(K, WAVELENGTH_M, rise_m=8.5).coefficient(scattered, link)


def rician_law(setting: Setting, wrong: bool) -> Finding:
    """Check Rice's law of |h|^2 at K = 9 dB; the mutant adds powers instead of waves."""
    (scattered,) = links_after(setting, 5.0)
    mixed = (K + np.abs(scattered) ** 2) / (K + 1.0)
    return follows(mixed if wrong else np.abs(rician(setting)) ** 2, RICE)


def rician_power(setting: Setting, wrong: bool) -> Finding:
    """Check the unit mean of |h|^2, whose variance is (1 + 2 K) / (1 + K)^2; the mutant is not normalised."""
    sample = np.abs(rician(setting)) ** 2
    return mean(sample * (K + 1.0) / K if wrong else sample, 1.0, np.sqrt(1.0 + 2.0 * K) / (1.0 + K))


def rician_phase(setting: Setting, wrong: bool) -> Finding:
    """Check E[h' h*] 3 cm farther on: the direct wave turns with the way; the mutant's stands still."""
    moved_m = 0.03
    here, there = rician(setting), rician(setting, 120.0 + moved_m * (not wrong), travelled_m=5.0 + moved_m)
    turns = (np.hypot(120.0 + moved_m, 8.5) - np.hypot(120.0, 8.5)) / WAVELENGTH_M
    fading = j0(2.0 * np.pi * moved_m / WAVELENGTH_M)
    expected = float(K * np.cos(2.0 * np.pi * turns) + fading) / (K + 1.0)
    product = (there * here.conj()).real
    return mean(product, expected, float(product.std()))


def capacity(snr_db: int) -> Judge:
    """Return the check of the mean of log2(1 + g |h|^2) against exp(1/g) E1(1/g) / ln 2."""

    def judge(setting: Setting, wrong: bool) -> Finding:
        expected, sigma = CAPACITY[snr_db]
        fading = power(setting)
        fading = np.full(fading.size, fading.mean()) if wrong else fading
        gain, noise = 1e-10, 4e-21
        power_w = 10 ** (snr_db / 10) * noise * 1e6 / gain
        return mean(shannon_rate(1e6, power_w, gain * fading, noise) / 1e6, expected, sigma)

    return judge


def ergodic(setting: Setting, wrong: bool) -> Finding:
    """Check that the closed form that policies see, at 30 dB; the mutant is log2(1 + mean)."""
    rate = shannon_rate if wrong else ergodic_rate
    return equal(float(rate(1.0, 1000.0, 1.0, 1.0)), 9.143619491, tol=1e-8)


def outage(setting: Setting, wrong: bool) -> Finding:
    """Check that P(log2(1 + 10 |h|^2) < 1) = 1 - exp(-1/10)."""
    sample = power(setting)
    return share((np.log1p if wrong else np.log2)(1.0 + 10.0 * sample) < 1.0, 0.095162582)


def diversity(setting: Setting, wrong: bool) -> Finding:
    """Check that the best of ten users has the mean power H_10; the mutant takes them in turn."""
    sample = power(setting).reshape(-1, 10)
    best = sample[np.arange(len(sample)), np.arange(len(sample)) % 10] if wrong else sample.max(axis=1)
    return mean(best, 2.928968254, float(np.sqrt((1.0 / np.arange(1, 11) ** 2).sum())))


_AR = "a first-order autoregression"
CHECKS = (
    Check("C1 power", "|h|^2 ~ Exp(1)", "the magnitude used as the power", power_law),
    Check("C1 magnitude", "E|h|", "the power used as the magnitude", mean_magnitude),
    Check("C1 deep fades", "P(|h|^2 < 0.01)", "a sum of two waves", deep_fades),
    Check("C2 R(1 ms)", "J0 at 10 m/s, 3.5 GHz", _AR, autocorrelation(1e-3)),
    Check("C2 R(5 ms)", "J0 at 10 m/s, 3.5 GHz", _AR, autocorrelation(5e-3)),
    Check("C2 R(10 ms)", "J0 at 10 m/s, 3.5 GHz", _AR, autocorrelation(10e-3)),
    Check("C3 power", "E[|h|^2|h'|^2] = 1 + J0^2", "1 + J0", power_autocorrelation),
    Check("C3 parts", "E[I Q] = 0", "parts correlated by 0.2", independent_parts),
    Check("C4 crossings", "level 1, in 5.11 / f_d", "a flat Doppler spectrum", crossings),
    Check("C1 Rice", "|h|^2 at K = 9 dB", "powers added for waves", rician_law),
    Check("C1 Rice power", "E|h|^2 at K = 9 dB", "not normalised", rician_power),
    Check("C2 Rice", "E[h'h*] after 3 cm", "a direct wave that stands still", rician_phase),
    *(
        Check(f"C5 {snr_db} dB", "ergodic capacity, bit/s/Hz", "no fading at all", capacity(snr_db))
        for snr_db in CAPACITY
    ),
    Check("C5 closed form", "capacity at 30 dB", "the capacity of the mean", ergodic),
    Check("C6 outage", "P(rate < 1), 10 dB", "log for log2", outage),
    Check("C6 diversity", "E max of 10 users", "users in turn", diversity),
)
