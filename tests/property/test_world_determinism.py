"""The world is a function of (scenario, seed, entity, time): D1, D5, D7, and any order of asking.

More users or servers leave the bits of the others alone; a longer run leaves the start of it alone;
a fresh process agrees. The mutants draw from one generator in the order of need.
"""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim import load_scenario
from mecsim.world.world import World

LAW = settings(max_examples=40, deadline=None, derandomize=True)
PATH = Path(__file__).resolve().parents[1] / "data" / "world.toml"
SCENARIO = load_scenario(PATH)
ROUNDS = {
    "continuous": {"mode": "continuous"},
    "poisson": {"mode": "poisson", "rate_per_s": 0.3},
    "periodic": {"mode": "periodic", "period_s": 17.0},
}
TIMES_S = np.linspace(0.0, 599.0, 60)
PAIRS = np.arange(5), np.arange(5) % 2


def world(seed=7, **changes):
    return World(
        SCENARIO.with_changes({key.replace("__", "."): value for key, value in changes.items()}), seed
    )


def seen(world, users, servers, until_s=600.0):
    """All there is to see of some users at some servers until a time, as a list of arrays."""
    n, m, times_s = np.arange(users), np.arange(servers), TIMES_S[until_s > TIMES_S]
    rounds = [world.workload.work(n, np.full(users, k)) for k in (0, 1, 300)]
    last_window = int(until_s / world.window_s) - 1
    return [
        world.position_m(n[:, None], times_s),
        world.gain(n[:, None, None], m[None, :, None], times_s),
        *(world.gain_window(n, n % servers, window) for window in (0, last_window)),
        *(column for pair in rounds for column in pair),
        *(world.workload.arrivals_s(user, until_s) for user in n),
    ]


def check_same(one, other):
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert left.tobytes() == right.tobytes()


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("more", [1, 12])
def test_d5_more_users_change_nothing_for_the_others(rounds, more):
    few = world(workload__rounds=ROUNDS[rounds])
    many = world(workload__rounds=ROUNDS[rounds], users__count=5 + more)
    check_same(seen(few, 5, 2), seen(many, 5, 2))


def test_d5_more_servers_change_nothing_for_the_others():
    more = [[100.0, 100.0], [300.0, 100.0], [50.0, 50.0], [200.0, 10.0]]
    two, four = world(), world(servers__positions_m=more)
    check_same(seen(two, 5, 2), seen(four, 5, 2))


def test_d5_a_standing_user_more_far_away_changes_nothing():
    corner = [[10.0 * n, 20.0] for n in range(5)]
    static = {"users__mobility": {"model": "static"}}
    five = world(**static, users__positions_m=corner)
    six = world(**static, users__count=6, users__positions_m=[*corner, [400.0, 200.0]])
    check_same(seen(five, 5, 2), seen(six, 5, 2))


def test_d5_more_users_change_nothing_on_a_channel_with_everything():
    channel = {
        "path_loss": "umi",
        "shadowing": {"sigma_db": 4.0, "nlos_sigma_db": 7.82, "decorrelation_m": 10.0},
        "fading": {"model": "rician", "ambient_hz": 2.0},
        "interference": {"model": "full_buffer"},
    }
    few, many = world(channel=channel), world(channel=channel, users__count=11)
    check_same(seen(few, 5, 2), seen(many, 5, 2))
    check_same([few.downlink_window(*PAIRS, 3)], [many.downlink_window(*PAIRS, 3)])


def test_d5_rejects_one_generator_for_all():
    def drawn(users):
        rng = np.random.default_rng(7)
        phases = rng.random((users, 3))
        return [phases[:5], rng.random((users, 3))[:5]]

    with pytest.raises(AssertionError):
        check_same(drawn(5), drawn(6))


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("longer_s", [600.5, 6000.0, 100_000.0])
def test_d7_a_longer_run_starts_the_same(rounds, longer_s):
    short = world(workload__rounds=ROUNDS[rounds])
    long = world(workload__rounds=ROUNDS[rounds], duration_s=longer_s)
    check_same(seen(short, 5, 2), seen(long, 5, 2))


def test_d7_a_run_cut_short_starts_the_same():
    check_same(seen(world(), 5, 2, until_s=60.0), seen(world(duration_s=60.0), 5, 2, until_s=60.0))


def test_d7_rejects_times_that_scale_with_the_duration():
    with pytest.raises(AssertionError):
        check_same([np.linspace(0.0, 600.0, 11)], [np.linspace(0.0, 1200.0, 11)])


# --- digest


@cache
def digest_of(seed):
    return world(seed).digest()


def test_d1_the_digest_tells_worlds_apart_and_knows_them_again():
    assert world(7).digest() == digest_of(7)
    assert len({digest_of(seed) for seed in range(7, 12)}) == 5


