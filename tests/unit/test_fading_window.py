"""Bits over a fading channel, against a walk from block to block.

Bugs it would catch: the rate of the block before or after, an edge that belongs to the wrong block,
bits counted from the start of the block instead of from the grant, a transfer that ends with its
block, gains of the window before.
"""

import math

import numpy as np
import pytest

from mecsim.engine.fading_window import FadingWindow, Transfer
from mecsim.engine.gain_window import PART_S, part_blocks
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

LINKS = [(0, 1), (2, 0)]
BANDWIDTH_HZ = [3e6, 1e7]
POWER_W = [0.2, 0.05]
ALL = [
    Transfer(*link, b, p, False, math.inf) for link, b, p in zip(LINKS, BANDWIDTH_HZ, POWER_W, strict=True)
]


@pytest.fixture(scope="module", params=[0.01, 0.013, 1 / 3])
def world(make_scenario, request):
    return World(
        make_scenario({
            "duration_s": 1500 * request.param,
            "users.mobility": {"model": "random_waypoint", "speed_mps": [10, 30]},
            "channel.fading.block_s": request.param,
        }),
        5,
    )  # fmt: skip


def block_rates(world, link, first, count):
    """Return the rates of some blocks, each from the world's own gain at the start of the block."""
    i = LINKS.index(link)
    starts_s = np.arange(first, first + count) * world.block_s
    gain = world.gain(np.array([link[0]]), np.array([link[1]]), starts_s)
    return BANDWIDTH_HZ[i] * np.log2(1 + gain * POWER_W[i] / (world.noise_w_per_hz * BANDWIDTH_HZ[i]))


def walked_bits(world, link, from_s, to_s):
    """Return the bits carried between two times, block by block."""
    first = max(0, int(from_s / world.block_s) - 1)
    count = int(to_s / world.block_s) + 2 - first
    bits = []
    for block, rate in enumerate(block_rates(world, link, first, count).tolist(), start=first):
        start_s, end_s = max(from_s, block * world.block_s), min(to_s, (block + 1) * world.block_s)
        bits.append(rate * max(0.0, end_s - start_s))
    return math.fsum(bits)


def grant(radio, transfers, now_s):
    for transfer in transfers:
        radio.note(transfer)
    radio.begin([transfer.user for transfer in transfers], now_s)


def granted(world, window, now_s):
    radio = FadingWindow(world)
    radio.gains.go_to(window)
    grant(radio, ALL, now_s)
    return radio


def sent(radio, user, time_s):
    """The bits of one user, the same as beside another one."""
    (bits,) = radio.bits([user], time_s)
    assert radio.bits([user, 1], time_s)[0] == bits
    return bits


def time_of(radio, user, bits):
    """The end of one user's bits, the same as beside another one."""
    (time_s,) = radio.times_of([user], [bits])
    assert radio.times_of([user, 1], [bits, 1.0])[0] == time_s
    return time_s


def moments(world, window, now_s):
    """Return times of a window after now: in blocks, at their edges, and the end of the window."""
    end_s = (window + 1) * WINDOW_BLOCKS * world.block_s
    first = int(now_s / world.block_s)
    edges = [k * world.block_s for k in range(first + 1, first + 6)]
    inside = np.random.default_rng(1).uniform(now_s, end_s, 5).tolist()
    return [time_s for time_s in [*edges, *inside, end_s] if now_s < time_s <= end_s]


@pytest.mark.parametrize("window", [0, 1, 2])
@pytest.mark.parametrize("offset_blocks", [0.0, 0.4, 3.0, 77.77, WINDOW_BLOCKS - 0.5])
def test_bits_are_the_integral_of_the_rate_since_the_grant(world, window, offset_blocks):
    now_s = (window * WINDOW_BLOCKS + offset_blocks) * world.block_s
    radio = granted(world, window, now_s)
    for link in LINKS:
        for time_s in moments(world, window, now_s):
            bits = walked_bits(world, link, now_s, time_s)
            assert sent(radio, link[0], time_s) == pytest.approx(bits, rel=1e-9)
            assert walked_bits(world, link, now_s, time_s + world.block_s) != pytest.approx(bits, rel=1e-9)


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("offset_blocks", [0.0, 0.4, 77.77, WINDOW_BLOCKS - 0.5])
def test_the_time_of_some_bits_is_when_they_are_carried(world, window, offset_blocks):
    now_s = (window * WINDOW_BLOCKS + offset_blocks) * world.block_s
    radio = granted(world, window, now_s)
    for link in LINKS:
        for time_s in moments(world, window, now_s)[:-1]:
            carried = sent(radio, link[0], time_s)
            assert time_of(radio, link[0], carried) == pytest.approx(
                time_s, rel=1e-12, abs=1e-9 * world.block_s
            )


