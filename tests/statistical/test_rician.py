"""Rician fading: law, unit power, and the phase of the direct wave from the length of its way.

With K the power of the direct wave over that of the scattered ones, ``2 (K + 1) |h|^2`` is noncentral
chi-squared with two degrees of freedom and noncentrality 2 K, and
``E[h h'*] = (K e^{i phase} + J0) / (K + 1)``.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import j0
from scipy.stats import ncx2

from mecsim.testing.verification.fading import POWERS_ADDED
from mecsim.testing.verification.mutant import replaced
from mecsim.world.channel.fading import RayleighLinks
from mecsim.world.channel.local_mean import Link
from mecsim.world.channel.rician import LineOfSightComponent

WAVELENGTH_M, SIDE, SEEDS, RISE_M = 0.1, 100, 10, 8.5
LINKS = SIDE * SIDE * SEEDS
RATIOS_DB = [-3.0, 0.0, 9.0]


@pytest.fixture(scope="module")
def scattered():
    """Scattered waves of 1e5 links after 5 m, and 3.7 cm farther on."""
    users, servers = np.divmod(np.arange(SIDE * SIDE), SIDE)
    draws = [RayleighLinks.draw(seed, SIDE, SIDE, WAVELENGTH_M) for seed in range(400, 400 + SEEDS)]
    ways = [np.full(users.size, travelled_m) for travelled_m in (5.0, 5.037)]
    return [np.concatenate([links.coefficient(users, servers, way) for links in draws]) for way in ways]


def seen(scattered, k, ground_m=120.0, clear=None, rise_m=RISE_M):
    """h of links at one distance on the ground."""
    size = scattered.size
    link = Link(np.ones(size), np.full(size, ground_m), clear)
    return LineOfSightComponent(k, WAVELENGTH_M, rise_m).coefficient(scattered, link)


def check_law(verdicts, power, k):
    verdicts.mean(f"E|h|^2, K = {k:.3g}", power, 1.0, np.sqrt(1.0 + 2.0 * k) / (1.0 + k))
    verdicts.law(f"|h|^2, K = {k:.3g}", power, lambda x: ncx2.cdf(2.0 * (k + 1.0) * x, 2, 2.0 * k))


@pytest.mark.parametrize("ratio_db", RATIOS_DB)
def test_law_and_unit_power(verdicts, scattered, ratio_db):
    k = 10.0 ** (ratio_db / 10.0)
    h = seen(scattered[0], k)
    assert h.size == LINKS
    check_law(verdicts, np.abs(h) ** 2, k)


def other_wave(bug, make):
    """Return the mutant in which the coefficients of the direct wave are ``make(original)``."""
    return replaced(bug, LineOfSightComponent, "coefficient", make)


LAW_MUTANTS = [
    POWERS_ADDED,
    other_wave(
        "not normalised", lambda h: lambda wave, *args: h(wave, *args) * np.sqrt((wave.k + 1) / wave.k)
    ),
    other_wave("K as an amplitude", lambda h: lambda wave, *args: h(replace(wave, k=wave.k**2), *args)),
    other_wave("no direct wave", lambda h: lambda wave, *args: h(replace(wave, k=0.0), *args)),
]


@pytest.mark.parametrize("mutant", LAW_MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_law_rejects(verdicts, scattered, mutant):
    k = 10.0**0.9
    with mutant.in_force(), verdicts.rejects(f"Rician, {mutant.bug}"):
        check_law(verdicts, np.abs(seen(scattered[0], k)) ** 2, k)


def test_links_without_line_of_sight_are_rayleigh(verdicts, scattered):
    k = 10.0**0.9
    clear = np.arange(LINKS) % 2 == 0
    power = np.abs(seen(scattered[0], k, clear=clear)) ** 2
    check_law(verdicts, power[clear], k)
    verdicts.law("|h|^2 without sight", power[~clear], lambda x: -np.expm1(-x))
    walls = other_wave("through walls", lambda h: lambda wave, s, link: h(wave, s, replace(link, los=None)))
    with walls.in_force(), verdicts.rejects("direct wave through walls"):
        power = np.abs(seen(scattered[0], k, clear=clear)) ** 2
        verdicts.law("|h|^2 without sight", power[~clear], lambda x: -np.expm1(-x))


def check_autocorrelation(verdicts, here, there, k, turns):
    """The standard deviations of the products are those of the 1e5 links."""
    product = there * here.conj()
    expected = (k * np.exp(-2j * np.pi * turns) + j0(2.0 * np.pi * 0.37)) / (k + 1.0)
    for name, part, value in (("Re", product.real, expected.real), ("Im", product.imag, expected.imag)):
        verdicts.mean(f"{name} R, K = {k:.3g}", part, value, part.std())


@pytest.mark.parametrize("ratio_db", RATIOS_DB)
def test_the_phase_follows_the_way(verdicts, scattered, ratio_db):
    """3.7 cm away from the server: the direct way, which climbs 8.5 m, grows by a little less."""
    k = 10.0 ** (ratio_db / 10.0)
    turns = (np.hypot(120.037, RISE_M) - np.hypot(120.0, RISE_M)) / WAVELENGTH_M
    assert 0.36 < turns < 0.37
    here, there = seen(scattered[0], k), seen(scattered[1], k, ground_m=120.037)
    check_autocorrelation(verdicts, here, there, k, turns)


PHASE_MUTANTS = [
    other_wave(
        "phase constant",
        lambda h: (
            lambda wave, s, link: h(wave, s, replace(link, ground_m=np.full_like(link.ground_m, 120.0)))
        ),
    ),
    other_wave(
        "phase backwards",
        lambda h: lambda wave, s, link: h(replace(wave, wavelength_m=-wave.wavelength_m), s, link),
    ),
]


@pytest.mark.parametrize("mutant", PHASE_MUTANTS, ids=lambda mutant: mutant.bug)
def test_the_phase_rejects(verdicts, scattered, mutant):
    k = 1.0
    turns = (np.hypot(120.037, RISE_M) - np.hypot(120.0, RISE_M)) / WAVELENGTH_M
    with mutant.in_force(), verdicts.rejects(f"Rician, {mutant.bug}"):
        here, later = seen(scattered[0], k), seen(scattered[1], k, ground_m=120.037)
        check_autocorrelation(verdicts, here, later, k, turns)
