"""Small-scale fading, rows C1 to C6 of docs/verification.md, on the links of the world's own classes.

The sum of 128 waves is nearly, not exactly, Gaussian; that moves z by 2 at most at these sample sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.special import j0
from scipy.stats import ncx2

from mecsim.system import equations, ergodic
from mecsim.system.arrays import Floats, Ints
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
from mecsim.testing.verification.mutant import replaced, reused
from mecsim.units import SPEED_OF_LIGHT_MPS
from mecsim.world.channel import fading
from mecsim.world.channel.fading import RayleighLinks
from mecsim.world.channel.local_mean import Link
from mecsim.world.channel.rician import LineOfSightComponent
from mecsim.world.channel.waves import Complexes

SIDE = 100
# Users and servers of all links.
_ALL = np.divmod(np.arange(SIDE * SIDE), SIDE)
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


def draw_links(setting: Setting, batches: int = 4) -> list[RayleighLinks]:
    """Return batches of 1e4 independent links."""
    seeds = range(1000 * setting.seed, 1000 * setting.seed + setting.count(batches))
    return [RayleighLinks.draw(seed, SIDE, SIDE, WAVELENGTH_M) for seed in seeds]


def links_after(setting: Setting, *ways_m: float, batches: int = 4) -> list[Complexes]:
    """Return the coefficients h of 1e4 links a batch after each of some travelled distances."""
    drawn = draw_links(setting, batches)
    return [
        np.concatenate([links.coefficient(*_ALL, np.full(SIDE * SIDE, way)) for links in drawn])
        for way in ways_m
    ]


@reused
def coefficients(setting: Setting, way_m: float) -> Complexes:
    """Return the coefficients h of independent links after a travelled distance."""
    (found,) = links_after(setting, way_m)
    return found


@reused
def power(setting: Setting) -> Floats:
    """Return |h|^2 of independent links."""
    way_m = np.full(SIDE * SIDE, 123.4)
    return np.concatenate([links.power(*_ALL, way_m) for links in draw_links(setting)])


def power_law(setting: Setting) -> Finding:
    """Check that |h|^2 has the law Exp(1)."""
    return follows(power(setting), EXPONENTIAL)


def mean_magnitude(setting: Setting) -> Finding:
    """Check that E|h| = sqrt(pi)/2."""
    return mean(np.sqrt(power(setting)), 0.886226925, np.sqrt(0.214601837))


def deep_fades(setting: Setting) -> Finding:
    """Check that P(|h|^2 < 0.01) = 1 - exp(-0.01)."""
    return share(power(setting) < 0.01, 0.009950166)


def autocorrelation(delay_s: float) -> Judge:
    """Return the check of R(delay) = J0(2 pi f_d delay)."""

    def judge(setting: Setting) -> Finding:
        expected = float(j0(2 * np.pi * DOPPLER_HZ * delay_s))
        first, later = coefficients(setting, 5.0), coefficients(setting, 5.0 + SPEED_MPS * delay_s)
        return mean((first * later.conj()).real, expected, np.sqrt((1.0 + expected**2) / 2.0))

    return judge


def power_autocorrelation(setting: Setting) -> Finding:
    """Check that E[|h|^2 |h'|^2] = 1 + J0^2, after 5 ms."""
    first, later = coefficients(setting, 5.0), coefficients(setting, 5.0 + SPEED_MPS * 5e-3)
    r = 0.397277122**2
    product = np.abs(first) ** 2 * np.abs(later) ** 2
    return mean(product, 1.0 + r, np.sqrt(3.0 + 14.0 * r + 3.0 * r**2))


def independent_parts(setting: Setting) -> Finding:
    """Check that the real and the imaginary part of h are uncorrelated."""
    h = coefficients(setting, 5.0)
    return mean(h.real * h.imag, 0.0, 0.5)


def crossings(setting: Setting) -> Finding:
    """Check that |h| = 1 is crossed sqrt(2 pi) f_d exp(-1) times in unit time."""
    links = RayleighLinks.draw(21 + setting.seed, SIDE, SIDE, wavelength_m=1.0)
    counts = []
    users, servers = _ALL
    for part in np.split(np.arange(SIDE * SIDE // 4), 10):
        start, step = np.full(part.size, 37.0), np.full(part.size, 0.01)
        below = links.power_on_grid(users[part], servers[part], start, step) < 1.0
        counts.append((below[:, :-1] & ~below[:, 1:]).sum(axis=1))
    found = np.concatenate(counts)
    return mean(found, 0.922137009 * 511 * 0.01, float(found.std()))


def rician(setting: Setting, ground_m: float = 120.0, *, travelled_m: float = 5.0) -> Complexes:
    """Return h of links with a direct wave of 9 dB over the scattered ones."""
    scattered = coefficients(setting, travelled_m)
    link = Link(np.ones(scattered.size), np.full(scattered.size, ground_m), None)
    return LineOfSightComponent(K, WAVELENGTH_M, rise_m=8.5).coefficient(scattered, link)


def rician_law(setting: Setting) -> Finding:
    """Check Rice's law of |h|^2 at K = 9 dB."""
    return follows(np.abs(rician(setting)) ** 2, RICE)


def rician_power(setting: Setting) -> Finding:
    """Check the unit mean of |h|^2, whose variance is (1 + 2 K) / (1 + K)^2."""
    sample = np.abs(rician(setting)) ** 2
    return mean(sample, 1.0, np.sqrt(1.0 + 2.0 * K) / (1.0 + K))


def rician_phase(setting: Setting) -> Finding:
    """Check E[h' h*] 3 cm farther on, where the direct wave has another phase."""
    moved_m = 0.03
    here, there = rician(setting), rician(setting, 120.0 + moved_m, travelled_m=5.0 + moved_m)
    turns = (np.hypot(120.0 + moved_m, 8.5) - np.hypot(120.0, 8.5)) / WAVELENGTH_M
    scattered = j0(2.0 * np.pi * moved_m / WAVELENGTH_M)
    expected = float(K * np.cos(2.0 * np.pi * turns) + scattered) / (K + 1.0)
    product = (there * here.conj()).real
    return mean(product, expected, float(product.std()))


def capacity(snr_db: int) -> Judge:
    """Return the check of the mean of log2(1 + g |h|^2) against exp(1/g) E1(1/g) / ln 2."""

    def judge(setting: Setting) -> Finding:
        expected, sigma = CAPACITY[snr_db]
        sample = power(setting)
        gain, noise = 1e-10, 4e-21
        power_w = 10 ** (snr_db / 10) * noise * 1e6 / gain
        return mean(equations.shannon_rate(1e6, power_w, gain * sample, noise) / 1e6, expected, sigma)

    return judge


def ergodic_capacity(setting: Setting) -> Finding:
    """Check the closed form of the mean rate at 30 dB, which policies see."""
    return equal(float(ergodic.ergodic_rate(1.0, 1000.0, 1.0, 1.0)), 9.143619491, tol=1e-8)


def outage(setting: Setting) -> Finding:
    """Check that P(log2(1 + 10 |h|^2) < 1) = 1 - exp(-1/10)."""
    return share(equations.shannon_rate(1.0, 10.0, power(setting), 1.0) < 1.0, 0.095162582)


def diversity(setting: Setting) -> Finding:
    """Check that the best of ten users has the mean power H_10."""
    best = power(setting).reshape(-1, 10).max(axis=1)
    return mean(best, 2.928968254, float(np.sqrt((1.0 / np.arange(1, 11) ** 2).sum())))


def _changed_power(change: Callable[[Floats], Floats]) -> Callable[[Any], Any]:
    return lambda power: lambda *link: change(power(*link))


def _with_waves(draw_waves: Callable[[np.random.Generator, tuple[int, ...]], Floats]) -> Callable[[Any], Any]:
    """Return a maker of links whose wave numbers, in 1/wavelength, are drawn otherwise."""

    def make(draw: Any) -> Any:
        def broken(seed: int, users: int, servers: int, wavelength_m: float) -> RayleighLinks:
            links: RayleighLinks = draw(seed, users, servers, wavelength_m)
            own, _ = links.waves(np.arange(users)[:, None], np.arange(servers))
            waves = draw_waves(np.random.default_rng(seed), own.shape)
            return replace(links, wave_rad_per_m=waves / wavelength_m)

        return broken

    return make


def _correlated_parts(coefficient: Any) -> Any:
    def broken(*link: Any) -> Complexes:
        h = coefficient(*link)
        mixed: Complexes = h.real + 1j * (0.2 * h.real + np.sqrt(1 - 0.2**2) * h.imag)
        return mixed

    return broken


def _same_for_all_servers(power: Any) -> Any:
    def broken(links: RayleighLinks, users: Ints, servers: Ints, way_m: Floats) -> Floats:
        sample: Floats = power(links, users, np.zeros_like(servers), way_m)
        return sample

    return broken


def _powers_added(coefficient: Any) -> Any:
    def broken(direct: LineOfSightComponent, scattered: Complexes, link: Link) -> Complexes:
        return np.sqrt((K + np.abs(scattered) ** 2) / (K + 1.0)) + 0j

    return broken


def _standing_wave(coefficient: Any) -> Any:
    def broken(direct: LineOfSightComponent, scattered: Complexes, link: Link) -> Complexes:
        still = replace(link, ground_m=np.full_like(link.ground_m, 120.0))
        result: Complexes = coefficient(direct, scattered, still)
        return result

    return broken


# An autoregression in steps of 0.5 ms has a Lorentzian Doppler spectrum.
_DECAY = -np.log(j0(2 * np.pi * DOPPLER_HZ * 0.5e-3)) / (0.5e-3 * DOPPLER_HZ)
AUTOREGRESSION = replaced(
    "a first-order autoregression",
    RayleighLinks,
    "draw",
    _with_waves(lambda rng, shape: _DECAY * np.tan(np.pi * (rng.random(shape) - 0.5))),
)
FLAT_SPECTRUM = replaced(
    "a flat Doppler spectrum",
    RayleighLinks,
    "draw",
    _with_waves(lambda rng, shape: rng.uniform(-2.0 * np.pi, 2.0 * np.pi, shape)),
)
MAGNITUDE = replaced("the magnitude used as the power", RayleighLinks, "power", _changed_power(np.sqrt))
SQUARED = replaced("the power squared", RayleighLinks, "power", _changed_power(np.square))
NO_FADING = replaced("no fading at all", RayleighLinks, "power", _changed_power(np.ones_like))
TWO_WAVES = replaced("a sum of two waves", fading, "WAVES", lambda _: 2)
CORRELATED = replaced("parts correlated by 0.2", RayleighLinks, "coefficient", _correlated_parts)
ONE_FOR_ALL = replaced("one fading for all links of a user", RayleighLinks, "power", _same_for_all_servers)
POWERS_ADDED = replaced("powers added for waves", LineOfSightComponent, "coefficient", _powers_added)
NOT_NORMALISED = replaced(
    "not normalised",
    LineOfSightComponent,
    "coefficient",
    lambda coefficient: lambda *args: coefficient(*args) * np.sqrt((K + 1.0) / K),
)
STANDING_WAVE = replaced(
    "a direct wave of constant phase", LineOfSightComponent, "coefficient", _standing_wave
)
OF_THE_MEAN = replaced("the capacity of the mean", ergodic, "ergodic_rate", lambda _: equations.shannon_rate)
NATURAL_LOGARITHM = replaced(
    "log for log2", equations, "shannon_rate", lambda rate: lambda *args: rate(*args) * np.log(2.0)
)

CHECKS = (
    Check("C1 power", "|h|^2 ~ Exp(1)", power_law, MAGNITUDE),
    Check("C1 magnitude", "E|h|", mean_magnitude, SQUARED),
    Check("C1 deep fades", "P(|h|^2 < 0.01)", deep_fades, TWO_WAVES),
    Check("C2 R(1 ms)", "J0 at 10 m/s, 3.5 GHz", autocorrelation(1e-3), AUTOREGRESSION, bug_size=0.5),
    Check("C2 R(5 ms)", "J0 at 10 m/s, 3.5 GHz", autocorrelation(5e-3), AUTOREGRESSION),
    Check("C2 R(10 ms)", "J0 at 10 m/s, 3.5 GHz", autocorrelation(10e-3), AUTOREGRESSION),
    Check("C3 power", "E[|h|^2|h'|^2] = 1 + J0^2", power_autocorrelation, AUTOREGRESSION),
    Check("C3 parts", "E[I Q] = 0", independent_parts, CORRELATED),
    Check("C4 crossings", "level 1, in 5.11 / f_d", crossings, FLAT_SPECTRUM),
    Check("C1 Rice", "|h|^2 at K = 9 dB", rician_law, POWERS_ADDED),
    Check("C1 Rice power", "E|h|^2 at K = 9 dB", rician_power, NOT_NORMALISED),
    Check("C2 Rice", "E[h'h*] after 3 cm", rician_phase, STANDING_WAVE),
    *(
        Check(f"C5 {snr_db} dB", "ergodic capacity, bit/s/Hz", capacity(snr_db), NO_FADING)
        for snr_db in CAPACITY
    ),
    Check("C5 closed form", "capacity at 30 dB", ergodic_capacity, OF_THE_MEAN),
    Check("C6 outage", "P(rate < 1), 10 dB", outage, NATURAL_LOGARITHM),
    Check("C6 diversity", "E max of 10 users", diversity, ONE_FOR_ALL),
)
