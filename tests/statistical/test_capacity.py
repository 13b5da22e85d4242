"""Ergodic capacity of the Rayleigh fading (C5), through the Shannon rate of the static system.

2e3 independent links at five hundred places each, 1000 wavelengths apart, where the correlation of the
power, J0^2, is 1e-4, and less farther on: n = 1e6, from the grid that the engine reads. What 128 waves
instead of infinitely many change is worked out below: at most 0.0028 bit/s/Hz, less than two of the
standard errors that five are allowed of.
"""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import exp1

from mecsim.system.equations import shannon_rate
from mecsim.testing.verification.fading import NO_FADING
from mecsim.world.channel.fading import WAVES, RayleighLinks

USERS, SERVERS, PLACES = 100, 20, 500
# SNR in dB: capacity in bit/s/Hz, and the standard deviation of log2(1 + g |h|^2) where listed.
CAPACITY = {
    -10.0: (0.132097968, None),
    0.0: (0.860347382, 0.605761),
    5.0: (1.715974185, None),
    10.0: (2.906514808, 1.315007),
    20.0: (5.884048234, 1.703670),
    30.0: (9.143619491, None),
}


@pytest.fixture(scope="module")
def powers():
    users, servers = np.divmod(np.arange(USERS * SERVERS), SERVERS)
    links = RayleighLinks.draw(100, USERS, SERVERS, wavelength_m=0.1)
    start_m, step_m = np.zeros(users.size), np.full(users.size, 100.0)
    power = links.power_on_grid(users, servers, start_m, step_m)[:, :PLACES].ravel()
    assert power.size == 1_000_000
    return power


def expected_over_fading(function):
    """E f(X) for X ~ Exp(1), by quadrature: the second way to every reference."""
    return sum(
        quad(lambda x: np.exp(-x) * function(x), *ends, limit=200)[0] for ends in ((0, 1), (1, np.inf))
    )


def spectral_efficiency(power, snr):
    """bit/s/Hz, by the rate of the static system at 1 MHz."""
    bandwidth_hz, noise_w_per_hz = 1e6, 4e-21
    gain = 1e-10
    power_w = snr * noise_w_per_hz * bandwidth_hz / gain
    return shannon_rate(bandwidth_hz, power_w, gain * power, noise_w_per_hz) / bandwidth_hz


def sigma_of_capacity(snr):
    mean = expected_over_fading(lambda x: np.log2(1 + snr * x))
    return np.sqrt(expected_over_fading(lambda x: np.log2(1 + snr * x) ** 2) - mean**2)


def check_capacity(verdicts, efficiency, snr_db):
    verdicts.mean(
        f"C({snr_db:g} dB)", efficiency, CAPACITY[snr_db][0], sigma_of_capacity(10 ** (snr_db / 10))
    )


@pytest.mark.parametrize("snr_db", CAPACITY)
def test_reference_values(snr_db):
    snr = 10 ** (snr_db / 10)
    capacity, sigma = CAPACITY[snr_db]
    assert np.exp(1 / snr) * exp1(1 / snr) / np.log(2) == pytest.approx(capacity, abs=1e-9)
    assert expected_over_fading(lambda x: np.log2(1 + snr * x)) == pytest.approx(capacity, abs=1e-9)
    if sigma is not None:
        assert sigma_of_capacity(snr) == pytest.approx(sigma, abs=1e-6)


@pytest.mark.parametrize("snr_db", CAPACITY)
def test_128_waves_are_enough(snr_db):
    """The density exp(-x)(1 - L2(x) / 2K) of K waves moves the capacity by less than two standard errors."""
    snr = 10 ** (snr_db / 10)
    change = expected_over_fading(lambda x: (1 - 2 * x + x * x / 2) * np.log2(1 + snr * x)) / (-2 * WAVES)
    assert abs(change) < 0.0028
    assert abs(change) < 2.0 * sigma_of_capacity(snr) / np.sqrt(1e6)


@pytest.mark.parametrize("snr_db", CAPACITY)
def test_c5_ergodic_capacity(verdicts, powers, snr_db):
    check_capacity(verdicts, spectral_efficiency(powers, 10 ** (snr_db / 10)), snr_db)


@pytest.fixture(scope="module")
def flat():
    """Return the powers of as many links as above that do not fade."""
    users, servers = np.divmod(np.arange(USERS * SERVERS), SERVERS)
    with NO_FADING.in_force():
        links = RayleighLinks.draw(100, USERS, SERVERS, wavelength_m=0.1)
        return np.tile(links.power(users, servers, np.full(users.size, 100.0)), PLACES)


@pytest.mark.parametrize("snr_db", CAPACITY)
def test_c5_rejects_links_that_do_not_fade(verdicts, flat, snr_db):
    """They have log2(1 + mean): 3.459431619 at 10 dB."""
    snr = 10 ** (snr_db / 10)
    if snr_db == 10.0:
        np.testing.assert_allclose(spectral_efficiency(flat, snr), 3.459431619, rtol=0, atol=1e-9)
    with verdicts.rejects(f"C5 log2(1 + mean) at {snr_db:g} dB"):
        check_capacity(verdicts, spectral_efficiency(flat, snr), snr_db)
