"""Path loss (C10), and one link from the distance to the joules (C11).

C11 is worked out here with plain floats and stands beside what the world, the rate and the costs
of the static system give. Mutants: metres in the law for kilometres, bits and bytes, dBm and dBW,
log and log2.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mecsim import Allocation, load_scenario
from mecsim.units import dbm_to_w
from mecsim.world.channel.model import LinkGeometry
from mecsim.world.channel.path_loss import FreeSpace, LogDistance128
from mecsim.world.world import World

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
PATH_LOSS = {"free_space": FreeSpace(), "log_distance_128": LogDistance128()}
LISTED_DB = {100.0: 90.5, 250.0: 105.4625, 500.0: 116.7813}


def log_distance_128(distance_m, carrier_hz):
    return LogDistance128().loss_db(LinkGeometry(distance_m, carrier_hz))


def free_space(distance_m, carrier_hz):
    return FreeSpace().loss_db(LinkGeometry(distance_m, carrier_hz))


def world_at(distance_m, **channel):
    """One user ``distance_m`` east of one server, no shadowing, no fading; 23 dBm, 10 MHz."""
    changes = {
        "area.size_m": [20_000.0, 100.0],
        "servers.positions_m": [[0.0, 50.0]],
        "users.count": 1,
        "users.positions_m": [[distance_m, 50.0]],
        "users.mobility": {"model": "static"},
        "users.max_power_w": dbm_to_w(23.0),
        "channel.shadowing.sigma_db": 0.0,
        "channel.fading.model": "none",
    }
    return World(
        SCENARIO.with_changes(changes | {f"channel.{key}": value for key, value in channel.items()}), 0
    )


def loss_db(world):
    return -10.0 * math.log10(world.all_gains(0.0, fading=True)[0, 0])


# --- C10


def check_listed(law):
    for distance_m, expected in LISTED_DB.items():
        assert law(np.array([distance_m]), 2e9)[0] == pytest.approx(expected, abs=5e-5)


def test_c10_log_distance_values():
    check_listed(log_distance_128)


def test_c10_rejects_metres_in_the_law_for_kilometres():
    with pytest.raises(AssertionError):
        check_listed(lambda distance_m, carrier_hz: log_distance_128(1000.0 * distance_m, carrier_hz))


def test_c10_rejects_the_natural_logarithm():
    with pytest.raises(AssertionError):
        check_listed(lambda distance_m, carrier_hz: 128.1 + 37.6 * np.log(distance_m / 1000.0))


def test_c10_friis_values():
    """2 GHz, 100 m: 78.4684 dB; 50.35702 mW at 2.398339664 GHz, 100 m: 4.98265e-10 W."""
    assert free_space(np.array(100.0), 2e9) == pytest.approx(78.4684, abs=5e-5)
    received_w = 50.35702e-3 * 10 ** (-free_space(np.array(100.0), 2.398339664e9) / 10)
    assert received_w == pytest.approx(4.98265e-10, rel=2e-6, abs=0.0)
    wavelength_m = 299_792_458.0 / 2.398339664e9
    by_hand_w = 50.35702e-3 * (wavelength_m / (4.0 * math.pi * 100.0)) ** 2
    assert received_w == pytest.approx(by_hand_w, rel=1e-12, abs=0.0)


def test_c10_friis_rejects_amplitude_for_power():
    half_db = free_space(np.array(100.0), 2e9) / 2.0
    assert half_db != pytest.approx(78.4684, abs=1.0)


@pytest.mark.parametrize("name", PATH_LOSS)
def test_m8_loss_rises_with_distance(name):
    """Distance down, loss down, at every step from a metre to 20 km."""
    loss = PATH_LOSS[name].loss_db(LinkGeometry(np.geomspace(1.0, 2e4, 2000), 2e9))
    assert (np.diff(loss) > 0.0).all()


def test_only_free_space_depends_on_the_carrier():
    distance_m = np.array([100.0])
    assert log_distance_128(distance_m, 2e9) == log_distance_128(distance_m, 28e9)
    assert free_space(distance_m, 20e9) - free_space(distance_m, 2e9) == pytest.approx(20.0, rel=1e-12)


@pytest.mark.parametrize("distance_m", LISTED_DB)
def test_c10_the_world_uses_the_law_of_the_scenario(distance_m):
    assert loss_db(world_at(distance_m)) == pytest.approx(LISTED_DB[distance_m], abs=5e-5)
    friis_db = 20.0 * math.log10(4.0 * math.pi * distance_m * 3.5e9 / 299_792_458.0)
    assert loss_db(world_at(distance_m, path_loss="free_space", carrier_ghz=3.5)) == pytest.approx(friis_db)


def test_nobody_is_nearer_than_the_least_distance():
    assert loss_db(world_at(0.0)) == loss_db(world_at(9.9)) == loss_db(world_at(10.0))
    assert loss_db(world_at(10.1)) > loss_db(world_at(10.0))
    assert loss_db(world_at(1.0, min_distance_m=35.0)) == pytest.approx(128.1 + 37.6 * math.log10(0.035))


# --- C11


def test_c11_noise():
    """-174 dBm/Hz over 1 MHz is -114 dBm; noise figure 9 dB and 10 MHz make it -95 dBm."""
    assert world_at(250.0).noise_w_per_hz * 1e6 == pytest.approx(3.981072e-15, rel=1e-7, abs=0.0)
    assert world_at(250.0).noise_w_per_hz * 1e6 == pytest.approx(dbm_to_w(-114.0), rel=1e-12, abs=0.0)
    noisy = world_at(250.0, noise_figure_db=9.0)
    assert noisy.noise_w_per_hz * 1e7 == pytest.approx(10.0**-9.5 / 1000.0, rel=1e-12, abs=0.0)


def link_at(distance_m, megabits):
    """SNR, rate in bit/s, time in s and energy in J of an upload, by the world and the static system."""
    world = world_at(distance_m)
    instance = world.instance(0.0)
    bits_per_param = megabits * 1e6 / float(instance.users.adapter_params[0])
    instance = replace(instance, bits_per_param=bits_per_param)
    allocation = Allocation(
        server=[0],
        local_fraction=[1.0],
        bandwidth_hz=instance.servers.bandwidth_hz,
        user_power_w=instance.users.max_power_w,
        server_power_w=instance.servers.max_power_w,
        user_gpu_flops=instance.users.max_gpu_flops,
        server_gpu_flops=instance.servers.max_gpu_flops,
    )
    costs = instance.costs(allocation)
    noise_w = instance.noise_w_per_hz * instance.servers.bandwidth_hz[0]
    snr = float(instance.gain[0, 0] * instance.users.max_power_w[0] / noise_w)
    time_s = float(costs.delay_s[0, 1])
    return snr, megabits * 1e6 / time_s, time_s, float(costs.energy_j[0, 1])


def by_hand(distance_m, bits, *, dbm_offset=30.0, log=math.log2):
    """The same link from the formulas."""
    power_w = 10.0 ** ((23.0 - dbm_offset) / 10.0)
    gain = 10.0 ** (-(128.1 + 37.6 * math.log10(distance_m / 1000.0)) / 10.0)
    snr = power_w * gain / (10.0 ** ((-174.0 - dbm_offset) / 10.0) * 1e7)
    rate = 1e7 * log(1.0 + snr)
    return snr, rate, bits / rate, power_w * bits / rate


def check_link(link):
    assert link == pytest.approx(by_hand(250.0, 1e6), rel=1e-9)


def test_c11_one_link_end_to_end():
    link = link_at(250.0, 1.0)
    check_link(link)
    assert link == pytest.approx((142.477264, 71_646_783.3, 13.957361e-3, 2.784859588e-3), rel=1e-7)
    assert 10.0 * math.log10(link[0]) == pytest.approx(21.5375, abs=5e-5)


MUTANTS = {
    "bytes for bits": by_hand(250.0, 8e6),
    "dBm taken for dBW": by_hand(250.0, 1e6, dbm_offset=0.0),
    "log for log2": by_hand(250.0, 1e6, log=math.log),
    "metres for kilometres": by_hand(250_000.0, 1e6),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_c11_rejects(mutant):
    with pytest.raises(AssertionError):
        check_link(MUTANTS[mutant])
