"""Rayleigh fading: its law (C1), its autocorrelation (C2), that of its power and of its parts (C3).

The fading is a sum of 128 waves and so nearly, not exactly, Gaussian. With one wave in each of 128
equal sectors E|h|^4 = 2 - 1/128; the distribution function of |h|^2 is off by at most 0.0009, the mean of
|h| by 0.0004, E[|h|^2 |h'|^2] by at most 1/128. At the sizes used here that moves z by 1.5 at most.
"""

import numpy as np
import pytest
from scipy.special import j0

from mecsim.testing.verification.fading import AUTOREGRESSION, CORRELATED, MAGNITUDE
from mecsim.testing.verification.mutant import replaced
from mecsim.units import SPEED_OF_LIGHT_MPS
from mecsim.world.channel import fading
from mecsim.world.channel.fading import WAVES, RayleighLinks
from mecsim.world.world import World

SPEED_MPS, CARRIER_HZ = 10.0, 3.5e9
WAVELENGTH_M = SPEED_OF_LIGHT_MPS / CARRIER_HZ
DOPPLER_HZ = SPEED_MPS / WAVELENGTH_M
SIDE = 100
LINKS = SIDE * SIDE


def coefficients(links, distance_m):
    users, servers = np.arange(SIDE)[:, None], np.arange(SIDE)[None, :]
    return links.coefficient(users, servers, np.full((SIDE, SIDE), distance_m)).ravel()


def draw(distances_m, seeds=10):
    """Return h, shape (distances, n), of n = seeds * 1e4 links after each distance."""
    batches = [RayleighLinks.draw(seed, SIDE, SIDE, WAVELENGTH_M) for seed in range(seeds)]
    return np.array([np.concatenate([coefficients(links, x) for links in batches]) for x in distances_m])


@pytest.fixture(scope="module")
def states():
    """h of 1e5 links after 123.4 m, and a little farther on: 0, 1, 3.278, 5 and 10 ms at 10 m/s."""
    delays_s = np.array([0.0, 1e-3, 3.278358e-3, 5e-3, 10e-3])
    return delays_s, draw(123.4 + SPEED_MPS * delays_s)


# --- C1: mutant, the magnitude used as the power


def check_magnitude(verdicts, magnitude):
    verdicts.mean("mean |h|", magnitude, 0.886226925, np.sqrt(0.214601837))
    # 3.2450893 is the kurtosis of a Rayleigh variable.
    spread = (magnitude - 0.886226925) ** 2
    verdicts.mean("var |h|", spread, 0.214601837, 0.214601837 * np.sqrt(3.2450893 - 1.0))
    verdicts.share("median |h|", magnitude < 0.832554611, 0.5)


def check_power(verdicts, power):
    verdicts.law("|h|^2 is Exp(1)", power, lambda x: -np.expm1(-x))
    verdicts.mean("E|h|^2", power, 1.0, 1.0)
    verdicts.share("P(|h|^2 < 0.1)", power < 0.1, 0.095162582)
    verdicts.share("P(|h|^2 < 0.01)", power < 0.01, 0.009950166)


def test_c1_magnitude_and_power_are_those_of_rayleigh_fading(verdicts, states):
    h = states[1][0]
    assert h.size == 100_000
    check_magnitude(verdicts, np.abs(h))
    check_power(verdicts, np.abs(h) ** 2)


def powers():
    """Return |h|^2 of 1e4 links at distances of their own."""
    links = RayleighLinks.draw(7, SIDE, SIDE, WAVELENGTH_M)
    users, servers = np.divmod(np.arange(LINKS), SIDE)
    return links.power(users, servers, np.linspace(0.0, 50.0, LINKS))


def test_c1_the_power_of_a_link_is_its_squared_magnitude(verdicts):
    links = RayleighLinks.draw(7, SIDE, SIDE, WAVELENGTH_M)
    users, servers = np.divmod(np.arange(LINKS), SIDE)
    distance_m = np.linspace(0.0, 50.0, LINKS)
    power = powers()
    np.testing.assert_allclose(power, np.abs(links.coefficient(users, servers, distance_m)) ** 2, rtol=1e-12)
    grid = links.power_on_grid(users[:300], servers[:300], distance_m[:300], np.full(300, 0.013))
    check_power(verdicts, power)
    check_power(verdicts, grid[:, 77])


