"""Transfers of many users, granted at one time: as each of them alone, however far ahead one looks."""

import math

import numpy as np
import pytest

from mecsim import load_scenario
from mecsim.engine import fading_window, radio
from mecsim.engine.fading_window import FadingWindow, Transfer
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
    for n, left in zip(users, bits, strict=True):
        window.note(Transfer(n, n % 2, hertz(n), 0.1, n % 3 == 0, left))
    window.begin(users, NOW_S)


def hertz(user):
    return 1e5 * (1 + user)


def ends_s(window, bits):
    """Return when each ends, looked for as the engine does."""
    grant(window, USERS, bits)
    found = dict(zip(USERS, window.ends_s(USERS), strict=True))
    looks = []
    while later := [
        n for n, end_s in found.items() if end_s == math.inf and window.known_until_s(n) < math.inf
    ]:
        looks.append(window.known_until_s(later[0]))
        window.look_further(later)
        found |= zip(later, window.ends_s(later), strict=True)
    return [found[n] for n in USERS], looks


def alone_s(world, bits):
    window, found = FadingWindow(world), []
    for n, left in zip(USERS, bits, strict=True):
        grant(window, [n], [left])
        found += window.ends_s([n])
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


@pytest.mark.parametrize("users", [USERS[5::6], USERS])
def test_new_shares_count_on_from_what_was_sent(world, bits, users):
    """A grant made anew at its old bandwidth changes no end.

    Mutants rejected: what was sent counts twice, or not at all.
    """
    window, whole, time_s = FadingWindow(world, 64), FadingWindow(world), NOW_S + 20.25 * BLOCK_S
    for each in (window, whole):
        grant(each, users, [bits[n] for n in users])
    rows = np.array([n for n, end_s in zip(users, whole.ends_s(users), strict=True) if end_s > time_s])
    sent = window.note_shares(rows, np.array([hertz(n) for n in rows]), time_s)
    window.begin(rows.tolist(), time_s)
    assert sent.tolist() == whole.bits(rows.tolist(), time_s)
    while any(window.known_until_s(n) < math.inf for n in rows.tolist()):
        window.look_further([n for n in rows.tolist() if window.known_until_s(n) < math.inf])
    ends_s = whole.ends_s(rows.tolist())
    np.testing.assert_allclose(window.ends_s(rows.tolist()), ends_s, rtol=1e-12)
    later_s = 400.5 * BLOCK_S
    open_ = [n for n, end_s in zip(rows.tolist(), ends_s, strict=True) if end_s == math.inf]
    carried = sent[np.isin(rows, open_)]
    np.testing.assert_allclose(carried + window.bits(open_, later_s), whole.bits(open_, later_s), rtol=1e-12)


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


class _Same:
    """A policy that decides as at first, so that nothing changes at later epochs."""

    def __init__(self):
        self.allocation = None

    def allocate(self, observation):
        if self.allocation is None:
            self.allocation = make_policy("nearest").allocate(observation)
        return self.allocation


def test_a_decision_that_changes_nothing_changes_no_end_of_a_transfer(make_scenario):
    """Mutant rejected: an end looked for further ahead, of what was left at the epoch, not at the grant."""
    crowd = {"users.count": 30, "servers.positions_m": [[200, 100]], "duration_s": 60, "warmup_s": 0}
    tables = []
    for period_s in (0.13, 60.0):
        changes = crowd | {"service.sharing": "work_conserving", "reallocation.period_s": period_s}
        run = Simulation(load_scenario("smoke").with_changes(changes), _Same(), 3).run()
        tables.append(run.rounds)
    assert len(tables[0]["user"]) > 30
    for name in ("user", "uplink_s", "downlink_s", "delay_s"):
        np.testing.assert_allclose(tables[0][name], tables[1][name], rtol=1e-9, atol=1e-9)
