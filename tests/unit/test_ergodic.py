"""The mean rate over Rayleigh fading in closed form (C5), in the static system and in a world.

Mutants: the rate of the mean gain, plain E1 where it underflows, capacity in nat.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import exp1, hyperu

from mecsim import Allocation, load_scenario
from mecsim.system.equations import shannon_rate
from mecsim.system.ergodic import ergodic_rate
from mecsim.world.world import World

LISTED = {
    -10.0: 0.132097968,
    0.0: 0.860347382,
    5.0: 1.715974185,
    10.0: 2.906514808,
    20.0: 5.884048234,
    30.0: 9.143619491,
}
SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")


def efficiency(snr_db, rate=ergodic_rate):
    """bit/s/Hz at a mean SNR, from a bandwidth, a power and a gain."""
    bandwidth_hz, power_w, noise = 2e6, 0.2, 4e-21
    gain = 10.0 ** (np.asarray(snr_db) / 10.0) * noise * bandwidth_hz / power_w
    return rate(bandwidth_hz, power_w, gain, noise) / bandwidth_hz


def check_listed(rate):
    for snr_db, expected in LISTED.items():
        assert efficiency(snr_db, rate) == pytest.approx(expected, abs=1e-9)


def test_c5_listed_values():
    check_listed(ergodic_rate)


@pytest.mark.parametrize(
    "mutant",
    [shannon_rate, lambda *link: ergodic_rate(*link) * np.log(2.0)],
    ids=["rate of the mean", "nat for bit"],
)
def test_c5_rejects(mutant):
    with pytest.raises(AssertionError):
        check_listed(mutant)


def test_c5_below_28_db_the_exponential_integral_alone_underflows():
    snr_db = np.linspace(-200.0, 60.0, 2601)
    inverse = 10.0 ** (-snr_db / 10.0)
    np.testing.assert_allclose(efficiency(snr_db), hyperu(1.0, 1.0, inverse) / np.log(2.0), rtol=1e-9)
    with np.errstate(over="ignore", invalid="ignore"):
        plain = np.exp(inverse) * exp1(inverse)
    assert not (plain[snr_db < -29.0] > 0.0).any()
    assert (np.diff(efficiency(snr_db)) > 0.0).all()


def test_a_small_snr_has_the_rate_of_the_mean_and_a_large_one_exp_minus_gamma_of_it():
    assert efficiency(-60.0) == pytest.approx(efficiency(-60.0, shannon_rate), rel=1e-6)
    assert efficiency(90.0) == pytest.approx(
        efficiency(90.0 - 10.0 * 0.5772156649 * np.log10(np.e), shannon_rate), rel=1e-8
    )
    assert (efficiency(np.linspace(-40, 60, 99)) < efficiency(np.linspace(-40, 60, 99), shannon_rate)).all()


def test_nothing_granted_or_heard_is_no_rate():
    for link in ((0.0, 0.2, 1e-10), (1e6, 0.0, 1e-10), (1e6, 0.2, 0.0), (0.0, 0.0, 0.0)):
        assert ergodic_rate(*link, 4e-21) == 0.0
    mixed = ergodic_rate(np.array([0.0, 1e6]), 0.2, np.array([[1e-10], [0.0]]), 4e-21)
    assert mixed.shape == (2, 2)
    assert np.count_nonzero(mixed) == 1


# --- in a world


def world(model, **changes):
    return World(SCENARIO.with_changes({"channel.fading.model": model} | changes), 3)


def test_an_ergodic_world_shows_local_means_and_predicts_mean_rates():
    ergodic, none = world("ergodic"), world("none")
    seen, plain = ergodic.instance(40.0), none.instance(40.0)
    assert np.array_equal(seen.gain, plain.gain)
    n, servers = seen.user_count, np.arange(seen.user_count) % 2
    allocation = Allocation(
        server=servers,
        local_fraction=np.full(n, 0.4),
        bandwidth_hz=np.full(n, 2e6),
        user_power_w=seen.users.max_power_w,
        server_power_w=np.full(n, 2.0),
        user_gpu_flops=seen.users.max_gpu_flops,
        server_gpu_flops=np.full(n, 1e12),
    )
    bits = 0.4 * seen.users.adapter_params * seen.bits_per_param
    snr = seen.gain[np.arange(n), servers] * seen.users.max_power_w / (seen.noise_w_per_hz * 2e6)
    by_hand_s = bits / (2e6 * np.exp(1.0 / snr) * exp1(1.0 / snr) / np.log(2.0))
    np.testing.assert_allclose(seen.costs(allocation).delay_s[:, 1], by_hand_s, rtol=1e-9)
    assert (seen.costs(allocation).delay_s[:, 1] > plain.costs(allocation).delay_s[:, 1]).all()
    same = replace(seen, ergodic=False).costs(allocation)
    assert np.array_equal(same.delay_s, plain.costs(allocation).delay_s)


def test_an_ergodic_world_draws_no_fading():
    """Blocks of a user who stands are alike, and nobody has to wait for a window of them."""
    still = world("ergodic", **{"users.mobility": {"model": "static"}})
    assert not still.moving
    gains = still.gain(np.arange(5)[:, None], np.array(0), np.linspace(0.0, 599.0, 50))
    assert (gains == gains[:, :1]).all()
    assert np.array_equal(still.all_gains(1.0, fading=True), still.all_gains(1.0, fading=False))