def test_c1_rejects_the_magnitude_used_as_power(verdicts):
    with MAGNITUDE.in_force(), verdicts.rejects("C1 |h| as power"):
        check_power(verdicts, powers())


def test_c1_rejects_a_sum_of_eight_waves(verdicts):
    few = replaced("eight waves", fading, "WAVES", lambda _: 8)
    with few.in_force(), verdicts.rejects("C1 eight waves"):
        check_power(verdicts, np.abs(draw([123.4])[0]) ** 2)


def test_c1_the_waves_are_as_many_as_the_tolerances_above_assume(verdicts, states):
    assert WAVES == 128
    # sd of |h|^4 for Exp(1): sqrt(4! - 2^2).
    verdicts.mean("E|h|^4", np.abs(states[1][0]) ** 4, 2.0 - 1.0 / 128.0, np.sqrt(20.0))


# --- C2: mutant, a first-order autoregression


def check_autocorrelation(verdicts, first, later, expected, what):
    """For Gaussian h with real correlation r, Var Re(h conj h') = (1 + r^2)/2, Var Im = (1 - r^2)/2."""
    product = first * later.conj()
    verdicts.mean(f"Re R({what})", product.real, expected, np.sqrt((1.0 + expected**2) / 2.0))
    verdicts.mean(f"Im R({what})", product.imag, 0.0, np.sqrt((1.0 - expected**2) / 2.0))


def test_c2_reference_values():
    assert pytest.approx(116.747433, rel=1e-8) == DOPPLER_HZ
    for delay_s, expected in ((1e-3, 0.869934665), (5e-3, -0.397277122), (10e-3, 0.285116032)):
        assert j0(2 * np.pi * DOPPLER_HZ * delay_s) == pytest.approx(expected, abs=1e-9)
    assert j0(2 * np.pi * 0.38273987) == pytest.approx(0.0, abs=1e-7)
    assert j0(2 * np.pi * DOPPLER_HZ * 3.278358e-3) == pytest.approx(0.0, abs=1e-6)


def test_c2_clarke_autocorrelation_at_the_listed_delays(verdicts, states):
    delays_s, h = states
    for k, expected in ((1, 0.869934665), (2, 0.0), (3, -0.397277122), (4, 0.285116032)):
        check_autocorrelation(verdicts, h[0], h[k], expected, f"{delays_s[k] * 1e3:g} ms")


def test_c2_clarke_autocorrelation_up_to_the_third_zero(verdicts):
    """24 delays up to f_d tau = 1.377, the zeros 0.3827, 0.8785 and 1.3773 among them; 1e4 links."""
    turns = np.sort(np.append(np.linspace(0.06, 1.3, 21), [0.38273987, 0.87854795, 1.37728316]))
    h = draw(np.append(0.0, turns * WAVELENGTH_M) + 5.0, seeds=1)
    assert h.shape == (25, 10_000)
    for turn, later in zip(turns, h[1:], strict=True):
        check_autocorrelation(verdicts, h[0], later, j0(2 * np.pi * turn), f"f_d tau = {turn:.3f}")


def test_c2_rejects_an_autoregression(verdicts):
    """Waves with its Lorentzian spectrum; equal to Clarke's at 0.5 ms, 0.71 for -0.397 after 5 ms."""
    with AUTOREGRESSION.in_force():
        h = draw(5.0 + SPEED_MPS * np.array([0.0, 0.5e-3, 5e-3]), seeds=1)
    check_autocorrelation(verdicts, h[0], h[1], j0(2 * np.pi * DOPPLER_HZ * 0.5e-3), "0.5 ms, autoregression")
    with verdicts.rejects("C2 AR(1), 5 ms"):
        check_autocorrelation(verdicts, h[0], h[2], -0.397277122, "5 ms")


# --- C3: mutant, correlated in-phase and quadrature parts


