"""Interference between cells: worked out by hand for two servers, and what it must leave alone.

Mutants: the servers of other bands counted too, the own one counted, the same both ways.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mecsim import Allocation, load_scenario
from mecsim.world.channel.interference import colors
from mecsim.world.world import World

PLAIN = {
    "users.mobility": {"model": "static"},
    "users.count": 2,
    "users.positions_m": [[130.0, 100.0], [290.0, 60.0]],
    "channel.shadowing.sigma_db": 0.0,
    "channel.fading.model": "none",
}
SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
FULL = {"channel.interference": {"model": "full_buffer", "activity": 0.5}}


def world(changes=FULL):
    return World(SCENARIO.with_changes(PLAIN | changes), 1)


def law(distance_m):
    """The gain of 128.1 + 37.6 log10(km), from 10 m on."""
    return 10.0 ** (-(128.1 + 37.6 * np.log10(np.maximum(distance_m, 10.0) / 1000.0)) / 10.0)


def by_hand():
    """SNR gains upwards and downwards of both users at both servers, from the formulas."""
    users, servers = np.array(PLAIN["users.positions_m"]), np.array([[100.0, 100.0], [300.0, 100.0]])
    gain = law(np.hypot(*(users[:, None] - servers).transpose(2, 0, 1)))
    noise = 10.0**-20.4
    # 10 W over 10 MHz from the other server half of the time; 0.2 W from somewhere in its half of the map.
    down = gain * noise / (noise + 0.5 * 10.0 / 1e7 * gain[:, ::-1])
    x, y = (np.arange(32) + 0.5) / 32 * 400.0, (np.arange(32) + 0.5) / 32 * 200.0
    other_half = np.hypot((x[x > 200.0] - 100.0)[:, None], y - 100.0)
    up = gain * noise / (noise + 0.5 * 0.2 / 1e7 * law(other_half).mean())
    return up, down


def check_gains(asked):
    up, down = by_hand()
    np.testing.assert_allclose(asked.all_gains(0.0, fading=True), up, rtol=1e-9)
    np.testing.assert_allclose(asked.instance(0.0).downlink_gain, down, rtol=1e-9)


def test_two_servers_by_hand():
    check_gains(world())
    up, down = by_hand()
    assert (down < up).all()  # a server sends fifty times what a user does


@pytest.mark.parametrize("mutant", ["none", "all the time", "own server", "same both ways"])
def test_two_servers_reject(mutant):
    wrong = {
        "none": world({}),
        "all the time": world({"channel.interference": {"model": "full_buffer"}}),
        "own server": world(),
        "same both ways": world(),
    }[mutant]
    if mutant == "own server":
        wrong._interference._others = np.ones((2, 2), dtype=bool)
    if mutant == "same both ways":
        instance = replace(wrong.instance(0.0), downlink_share=None)
        wrong.instance = lambda time_s: instance
    with pytest.raises(AssertionError):
        check_gains(wrong)


def test_servers_of_other_bands_do_not_disturb():
    apart = world({"channel.interference": {"model": "full_buffer", "reuse": 2}})
    assert np.array_equal(apart.all_gains(0.0, fading=True), world({}).all_gains(0.0, fading=True))
    assert (apart.all_downlink_shares(0.0) == 1.0).all()


def test_without_interference_gains_are_the_same_both_ways():
    plain = world({})
    assert not plain.interfered
    assert plain.all_downlink_shares(0.0) is None
    instance = plain.instance(0.0)
    assert instance.downlink_gain is instance.gain


def test_costs_take_each_way_by_its_gain():
    instance = world().instance(0.0)
    up, down = by_hand()
    allocation = Allocation(
        server=[0, 1],
        local_fraction=[0.3, 0.6],
        bandwidth_hz=[3e6, 5e6],
        user_power_w=[0.1, 0.2],
        server_power_w=[2.0, 7.0],
        user_gpu_flops=[1e12, 1e12],
        server_gpu_flops=[1e12, 1e12],
    )
    bits = instance.users.adapter_params * 32.0
    for column, power_w, gain, share in (
        (1, np.array([0.1, 0.2]), up, np.array([0.3, 0.6])),
        (3, np.array([2.0, 7.0]), down, np.array([0.7, 0.4])),
    ):
        band_hz = np.array([3e6, 5e6])
        snr = power_w * gain[[0, 1], [0, 1]] / (10.0**-20.4 * band_hz)
        expected_s = bits * share / (band_hz * np.log2(1.0 + snr))
        np.testing.assert_allclose(instance.costs(allocation).delay_s[:, column], expected_s, rtol=1e-9)


def test_part_of_an_instance_keeps_its_links():
    instance = world().instance(0.0)
    part = instance.of_users(np.array([1]))
    assert part.user_count == 1
    assert np.array_equal(part.gain[0], instance.gain[1])
    assert np.array_equal(part.downlink_gain[0], instance.downlink_gain[1])
    assert part.users.adapter_params[0] == instance.users.adapter_params[1]


@pytest.mark.parametrize("window", [0, 3])
def test_the_window_is_the_share_block_by_block(window):
    """Moving users, shadowing and three servers, of which two share a band."""
    moving = World(
        SCENARIO.with_changes(
            {
                "servers.positions_m": [[50.0, 50.0], [200.0, 150.0], [390.0, 60.0]],
                "channel.interference": {"model": "full_buffer", "reuse": 2},
            }
        ),
        5,
    )
    users, servers = np.repeat(np.arange(5), 3), np.tile(np.arange(3), 5)
    times_s = (window * 512 + np.arange(512)) * moving.block_s
    slow = moving.downlink_share(users[:, None], servers[:, None], times_s)
    np.testing.assert_allclose(moving.downlink_window(users, servers, window), slow, rtol=1e-9)
    assert (slow[servers == 1] == 1.0).all()
    assert (slow[servers != 1] != 1.0).all()
    part = moving.downlink_window(users, servers, window, range(96, 512))
    assert np.array_equal(part, moving.downlink_window(users, servers, window)[:, 96:])
    # Mutant rejected: one value for all blocks of links that nobody disturbs, which breaks where a leg ends.
    for later in range(window, window + 8):
        assert (moving.downlink_window(np.arange(5), np.ones(5, dtype=np.int64), later) == 1.0).all()


def test_colors_spread_servers_over_the_bands():
    line = np.array([[x, 0.0] for x in (0.0, 100.0, 200.0, 300.0)])
    assert colors(line, 1).tolist() == [0, 0, 0, 0]
    assert colors(line, 2).tolist() == [0, 1, 0, 1]
    assert sorted(colors(line, 4).tolist()) == [0, 1, 2, 3]
    assert colors(line, 9).tolist() == [0, 1, 2, 3]
