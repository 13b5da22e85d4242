"""The world of a run: blocks, gains with every effect on and off, and what a policy is shown of it."""

import math
from pathlib import Path

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
STATIC = {"users.mobility": {"model": "static"}}
NO_SHADOWING = {"channel.shadowing.sigma_db": 0.0}
NO_FADING = {"channel.fading.model": "none"}


def world(seed=1, **changes):
    return World(
        SCENARIO.with_changes({key.replace("__", "."): value for key, value in changes.items()}), seed
    )


def changed(*groups, seed=1):
    return World(
        SCENARIO.with_changes({key: value for group in groups for key, value in group.items()}), seed
    )


# --- blocks

BLOCKS_S = [0.01, 0.1, 1.0 / 3.0, 0.25, 0.003, 7.3, 1e-5]


def check_blocks(block, block_s):
    """At k * block_s block k begins: the edge, the number below it, and the next one."""
    k = np.concatenate([np.arange(3000), np.random.default_rng(0).integers(3000, 10**8, 3000)])
    edge = k * block_s
    assert np.array_equal(block(edge), k)
    assert np.array_equal(block(np.nextafter(edge, np.inf)), k)
    assert np.array_equal(block(np.nextafter(edge[k > 0], 0.0)), k[k > 0] - 1)
    assert np.array_equal(block(edge + 0.5 * block_s), k)


@pytest.mark.parametrize("block_s", BLOCKS_S)
def test_a_block_begins_exactly_at_its_multiple(block_s):
    checked = world(channel__fading__block_s=block_s)
    check_blocks(checked.block, block_s)
    times_s = np.linspace(0.0, 600.0, 777)
    assert np.array_equal(checked.block_start_s(times_s), checked.block(times_s) * block_s)


def test_a_block_rejects_the_rounded_quotient():
    """0.29 / 0.01 = 28.999999999999996: the plain quotient puts the edge of block 29 into block 28."""
    with pytest.raises(AssertionError):
        check_blocks(lambda times_s: np.floor(times_s / 0.01).astype(np.int64), 0.01)


def test_a_block_of_one_time():
    assert world().block(np.array(0.29)) == 29
    assert world().block(0.29) == 29


def test_gains_are_constant_in_a_block_and_change_between_blocks():
    moving = world(users__mobility={"model": "random_waypoint", "speed_mps": [10.0, 15.0]})
    inside_s = 3.17 + np.linspace(0.0, 0.00999, 25)
    users, servers = np.arange(5)[:, None], np.array(1)
    for gains in (moving.gain(users, servers, inside_s), moving.mean_gain(users, servers, inside_s)):
        assert (gains == gains[:, :1]).all()
    edges_s = np.arange(300, 350) * 0.01
    assert (np.diff(moving.gain(users, servers, edges_s)) != 0.0).all()


# --- effects on and off


def test_without_fading_the_gain_is_the_local_mean():
    calm = changed(NO_FADING)
    times_s = np.linspace(0.0, 599.0, 50)
    args = np.arange(5)[:, None], np.array(1), times_s
    assert np.array_equal(calm.gain(*args), calm.mean_gain(*args))
    faded = changed()
    assert np.array_equal(faded.mean_gain(*args), calm.mean_gain(*args))
    assert (faded.gain(*args) != faded.mean_gain(*args)).all()


def test_without_shadowing_the_gain_is_the_path_loss_alone():
    plain = changed(NO_FADING, NO_SHADOWING)
    times_s = np.linspace(0.0, 599.0, 50)
    place = plain.position_m(np.arange(5)[:, None], plain.block_start_s(times_s))
    for server, x in ((0, 100.0), (1, 300.0)):
        away_m = np.maximum(np.hypot(place[..., 0] - x, place[..., 1] - 100.0), 10.0)
        gain = plain.gain(np.arange(5)[:, None], np.array(server), times_s)
        by_hand = 10.0 ** (-(128.1 + 37.6 * np.log10(away_m / 1000.0)) / 10.0)
        np.testing.assert_allclose(gain, by_hand, rtol=1e-12)


def test_shadowing_and_fading_do_not_move_one_another():
    """Each effect has its own stream: with shadowing off the fading keeps its bits, up to the product."""
    args = np.arange(5)[:, None], np.array(1), np.linspace(0.0, 599.0, 50)
    both, no_shadowing = changed(), changed(NO_SHADOWING)
    fading = both.gain(*args) / both.mean_gain(*args)
    np.testing.assert_allclose(no_shadowing.gain(*args) / no_shadowing.mean_gain(*args), fading, rtol=1e-14)


def test_a_standing_user_keeps_its_gain():
    still = changed(STATIC)
    gains = still.gain(np.arange(5)[:, None], np.array(0), np.linspace(0.0, 599.0, 200))
    assert (gains == gains[:, :1]).all()
    assert not still.trajectories.moving