def check_power_autocorrelation(verdicts, first, later, j, what):
    """E[X X'] = 1 + r for unit exponentials of correlation r = J0^2; Var = 3 + 14 r + 3 r^2."""
    r = j**2
    product = np.abs(first) ** 2 * np.abs(later) ** 2
    verdicts.mean(f"E[|h|^2|h'|^2]({what})", product, 1.0 + r, np.sqrt(3.0 + 14.0 * r + 3.0 * r**2))


def check_parts(verdicts, first, later, j, what):
    sigma = np.sqrt(1.0 + j**2) / 2.0
    verdicts.mean(f"I I'({what})", first.real * later.real, j / 2.0, sigma)
    verdicts.mean(f"Q Q'({what})", first.imag * later.imag, j / 2.0, sigma)
    verdicts.mean(f"I Q'({what})", first.real * later.imag, 0.0, 0.5)
    verdicts.mean(f"Q I'({what})", first.imag * later.real, 0.0, 0.5)


def test_c3_power_autocorrelation_and_parts(verdicts, states):
    delays_s, h = states
    for delay_s, later in zip(delays_s, h, strict=True):
        j = j0(2 * np.pi * DOPPLER_HZ * delay_s)
        check_power_autocorrelation(verdicts, h[0], later, j, f"{delay_s * 1e3:g} ms")
        check_parts(verdicts, h[0], later, j, f"{delay_s * 1e3:g} ms")


def test_c3_rejects_correlated_parts(verdicts):
    with CORRELATED.in_force():
        (correlated,) = draw([123.4], seeds=1)
    with verdicts.rejects("C3 I and Q correlated by 0.2"):
        check_parts(verdicts, correlated, correlated, 1.0, "0 ms")


def test_c3_rejects_the_power_of_an_autoregression(verdicts):
    with AUTOREGRESSION.in_force():
        h = draw(5.0 + SPEED_MPS * np.array([0.0, 5e-3]), seeds=1)
    with verdicts.rejects("C3 AR(1), 5 ms"):
        check_power_autocorrelation(verdicts, h[0], h[1], -0.397277122, "5 ms")


# --- the same through the world: speed and carrier reach the fading


def fading_of_a_world(base_scenario, carrier_ghz):
    """Power fading of 1e4 links at 4 moments 50 s (5800 wavelengths) apart, and 3 ms later."""
    scenario = base_scenario.with_changes(
        {
            "area.size_m": [5000.0, 5000.0],
            "servers.positions_m": [[50.0 * m, 2500.0] for m in range(SIDE)],
            "users.count": SIDE,
            "users.mobility": {"model": "random_waypoint", "speed_mps": [SPEED_MPS, SPEED_MPS]},
            "channel.carrier_ghz": carrier_ghz,
            "channel.fading": {"block_s": 1e-3},
        }
    )
    world = World(scenario, 11)
    users, servers = np.arange(SIDE)[:, None, None], np.arange(SIDE)[None, :, None]
    times_s = np.array([0.0, 50.0, 100.0, 150.0])[:, None] + np.array([1e-6, 3e-3 + 1e-6])
    gains = world.gain(users, servers, times_s.ravel()) / world.mean_gain(users, servers, times_s.ravel())
    return np.sqrt(gains.reshape(SIDE, SIDE, 4, 2)).transpose(3, 0, 1, 2).reshape(2, -1)


def test_c3_the_world_fades_with_the_speed_and_the_carrier_of_the_scenario(verdicts, base_scenario):
    first, later = fading_of_a_world(base_scenario, 3.5)
    assert first.size == 40_000
    check_power(verdicts, first**2)
    check_power_autocorrelation(verdicts, first, later, j0(2 * np.pi * DOPPLER_HZ * 3e-3), "3 ms")


def test_c3_rejects_the_doppler_of_another_carrier(verdicts, base_scenario):
    first, later = fading_of_a_world(base_scenario, 2.0)
    with verdicts.rejects("C3 carrier 2 GHz for 3.5 GHz"):
        check_power_autocorrelation(verdicts, first, later, j0(2 * np.pi * DOPPLER_HZ * 3e-3), "3 ms")
