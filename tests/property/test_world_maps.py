"""Moving the map as a whole (M7) and coming nearer (M8).

Without shadowing, which is a field fixed to the map, gains depend on distances alone, so a map that
is shifted, turned or mirrored has the same gains, fading included. With shadowing it has others.
"""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import load_scenario
from mecsim.world.world import World

LAW = settings(max_examples=60, deadline=None, derandomize=True)
SIDE_M = 4000.0
SCENARIO = load_scenario(Path(__file__).resolve().parents[1] / "data" / "world.toml").with_changes(
    {"area.size_m": [SIDE_M, SIDE_M], "users.mobility": {"model": "static"}}
)


def gains(users_m, servers_m, *, fading=True, **channel):
    changes = {
        "servers.positions_m": np.asarray(servers_m).tolist(),
        "users.count": len(users_m),
        "users.positions_m": np.asarray(users_m).tolist(),
        "channel.shadowing.sigma_db": 0.0,
    }
    changes |= {f"channel.{key}": value for key, value in channel.items()}
    return World(SCENARIO.with_changes(changes), 2).all_gains(0.0, fading=fading)


# A map of users and servers in the middle, so that it stays inside however it is turned or shifted.
OFFSETS = st.floats(-600.0, 600.0)
MAPS = st.tuples(
    st.lists(st.tuples(OFFSETS, OFFSETS), min_size=1, max_size=6),
    st.lists(st.tuples(OFFSETS, OFFSETS), min_size=1, max_size=3),
)
LAWS = st.sampled_from(["log_distance_128", "free_space"])


def placed(points, angle=0.0, shift=(0.0, 0.0), mirror=False):
    """Offsets turned, perhaps mirrored, and put round the middle of the area."""
    x, y = np.array(points).T
    x = -x if mirror else x
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1) + SIDE_M / 2.0 + np.array(shift)


def check_same(one, other):
    """Coordinates of 4000 m round to 5e-13 m, which over the least distance of 10 m is 1e-12 of the gain."""
    np.testing.assert_allclose(one, other, rtol=1e-11)


@LAW
@given(points=MAPS, angle=st.floats(0.0, 2 * math.pi), dx=OFFSETS, dy=OFFSETS, mirror=st.booleans(), law=LAWS)
def test_m7_shifting_turning_and_mirroring_the_map_leaves_the_gains(points, angle, dx, dy, mirror, law):
    users, servers = points
    before = gains(placed(users), placed(servers), path_loss=law)
    after = gains(
        placed(users, angle, (dx, dy), mirror), placed(servers, angle, (dx, dy), mirror), path_loss=law
    )
    check_same(before, after)


USERS, SERVERS = [(100.0, 0.0), (-250.0, 333.0), (5.0, -40.0)], [(0.0, 0.0), (300.0, -100.0)]


@pytest.mark.parametrize("mutant", ["only users move", "distance of the axes added", "one axis dropped"])
def test_m7_rejects(mutant):
    before = gains(placed(USERS), placed(SERVERS), fading=False)

    def by_axes(users, servers, weight):
        away = np.abs(placed(users)[:, None] - placed(servers)[None]) * weight
        return 10.0 ** (-(128.1 + 37.6 * np.log10(np.maximum(away.sum(axis=-1), 10.0) / 1000.0)) / 10.0)

    def turned(points):
        return [(-y, x) for x, y in points]

    tilted = [(0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y) for x, y in USERS]
    tilted_servers = [(0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y) for x, y in SERVERS]
    one, other = {
        "only users move": (before, gains(placed(USERS, 0.3), placed(SERVERS), fading=False)),
        "distance of the axes added": (by_axes(USERS, SERVERS, 1.0), by_axes(tilted, tilted_servers, 1.0)),
        "one axis dropped": (
            by_axes(USERS, SERVERS, [1.0, 0.0]),
            by_axes(turned(USERS), turned(SERVERS), [1.0, 0.0]),
        ),
    }[mutant]
    with pytest.raises(AssertionError):
        check_same(one, other)


def test_m7_needs_the_shadowing_off():
    before, after = (
        gains(placed(USERS, angle), placed(SERVERS, angle), shadowing={"sigma_db": 8.0})
        for angle in (0.0, 1.0)
    )
    with pytest.raises(AssertionError):
        check_same(before, after)


def test_m7_renaming_users_and_servers_permutes_the_local_mean():
    """M6 for the world: places in another order, gains in the same other order. Fading keeps to the index."""
    users, servers = placed(USERS), placed(SERVERS)
    before = gains(users, servers, fading=False)
    after = gains(users[[2, 0, 1]], servers[[1, 0]], fading=False)
    assert np.array_equal(after, before[[2, 0, 1]][:, [1, 0]])


@LAW
@given(
    distances=st.lists(st.floats(10.0, 1900.0), min_size=2, max_size=12, unique=True),
    angle=st.floats(0.0, 2 * math.pi),
    law=LAWS,
)
def test_m8_nearer_users_have_the_larger_gain(distances, angle, law):
    """Strictly, wherever the distances differ by more than rounding."""
    ordered = np.sort(distances)
    users = ordered[:, None] * np.array([math.cos(angle), math.sin(angle)])
    gain = gains(placed(users), placed([(0.0, 0.0)]), fading=False, path_loss=law)[:, 0]
    apart = np.diff(ordered) > 1e-6
    assert (np.diff(gain)[apart] < 0.0).all()
    assert (np.diff(gain) <= gain[:-1] * 1e-11).all()


def test_m8_rejects_a_loss_that_turns_round():
    """Metres below 1 km in the law for kilometres, clipped: nearer is no longer better."""
    ordered = np.array([20.0, 300.0, 900.0])
    clipped = 10.0 ** (-(128.1 + 37.6 * np.log10(np.maximum(ordered / 1000.0, 1.0))) / 10.0)
    assert not (np.diff(clipped) < 0.0).all()
