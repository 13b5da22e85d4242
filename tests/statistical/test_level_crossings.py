"""How often Rayleigh fading crosses a level, and how long it stays below it (C4).

1e4 links over five wavelengths each, in steps of a hundredth of one: a fade that begins and ends between two
steps is missed, at the lowest level here one in a hundred. The standard deviation of the number of
crossings of a link has no closed form; it is taken from the 1e4 links, which know it to a hundredth.
"""

import numpy as np
import pytest

from mecsim.testing.verification.fading import FLAT_SPECTRUM
from mecsim.testing.verification.mutant import replaced
from mecsim.world.channel.fading import RayleighLinks

SIDE, STEP = 100, 0.01  # steps in wavelengths: f_d times time
LINKS, SPAN = SIDE * SIDE, 511 * STEP
LEVELS = [0.3, 0.6, 1.0, 1.5]


def rate(level):
    """Crossings upwards in 1/f_d; at level 1 0.922137009 of them."""
    return np.sqrt(2.0 * np.pi) * level * np.exp(-(level**2))


def fade(level):
    """Mean time below in 1/f_d; at level 1 0.685495271 of it."""
    return np.expm1(level**2) / (level * np.sqrt(2.0 * np.pi))


def magnitudes(links):
    """|h| of 1e4 links, (LINKS, 512)."""
    users, servers = np.divmod(np.arange(LINKS), SIDE)
    parts = np.split(np.arange(LINKS), 40)
    start, step = np.full(LINKS // 40, 37.0), np.full(LINKS // 40, STEP)
    return np.sqrt(
        np.concatenate([links.power_on_grid(users[part], servers[part], start, step) for part in parts])
    )


@pytest.fixture(scope="module")
def links():
    return RayleighLinks.draw(21, SIDE, SIDE, wavelength_m=1.0)


@pytest.fixture(scope="module")
def magnitude(links):
    return magnitudes(links)


def check_crossings(verdicts, magnitude, level):
    below = magnitude < level
    crossings = (below[:, :-1] & ~below[:, 1:]).sum(axis=1)
    verdicts.mean(f"crossings of {level:g}", crossings, rate(level) * SPAN, crossings.std())
    # Time below less what the crossings make of it: a mean of zero, whatever the marginal law.
    excess = below[:, 1:].sum(axis=1) * STEP - fade(level) * crossings
    verdicts.mean(f"duration of fades below {level:g}", excess, 0.0, excess.std())


def test_c4_reference_values():
    assert rate(1.0) == pytest.approx(0.922137009, abs=1e-9)
    assert fade(1.0) == pytest.approx(0.685495271, abs=1e-9)


@pytest.mark.parametrize("level", LEVELS)
def test_c4_level_crossings_and_fades(verdicts, magnitude, level):
    check_crossings(verdicts, magnitude, level)


def test_c4_rejects_another_doppler_spectrum_of_the_same_variance(verdicts):
    """A flat spectrum up to f_d: its rms Doppler is sqrt(1/3) f_d, Clarke's sqrt(1/2) f_d."""
    with FLAT_SPECTRUM.in_force():
        wrong = magnitudes(RayleighLinks.draw(21, SIDE, SIDE, wavelength_m=1.0))
    assert (wrong**2).mean() == pytest.approx(1.0, abs=0.05)
    with verdicts.rejects("C4 flat Doppler spectrum"):
        check_crossings(verdicts, wrong, 1.0)


def test_c4_rejects_the_power_squared(verdicts, links):
    squared = replaced("power squared", RayleighLinks, "power_on_grid", lambda f: lambda *args: f(*args) ** 2)
    with squared.in_force(), verdicts.rejects("C4 power for magnitude"):
        check_crossings(verdicts, magnitudes(links), 0.6)