def test_bits_beyond_the_window_have_no_time_in_it(world):
    radio = granted(world, 1, (WINDOW_BLOCKS + 2) * world.block_s)
    for user, _ in LINKS:
        everything = sent(radio, user, radio.end_s)
        assert time_of(radio, user, everything) <= radio.end_s
        assert time_of(radio, user, everything * (1 + 1e-9)) == math.inf


def test_no_time_is_before_the_grant_or_after_the_end(world):
    now_s = (WINDOW_BLOCKS + 2.5) * world.block_s
    radio = granted(world, 1, now_s)
    for user, _ in LINKS:
        everything = sent(radio, user, radio.end_s)
        times = [time_of(radio, user, share * everything) for share in np.linspace(1e-12, 1.0, 50)]
        assert times == sorted(times)
        assert now_s <= times[0]
        assert times[-1] <= radio.end_s


def test_the_end_of_a_window_is_the_exact_edge_of_its_last_block(world):
    radio = FadingWindow(world)
    for window in (0, 1, 5):
        radio.gains.go_to(window)
        assert radio.end_s == (window + 1) * WINDOW_BLOCKS * world.block_s


def test_a_new_grant_counts_from_its_own_moment_at_the_new_rate(world):
    radio = granted(world, 0, 0.0)
    later_s = 10.5 * world.block_s
    before = sent(radio, 0, later_s)
    grant(radio, ALL[:1], later_s)
    assert sent(radio, 0, later_s) == 0.0
    end_s = 30.25 * world.block_s
    assert before + sent(radio, 0, end_s) == pytest.approx(walked_bits(world, LINKS[0], 0.0, end_s), rel=1e-9)
    assert sent(radio, 2, end_s) == pytest.approx(walked_bits(world, LINKS[1], 0.0, end_s), rel=1e-9)


def test_another_server_and_another_window_have_other_gains(world):
    radio = granted(world, 0, 0.0)
    rates = [sent(radio, 0, 0.5 * world.block_s)]
    grant(radio, [ALL[0]._replace(server=0)], 0.0)
    rates.append(sent(radio, 0, 0.5 * world.block_s))
    radio.gains.go_to(1)
    start_s = radio.end_s - WINDOW_BLOCKS * world.block_s
    grant(radio, [ALL[0]._replace(server=0)], start_s)
    rates.append(sent(radio, 0, (WINDOW_BLOCKS + 0.5) * world.block_s))
    assert len({round(rate, 6) for rate in rates}) == 3


def test_the_highest_rate_is_of_the_grant_in_force(world):
    """Mutant: the highest of the whole row, where rates of the grant before still stand."""
    radio = granted(world, 1, WINDOW_BLOCKS * world.block_s)
    later_s = (WINDOW_BLOCKS + 100) * world.block_s
    grant(radio, [ALL[0]._replace(bandwidth_hz=BANDWIDTH_HZ[0] / 1000)], later_s)
    rates = block_rates(world, LINKS[0], WINDOW_BLOCKS + 100, WINDOW_BLOCKS - 100)
    assert 0 < radio.highest_rate(LINKS[0][0]) < rates.max() / 10


def test_rates_are_known_until_the_bits_are_sent(make_scenario):
    """Of a window in parts; mutants: the last part left out, bits of a part counted from its own start."""
    moving = {"model": "random_waypoint", "speed_mps": [10, 30]}
    slow = World(
        make_scenario({"duration_s": 1500, "users.mobility": moving, "channel.fading.block_s": 1.0}), 5
    )
    whole, radio = granted(slow, 0, 30.5), FadingWindow(slow)
    assert part_blocks(1.0) < WINDOW_BLOCKS
    for time_s in (31.0, 120.0, 200.0, 500.0):
        left = sent(whole, 0, time_s)
        grant(radio, [ALL[0]._replace(bits=left)], 30.5)
        assert time_of(radio, 0, left) == time_of(whole, 0, left) == pytest.approx(time_s, rel=1e-12)


@pytest.mark.parametrize("block_s", [1e-4, 0.01, 1 / 3, 1.0, 7.0, 60.0, 1e4])
def test_parts_make_up_a_window(block_s):
    blocks = part_blocks(block_s)
    assert WINDOW_BLOCKS % blocks == 0
    assert blocks == WINDOW_BLOCKS or blocks * block_s >= PART_S