def test_links_of_users_at_one_point_fade_apart():
    """Same place, same local mean, yet another fading: mutant, fading keyed by the server alone."""
    same = changed(STATIC, {"users.positions_m": [[30.0, 40.0]] * 5})
    mean, gain = (same.all_gains(0.0, fading=fading) for fading in (False, True))
    assert (mean == mean[:1]).all()
    assert len(np.unique(gain)) == 10


def test_free_space_and_carrier():
    near = {"users.positions_m": [[100.0 + 10.0 * n, 100.0] for n in range(1, 6)]}
    free = changed(STATIC, NO_FADING, NO_SHADOWING, near, {"channel.path_loss": "free_space"})
    away_m = 10.0 * np.arange(1, 6)
    friis = (299_792_458.0 / 2e9 / (4.0 * math.pi * away_m)) ** 2
    np.testing.assert_allclose(free.all_gains(0.0, fading=True)[:, 0], friis, rtol=1e-12)


# --- one pair at one time, all pairs at one time


def test_all_gains_are_the_gains():
    for fading in (False, True):
        table = world().all_gains(33.338, fading=fading)
        one = world().gain if fading else world().mean_gain
        assert table.shape == (5, 2)
        for n in range(5):
            for m in range(2):
                assert one(np.array([n]), np.array([m]), np.array([33.338])) == table[n, m]


def test_one_user_one_server_one_time():
    """Shapes broadcast, and a single number is a shape too."""
    one = world()
    table = one.all_gains(33.338, fading=True)
    assert one.gain(np.array(2), np.array(1), np.array(33.338)) == table[2, 1]
    assert one.mean_gain(np.array(2), np.array(1), np.array(33.338)) > 0.0


def test_devices_in_si_units():
    """The 19.5 TFLOP/s, 400 W cards of the servers and the 8.873 TFLOP/s, 180 W ones of the users."""
    instance = world().instance(12.0)
    servers, users = instance.servers, instance.users
    assert servers.bandwidth_hz.tolist() == [1e7, 1e7]
    assert servers.max_power_w.tolist() == [10.0, 10.0]
    np.testing.assert_allclose(servers.max_gpu_flops, 0.55 * 19.5e12, rtol=1e-15)
    np.testing.assert_allclose(servers.kappa, 400.0 / 19.5e12**3, rtol=1e-14)
    np.testing.assert_allclose(users.max_gpu_flops, 0.55 * 8.873e12, rtol=1e-15)
    np.testing.assert_allclose(users.kappa, 180.0 / 8.873e12**3, rtol=1e-14)
    assert users.gpu_count.tolist() == [4.0] * 5
    assert servers.gpu_count.tolist() == [8.0] * 2
    assert users.epochs.tolist() == [1.0] * 5
    assert instance.noise_w_per_hz == pytest.approx(10**-20.4, rel=1e-14, abs=0.0)


def test_unlike_devices_stay_with_their_owner():
    mixed = world(
        servers__bandwidth_mhz=[10.0, 20.0],
        servers__epochs=[1, 3],
        users__max_power_w=[0.1, 0.2, 0.3, 0.4, 0.5],
        users__gpu_count=[1, 2, 3, 4, 5],
    ).instance(0.0)
    assert mixed.servers.bandwidth_hz.tolist() == [1e7, 2e7]
    assert mixed.servers.epochs.tolist() == [1.0, 3.0]
    assert mixed.users.max_power_w.tolist() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert mixed.users.gpu_count.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_an_instance_is_the_round_and_the_moment_asked_for():
    shown = world()
    rounds = np.array([0, 3, 1, 300, 2])
    d, t = shown.workload.work(np.arange(5), rounds)
    for fading in (False, True):
        instance = shown.instance(47.11, rounds, fading=fading)
        assert np.array_equal(instance.gain, shown.all_gains(47.11, fading=fading))
        assert np.array_equal(instance.users.adapter_params, d)
        assert np.array_equal(instance.users.flops_per_param, t)
    assert np.array_equal(
        shown.instance(0.0).users.flops_per_param, shown.workload.work(np.arange(5), 0 * rounds)[1]
    )


def test_an_instance_carries_the_objective_and_the_word_length():
    objective = {
        "delay_weight_per_s": 0.1,
        "energy_weight_per_j": 0.009,
        "score_scale": 7.0,
        "score_slope": 2.0,
    }
    instance = world(objective=objective, workload__bits_per_param=16).instance(0.0)
    assert (instance.weights.delay_per_s, instance.weights.energy_per_j) == (0.1, 0.009)
    assert (instance.score_law.scale, instance.score_law.slope) == (7.0, 2.0)
    assert instance.bits_per_param == 16.0
    assert instance.name == "test-world"


def test_a_window_is_as_long_as_it_says():
    windowed = world(channel__fading__block_s=0.02)
    assert windowed.window_s == pytest.approx(WINDOW_BLOCKS * 0.02, rel=1e-15)
    assert windowed.gain_window(np.array([0, 1, 0]), np.array([0, 1, 1]), 2).shape == (3, WINDOW_BLOCKS)