CHANGES = {
    "speed": {"users.mobility": {"model": "random_waypoint", "speed_mps": [5.0, 15.001], "pause_s": [0, 2]}},
    "carrier": {"channel.carrier_ghz": 2.0001},
    "sigma": {"channel.shadowing.sigma_db": 8.0001},
    "decorrelation": {"channel.shadowing.decorrelation_m": 50.01},
    "token data": {"workload.token_bits": {"exponential": 3.0001e6, "per": "round"}},
    "arrivals": {"workload.rounds": {"mode": "poisson", "rate_per_s": 0.3}},
    "block": {"channel.fading.block_s": 0.0101},
    "line of sight": {"channel.path_loss": "uma"},
    "direct wave": {"channel.fading.model": "rician"},
    "surroundings": {"channel.fading.ambient_hz": 0.1},
    "interference": {"channel.interference.model": "full_buffer"},
    "mast": {"channel.server_height_m": 20.0},
    "server": {"servers.positions_m": [[100.0, 100.0], [300.0, 100.001]]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_d1_the_digest_sees_every_part_of_the_world(change):
    assert World(SCENARIO.with_changes(CHANGES[change]), 7).digest() != digest_of(7)


def test_d1_the_digest_does_not_depend_on_what_was_asked_before():
    asked = world(7)
    seen(asked, 5, 2)
    asked.instance(11.0)
    assert asked.digest() == digest_of(7)


SCRIPT = """
import sys
from mecsim import load_scenario
from mecsim.world.world import World
print(World(load_scenario(sys.argv[1]), 7).digest())
"""


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_d1_a_fresh_process_with_other_hashes_makes_the_same_world(hash_seed):
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SCRIPT, str(PATH)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest_of(7)


# --- any order, any shape


@LAW
@given(data=st.data())
def test_gain_and_position_have_the_same_bits_in_any_order_and_shape(data):
    asked = _asked()
    size = data.draw(st.sampled_from([1, 2, 6, 12, 35]))
    many = {"min_size": size, "max_size": size}
    users = np.array(data.draw(st.lists(st.integers(0, 4), **many)))
    servers = np.array(data.draw(st.lists(st.integers(0, 1), **many)))
    times_s = np.array(data.draw(st.lists(st.floats(0.0, 600.0), **many)))
    gain, mean, place = (
        asked.gain(users, servers, times_s),
        asked.mean_gain(users, servers, times_s),
        asked.position_m(users, times_s),
    )
    shuffle = np.array(data.draw(st.permutations(range(size))))
    args = users[shuffle], servers[shuffle], times_s[shuffle]
    assert np.array_equal(asked.gain(*args), gain[shuffle])
    assert np.array_equal(asked.mean_gain(*args), mean[shuffle])
    assert np.array_equal(asked.position_m(args[0], args[2]), place[shuffle])
    table = asked.gain(np.arange(5)[:, None, None], np.arange(2)[None, :, None], times_s)
    turned = asked.gain(np.arange(5), np.arange(2)[:, None], times_s[:, None, None])
    assert np.array_equal(table[users, servers, np.arange(size)], gain)
    assert np.array_equal(turned.transpose(2, 1, 0), table)
    for i in range(size):
        one = slice(i, i + 1)
        assert asked.gain(users[one], servers[one], times_s[one]) == gain[i]


@cache
def _asked():
    return world()


# --- the other ways of moving

WAYS = {
    "gauss_markov": {"model": "gauss_markov", "memory": 0.9, "mean_speed_mps": 5.0, "sigma_mps": 2.0},
    "manhattan": {"model": "manhattan", "street_spacing_m": 45.0, "speed_mps": [2, 12], "pause_s": [0, 9]},
    "group": {
        "model": "group", "groups": 2, "radius_m": 20.0, "speed_mps": [1, 9], "member_speed_mps": [1, 2],
    },
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_more_users_or_a_longer_run_leave_the_ways_of_the_others_alone(way):
    """D5 and D7. Mutants: group centres numbered by who came first; draws that depend on the horizon."""
    base = seen(world(users__mobility=WAYS[way]), 5, 2, 300.0)
    check_same(base, seen(world(users__mobility=WAYS[way], users__count=12), 5, 2, 300.0))
    check_same(base, seen(world(users__mobility=WAYS[way], duration_s=900.0), 5, 2, 300.0))


def test_the_other_ways_are_the_same_in_a_fresh_process():
    """D1, and each way is another world."""
    code = (
        "import json, sys; from mecsim import load_scenario; from mecsim.world.world import World;"
        "print(*(World(load_scenario(sys.argv[1]).with_changes({'users.mobility': way}), 7).digest()"
        " for way in json.loads(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(PATH), json.dumps(list(WAYS.values()))]
    environment = os.environ | {"PYTHONHASHSEED": "99"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    here = [world(users__mobility=way).digest() for way in WAYS.values()]
    assert done.stdout.split() == here
    assert len(set(here)) == len(WAYS)
