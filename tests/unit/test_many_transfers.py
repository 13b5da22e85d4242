"""Transfers of many users, granted at one time: as each of them alone, however far ahead one looks."""

import math

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.engine import fading_window, radio
from mecsim.engine.fading_window import FadingWindow
from mecsim.engine.simulation import Simulation
from mecsim.registry import make_policy
from mecsim.world.windows import WINDOW_BLOCKS
from mecsim.world.world import World

USERS = list(range(30))
BLOCK_S = 0.01
NOW_S = 100.25 * BLOCK_S


@pytest.fixture(scope="module")
def world(make_scenario):
    way = {"model": "random_waypoint", "speed_mps": [10, 30]}
    return World(
        make_scenario(
            {
                "users.count": len(USERS),
                "users.mobility": way,
                "duration_s": 20,
                "channel.fading.block_s": BLOCK_S,
            }
        ),
        5,
    )


@pytest.fixture(scope="module")
def bits(world):
    """Return what each is to send: some end in the first block, some later, some not in the window."""
    alone = FadingWindow(world)
    total = []
    for n in USERS:
        grant(alone, [n], [math.inf])
        total += alone.bits([n], alone.end_s)
    return [
        share * sent for share, sent in zip(np.linspace(1e-4, 1.1, len(USERS)).tolist(), total, strict=True)
    ]


def grant(window, users, bits):
    links = [(n, n % 2) for n in users]
    hertz = [1e5 * (1 + n) for n in users]
    down = [n % 3 == 0 for n in users]
    window.grant(links, hertz, [0.1] * len(users), NOW_S, down, bits)


def ends_s(window, bits):
    """Return when each ends, looked for as the engine does."""
    left = dict(enumerate(bits))
    grant(window, USERS, bits)
    found = dict(zip(USERS, window.times_of(USERS, bits), strict=True))
    looks = []
    while later := [
        n for n, end_s in found.items() if end_s == math.inf and window.known_until_s(n) < math.inf
    ]:
        looks.append(window.known_until_s(later[0]))
        window.look_further(later)
        found |= zip(later, window.times_of(later, [left[n] for n in later]), strict=True)
    return [found[n] for n in USERS], looks


def alone_s(world, bits):
    window, found = FadingWindow(world), []
    for n, left in zip(USERS, bits, strict=True):
        grant(window, [n], [left])
        found += window.times_of([n], [left])
    return found


@pytest.mark.parametrize("ahead", [1, 7, 64, WINDOW_BLOCKS])
def test_the_ends_of_many_are_those_of_each_alone(world, bits, ahead):
    """To the bit. Mutants rejected: a later look that begins anew at the grant; a look one block late."""
    expected = alone_s(world, bits)
    found, looks = ends_s(FadingWindow(world, ahead), bits)
    assert found == expected
    assert math.isfinite(found[0])
    assert found[-1] == math.inf
    edges = range(100 + ahead, WINDOW_BLOCKS, ahead)
    assert looks == [edge * world.block_s for edge in edges]


def test_what_was_sent_by_the_time_of_a_look_is_known(world, bits):
    """Mutant rejected: bits read from rates that are not worked out yet."""
    whole, window = FadingWindow(world), FadingWindow(world, 64)
    grant(whole, USERS, bits)
    grant(window, USERS, bits)
    time_s = window.known_until_s(USERS[-1])
    slow = [n for n in USERS if window.known_until_s(n) == time_s]
    assert slow
    assert window.bits(slow, time_s) == whole.bits(slow, time_s)


def test_runs_of_many_who_share_are_the_same_however_far_they_look(monkeypatch):
    """Mutant rejected: no look where known rates end, so that a transfer waits for the next window."""
    crowd = {"users.count": 70, "duration_s": 8, "warmup_s": 0, "service.sharing": "work_conserving"}
    scenario = load_scenario("smoke").with_changes(crowd)
    tables = []
    for ahead in (2, WINDOW_BLOCKS):
        monkeypatch.setattr(radio, "AHEAD_BLOCKS", ahead)
        monkeypatch.setattr(fading_window, "_MANY", 8)
        run = Simulation(scenario, make_policy("nearest"), 3).run()
        tables.append({name: column.tolist() for name, column in run.rounds.items()})
    assert tables[0] == tables[1]
