"""Outage of a link, and the best of several users' links (C6).

1e5 independent links at one place. That 128 waves are not infinitely many changes the distribution
function of the power by at most 0.0009 and the mean of the best of ten by 0.004.
"""

import numpy as np
import pytest

from mecsim.system.equations import shannon_rate
from mecsim.testing.verification.fading import MAGNITUDE, ONE_FOR_ALL
from mecsim.world.channel.fading import RayleighLinks

SIDE, SEEDS = 100, 10
BEST = {2: 1.5, 5: 2.283333333, 10: 2.928968254}


def draw(seeds):
    users, servers = np.divmod(np.arange(SIDE * SIDE), SIDE)
    drawn = [
        RayleighLinks.draw(seed, SIDE, SIDE, 0.1).power(users, servers, np.full(users.size, 42.0))
        for seed in range(300, 300 + seeds)
    ]
    return np.concatenate(drawn)


@pytest.fixture(scope="module")
def power():
    return draw(SEEDS)


def check_outage(verdicts, power, snr_db=10.0, bits_per_s_and_hz=1.0):
    noise_w_per_hz, bandwidth_hz, gain = 4e-21, 1e6, 1e-10
    power_w = 10.0 ** (snr_db / 10.0) * noise_w_per_hz * bandwidth_hz / gain
    rate = shannon_rate(bandwidth_hz, power_w, gain * power, noise_w_per_hz)
    expected = -np.expm1(-(2.0**bits_per_s_and_hz - 1.0) / 10.0 ** (snr_db / 10.0))
    verdicts.share(f"outage at {snr_db:g} dB", rate < bits_per_s_and_hz * bandwidth_hz, expected)


def check_best(verdicts, chosen, users):
    """The largest of K unit exponentials: mean H_K, variance sum 1/k^2."""
    variance = (1.0 / np.arange(1, users + 1) ** 2).sum()
    verdicts.mean(f"best of {users}", chosen, BEST[users], np.sqrt(variance))


def test_c6_reference_values():
    assert -np.expm1(-0.1) == pytest.approx(0.095162582, abs=1e-9)
    for users, expected in BEST.items():
        assert (1.0 / np.arange(1, users + 1)).sum() == pytest.approx(expected, abs=1e-9)


def test_c6_outage(verdicts, power):
    check_outage(verdicts, power)
    check_outage(verdicts, power, snr_db=0.0, bits_per_s_and_hz=0.5)


def test_c6_rejects_the_magnitude_for_the_power(verdicts):
    with MAGNITUDE.in_force(), verdicts.rejects("C6 |h| for |h|^2"):
        check_outage(verdicts, draw(1))


@pytest.mark.parametrize("users", BEST)
def test_c6_the_best_of_some_users(verdicts, power, users):
    check_best(verdicts, power.reshape(-1, users).max(axis=1), users)


@pytest.mark.parametrize("users", BEST)
def test_c6_rejects_one_fading_for_all_links_of_a_user(verdicts, users):
    with ONE_FOR_ALL.in_force(), verdicts.rejects(f"C6 one fading for {users} links"):
        check_best(verdicts, draw(2).reshape(-1, users).max(axis=1), users)
