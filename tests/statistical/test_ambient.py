"""Surroundings that move: the fading of a user who stands, and of one who walks.

E[|h|^2 |h'|^2] = 1 + J0(2 pi f tau)^2 with f the ambient Doppler frequency, to which walking adds its own.
1e4 links of a world; the power autocorrelation of 128 waves is off by less than 1/128.
"""

import numpy as np
import pytest
from scipy.special import j0

from mecsim.units import SPEED_OF_LIGHT_MPS
from mecsim.world.world import World

SIDE, AMBIENT_HZ, CARRIER_GHZ, SPEED_MPS = 100, 20.0, 2.0, 3.0
WALKING_HZ = SPEED_MPS * CARRIER_GHZ * 1e9 / SPEED_OF_LIGHT_MPS
USERS, SERVERS = np.arange(SIDE)[:, None, None], np.arange(SIDE)[None, :, None]
LAGS_S = np.array([0.0, 0.003, 0.009, 0.0191])


def fading(base_scenario, walking, moments=3, **changes):
    """Power of 1e4 links at 3 moments, 7 s apart, and a little later: (lags, n); of a mutant one will do."""
    mobility = {"model": "random_waypoint", "speed_mps": [SPEED_MPS, SPEED_MPS]}
    world = World(
        base_scenario.with_changes(
            {
                "area.size_m": [5000.0, 5000.0],
                "servers.positions_m": [[50.0 * m, 2500.0] for m in range(SIDE)],
                "users.count": SIDE,
                "users.mobility": mobility if walking else {"model": "static"},
                "channel.carrier_ghz": CARRIER_GHZ,
                "channel.shadowing.sigma_db": 0.0,
                "channel.fading": {"block_s": 1e-4, "ambient_hz": AMBIENT_HZ} | changes,
            }
        ),
        12,
    )
    assert world.moving
    moments_s = 5.0 + 7.0 * np.arange(moments)
    times_s = (moments_s[:, None] + LAGS_S).ravel()
    power = world.gain(USERS, SERVERS, times_s) / world.mean_gain(USERS, SERVERS, times_s)
    return power.reshape(SIDE * SIDE * moments, LAGS_S.size).T


def check_power_autocorrelation(verdicts, power, frequency_hz):
    """Var = 3 + 14 r + 3 r^2 for unit exponentials of correlation r."""
    verdicts.law("|h|^2", power[0], lambda x: -np.expm1(-x))
    for lag_s, later in zip(LAGS_S, power, strict=True):
        r = j0(2.0 * np.pi * frequency_hz * lag_s) ** 2
        sigma = np.sqrt(3.0 + 14.0 * r + 3.0 * r**2)
        verdicts.mean(f"E[X X'] after {lag_s * 1e3:g} ms", power[0] * later, 1.0 + r, sigma)


def test_a_standing_user_fades_with_the_surroundings(verdicts, base_scenario):
    power = fading(base_scenario, walking=False)
    check_power_autocorrelation(verdicts, power, AMBIENT_HZ)
    slow = fading(base_scenario, walking=False, moments=1, ambient_hz=AMBIENT_HZ / 2.0)
    with verdicts.rejects("half the frequency"):
        check_power_autocorrelation(verdicts, slow, AMBIENT_HZ)
    almost_still = fading(base_scenario, walking=False, moments=1, ambient_hz=1e-6)
    with verdicts.rejects("standing still"):
        check_power_autocorrelation(verdicts, almost_still, AMBIENT_HZ)


def test_a_walker_has_both(verdicts, base_scenario):
    power = fading(base_scenario, walking=True)
    check_power_autocorrelation(verdicts, power, AMBIENT_HZ + WALKING_HZ)
    mutants = {
        "ambient only": fading(base_scenario, walking=False, moments=1),
        "walking only": fading(base_scenario, walking=True, moments=1, ambient_hz=1e-6),
    }
    for mutant, other in mutants.items():
        with verdicts.rejects(mutant):
            check_power_autocorrelation(verdicts, other, AMBIENT_HZ + WALKING_HZ)


def test_the_direct_wave_stands_still_with_the_user(base_scenario):
    """At K = 60 dB hardly anything is scattered, and what moves is that."""
    power = fading(base_scenario, walking=False, model="rician", k_db=60)
    assert np.abs(power - 1.0).max() < 0.02
    assert (power[0] != power[1]).any()


@pytest.mark.parametrize("model", ["rayleigh", "rician"])
def test_the_window_of_a_standing_user(base_scenario, model):
    """What the engine reads, block by block; mutant, the window of a world without surroundings."""
    changes = {"users.mobility": {"model": "static"}, "channel.fading.model": model}
    world = World(base_scenario.with_changes(changes | {"channel.fading.ambient_hz": 5.0}), 3)
    users, servers = np.arange(5), np.arange(5) % 2
    times_s = (2 * 512 + np.arange(512)) * world.block_s
    slow = world.gain(users[:, None], servers[:, None], times_s)
    fast = world.gain_window(users, servers, 2)
    np.testing.assert_allclose(np.sqrt(fast), np.sqrt(slow), rtol=0.0, atol=1e-9 * np.sqrt(slow.max()))
    assert (np.ptp(fast, axis=1) > 0.1 * fast.mean(axis=1)).all()
