"""``gain_window``, which the engine reads, against ``gain``, block by block; and the bits of its rows.

Both work out the same number in another order. After up to 3e6 rad of a wave (70 km at 2 GHz) rounding
moves the fading coefficient |h| by less than 1e-9, and so the gain of a block that is not in a fade,
|h|^2 > 0.1, by less than 7e-9; after 6 km at 2 GHz by less than 1e-9. Local means agree to 1e-11.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import load_scenario
from mecsim.world.windows import WINDOW, WINDOW_BLOCKS
from mecsim.world.world import World

LAW = settings(max_examples=20, deadline=None, derandomize=True)
SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml")
USERS = 43
MOBILITY = {
    "turns and stops": {"model": "random_waypoint", "speed_mps": [5.0, 15.0], "pause_s": [0.0, 2.0]},
    "many legs a window": {"model": "random_waypoint", "speed_mps": [200.0, 400.0], "pause_s": [0.0, 0.3]},
    "long stops": {"model": "random_waypoint", "speed_mps": [1.0, 2.0], "pause_s": [5.0, 60.0]},
    "static": {"model": "static"},
    "a turn each second": {"model": "gauss_markov", "memory": 0.8, "mean_speed_mps": 10.0, "sigma_mps": 4.0},
    "in a group": {
        "model": "group",
        "groups": 4,
        "radius_m": 30.0,
        "speed_mps": [5.0, 15.0],
        "member_speed_mps": [1.0, 3.0],
    },
}
KINDS_OF_LEGS = ("long stops", "many legs a window", "static", "turns and stops")
CHANNELS = {
    "everything": {},
    "no fading": {"channel.fading.model": "none"},
    "no shadowing": {"channel.shadowing.sigma_db": 0.0},
    "neither": {"channel.fading.model": "none", "channel.shadowing.sigma_db": 0.0},
    "free space, 28 GHz": {"channel.path_loss": "free_space", "channel.carrier_ghz": 28.0},
    "odd blocks": {"channel.fading.block_s": 1.0 / 300.0},
    "one slope, from mast to hand": {
        "channel.path_loss": "log_distance",
        "channel.log_distance": {"exponent": 2.2, "intercept_db": 40.0, "reference_m": 1.0},
        "channel.server_height_m": 30.0,
    },
    "urban macro": {"channel.path_loss": "uma", "channel.line_of_sight.decorrelation_m": 20.0},
    "urban micro, two sigmas": {
        "channel.path_loss": "umi",
        "channel.shadowing": {"sigma_db": 4.0, "nlos_sigma_db": 7.82, "decorrelation_m": 10.0},
    },
    "direct wave": {"channel.fading": {"model": "rician", "k_db": 3.0}},
    "direct wave in sight": {"channel.path_loss": "umi", "channel.fading": {"model": "rician"}},
    "moving surroundings": {"channel.fading": {"model": "rayleigh", "ambient_hz": 7.0}},
    "ergodic": {"channel.fading.model": "ergodic"},
}


@cache
def world(mobility, channel="everything"):
    changes = {"users.count": USERS, "users.mobility": MOBILITY[mobility], "duration_s": 520.0}
    return World(SCENARIO.with_changes(changes | CHANNELS[channel]), 3)


def pairs():
    return np.arange(USERS), np.arange(USERS) % 2


def block_by_block(world, window):
    """Gains and local means of all users over a window, the slow way."""
    users, servers = pairs()
    times_s = (window * WINDOW_BLOCKS + np.arange(WINDOW_BLOCKS)) * world.block_s
    args = users[:, None], servers[:, None], times_s
    return world.gain(*args), world.mean_gain(*args)


def check_window(fast, gain, mean, rtol=1e-9):
    fading, fast_fading = gain / mean, fast / mean
    np.testing.assert_allclose(np.sqrt(fast_fading), np.sqrt(fading), rtol=0.0, atol=1e-9)
    good = fading > 0.1
    np.testing.assert_allclose(fast[good], gain[good], rtol=rtol)


@pytest.mark.parametrize("mobility", MOBILITY)
@pytest.mark.parametrize("window", [0, 1, 7, 45])
def test_the_window_is_the_gain_block_by_block(mobility, window):
    asked = world(mobility)
    rtol = 7e-9 if mobility == "many legs a window" else 1e-9
    check_window(asked.gain_window(*pairs(), window), *block_by_block(asked, window), rtol)


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_window_is_the_gain_on_every_channel(channel):
    asked = world("turns and stops", channel)
    for window in (0, 3, 40):
        fast, (gain, mean) = asked.gain_window(*pairs(), window), block_by_block(asked, window)
        check_window(fast, gain, mean, rtol=7e-9 if "28 GHz" in channel else 1e-9)
        if channel in ("no fading", "neither"):
            np.testing.assert_allclose(fast, gain, rtol=1e-11)


def test_the_windows_above_hold_turns_stops_and_many_legs():
    """The cases the tests above are for do come up."""
    legs = {name: world(name).trajectories for name in MOBILITY}

    def legs_in_window(ways):
        """The most legs that one user has in one of the windows, and whether one of them is a stop."""
        starts_s = [ways.legs.start_s[ways.first[n] : ways.first[n + 1]] for n in range(USERS)]
        return max(np.histogram(start_s, np.arange(0.0, 513.0, 5.12))[0].max() for start_s in starts_s)

    assert legs_in_window(legs["many legs a window"]) >= 8
    assert legs_in_window(legs["turns and stops"]) >= 3
    assert (legs["long stops"].legs.speed_mps == 0.0).any()


@pytest.mark.parametrize("mutant", ["turn ignored", "a block late", "backwards"])
def test_the_comparison_rejects(mutant):
    asked = world("many legs a window")
    fast, (gain, mean) = asked.gain_window(*pairs(), 7), block_by_block(asked, 7)
    users, servers = pairs()
    wrong = {
        "turn ignored": lambda: asked._leg_gains(
            users,
            servers,
            np.array(asked.trajectories.leg_now(users.tolist(), 7 * asked.window_s)),
            7 * asked.window_s,
            WINDOW,
        ),
        "a block late": lambda: np.roll(fast, 1, axis=1),
        "backwards": lambda: fast[:, ::-1],
    }[mutant]()
    with pytest.raises(AssertionError):
        check_window(wrong, gain, mean)


# --- bits: a row is a function of its link and the window, not of the rows beside it


@cache
def rows(mobility, window):
    return world(mobility).gain_window(*pairs(), window)


@pytest.mark.parametrize("mobility", KINDS_OF_LEGS)
@pytest.mark.parametrize("size", [1, 2, 3, 15, 16, 17, 31, 33, 40, 43])
def test_a_row_has_the_same_bits_in_a_batch_of_any_size(mobility, size):
    users, servers = pairs()
    for window in (2, 61) if size > 3 else (2,):
        for first in range(0, USERS, size):
            part = slice(first, first + size)
            batch = world(mobility).gain_window(users[part], servers[part], window)
            assert np.array_equal(batch, rows(mobility, window)[part])


@LAW
@given(data=st.data(), mobility=st.sampled_from(KINDS_OF_LEGS), window=st.sampled_from([2, 33, 61]))
def test_a_row_has_the_same_bits_in_any_company(data, mobility, window):
    """Any choice of rows, in any order, some twice; mutant, one sum over the whole batch."""
    chosen = np.array(data.draw(st.lists(st.integers(0, USERS - 1), min_size=1, max_size=50)))
    users, servers = pairs()
    batch = world(mobility).gain_window(users[chosen], servers[chosen], window)
    assert np.array_equal(batch, rows(mobility, window)[chosen])


@pytest.mark.parametrize("blocks", [range(8), range(480, 512), range(40, 48), range(30, 70), range(256)])
@pytest.mark.parametrize("mobility", KINDS_OF_LEGS)
def test_a_part_of_a_window_has_the_bits_of_the_whole(mobility, blocks):
    """To the bit where BLAS adds alike whatever the rows, and to rounding anywhere; mutant, points from 0."""
    part = world(mobility).gain_window(*pairs(), 33, blocks)
    whole = rows(mobility, 33)[:, blocks.start : blocks.stop]
    np.testing.assert_allclose(part, whole, rtol=1e-9, atol=1e-13 * whole.max())


def test_rows_do_not_depend_on_what_was_asked_before():
    fresh = World(world("turns and stops").scenario, 3)
    for window in (61, 0, 33, 2):
        assert np.array_equal(fresh.gain_window(*pairs(), window), rows("turns and stops", window))


def test_a_moving_user_does_not_shake_a_standing_one():
    """A standing row is constant to the bit, whoever moves in the same batch."""
    asked = world("long stops")
    ways, users = asked.trajectories, np.arange(USERS)
    ends_s = np.array([5 * asked.window_s, 6 * asked.window_s])
    leg = np.array([ways.leg(users, np.array(end_s)) for end_s in ends_s])
    standing = (leg[0] == leg[1]) & (ways.legs.speed_mps[leg[0]] == 0.0)
    assert 0 < standing.sum() < USERS
    gains = asked.gain_window(*pairs(), 5)
    assert (gains[standing] == gains[standing, :1]).all()
    assert (gains[~standing] != gains[~standing, :1]).any(axis=1).all()
