"""Manhattan mobility in its stationary law: place, speed, pauses, turns (R1 to R4 for this model).

Users are uniform over the length of all streets at all times, with the speed density 1/(v ln(v2/v1));
the share of paused users is E[P]/(E[P] + L E[1/v]); at a crossing of four ways they turn with the given
probabilities. 8000 users on 3 x 2 blocks of 50 m, at t = 0 and later.
"""

import numpy as np
import pytest

from mecsim.testing.verification.mutant import replaced
from mecsim.testing.verification.walks import CROSSINGS, FRESH_SPEED
from mecsim.world.mobility import manhattan as product
from mecsim.world.mobility.manhattan import Manhattan, StreetGrid, turn_law
from mecsim.world.mobility.trajectories import Trajectories

USERS, LATER_S, SPACING_M = 8000, 400.0, 50.0
SIZE_M = np.array([170.0, 110.0])  # margins of 10 m and 5 m
CORNER_M = np.array([10.0, 5.0])
BLOCKS = (3, 2)
TURNS = (0.6, 0.3, 0.1)
SPEEDS, PAUSES = (2.0, 12.0), (5.0, 15.0)
# Of 3 x (2 + 1) + 2 x (3 + 1) = 17 blocks, 10 lie along the edge of the grid.
EDGE_SHARE = 10 / 17


def walk(until_s=LATER_S, pause_s=(0.0, 0.0), users=USERS, seed=51, turns=TURNS):
    model = Manhattan(street_spacing_m=SPACING_M, speed_mps=SPEEDS, pause_s=pause_s, turn_probabilities=turns)
    return Trajectories.join([model.legs(SIZE_M, seed, n, until_s) for n in range(users)])


@pytest.fixture(scope="module")
def ways():
    return walk()


def places(ways, time_s):
    users = np.arange(len(ways.first) - 1)
    return (ways.position_m(users, np.array(time_s)) - CORNER_M) / SPACING_M


def speeds(ways, time_s):
    return ways.legs.speed_mps[ways.leg(np.arange(len(ways.first) - 1), np.array(time_s))]


def along_streets(place):
    """Fraction of the block that each user is on, and whether that block is at the edge of the grid."""
    off = np.abs(place - np.round(place))
    along_x = off[:, 1] <= off[:, 0]
    across = np.where(along_x, np.round(place[:, 1]), np.round(place[:, 0]))
    last = np.where(along_x, BLOCKS[1], BLOCKS[0])
    return np.where(along_x, place[:, 0], place[:, 1]) % 1.0, (across == 0) | (across == last)


def check_place(verdicts, place, when):
    share, edge = along_streets(place)
    verdicts.law(f"place in the block at {when}", share, lambda v: v)
    verdicts.share(f"at the edge at {when}", edge, EDGE_SHARE)


def check_speed(verdicts, speed, when):
    low, high = SPEEDS
    log_ratio = np.log(high / low)
    mean = (high - low) / log_ratio
    deviation = np.sqrt((high**2 - low**2) / (2.0 * log_ratio) - mean**2)
    verdicts.mean(f"mean speed at {when}", speed, mean, deviation)
    verdicts.law(f"speed at {when}", speed, lambda v: np.log(v / low) / log_ratio)


def test_users_are_on_streets_and_inside(ways):
    for time_s in (0.0, 7.7, LATER_S):
        place = places(ways, time_s)
        assert (np.abs(place - np.round(place)).min(axis=1) < 1e-9).all()
        assert (place > -1e-9).all()
        assert (place < np.array(BLOCKS) + 1e-9).all()


def test_the_place_is_uniform_over_the_streets_at_all_times(verdicts, ways):
    for time_s in (0.0, LATER_S):
        check_place(verdicts, places(ways, time_s), f"t = {time_s:g} s")


def test_the_speed_is_stationary_from_the_start(verdicts, ways):
    for time_s in (0.0, LATER_S):
        check_speed(verdicts, speeds(ways, time_s), f"t = {time_s:g} s")


def paused_share():
    low, high = SPEEDS
    pause_s, move_s = sum(PAUSES) / 2.0, SPACING_M * np.log(high / low) / (high - low)
    return pause_s / (pause_s + move_s)


def test_the_share_of_paused_users(verdicts):
    pausing = walk(100.0, PAUSES, users=4000, seed=52)
    for time_s in (0.0, 100.0):
        verdicts.share(f"paused at {time_s:g} s", speeds(pausing, time_s) == 0.0, paused_share())


def turn_counts(ways):
    """The first turn of each user at a crossing of four ways, long after the start."""
    turns = []
    for n in range(len(ways.first) - 1):
        start_m = (ways.legs.start_m[ways.first[n] + 1 : ways.first[n + 1]] - CORNER_M) / SPACING_M
        node = np.round(start_m).astype(int)
        before, after = node[1:-1] - node[:-2], node[2:] - node[1:-1]
        inner = (node[1:-1] > 0).all(axis=1) & (node[1:-1] < np.array(BLOCKS)).all(axis=1)
        if inner[5:].any():
            i = 5 + np.flatnonzero(inner[5:])[0]
            turns.append(before[i, 0] * after[i, 1] - before[i, 1] * after[i, 0])
            assert (before[i] != -after[i]).any()
    return np.array(turns)


def test_users_turn_as_the_probabilities_say(verdicts, ways):
    turns = turn_counts(ways)
    assert len(turns) > USERS / 2
    for name, sign, probability in zip(("straight", "left", "right"), (0, 1, -1), TURNS, strict=True):
        verdicts.share(f"turn {name}", turns == sign, probability)


def other_turns(bug, make):
    """Return the mutant in which the law of the turns is ``make(ways, probabilities)``."""
    return replaced(bug, product, "turn_law", lambda law: lambda *args: make(law, *args))


def test_rejects_left_for_right(verdicts):
    def left_for_right(law, ways, probabilities):
        straight, left, right = probabilities
        return law(ways, (straight, right, left))

    with other_turns("left for right", left_for_right).in_force():
        turns = turn_counts(walk(users=2000))
    with verdicts.rejects("Manhattan, left for right"):
        verdicts.share("turn left", turns == 1, TURNS[1])


def stationary(law):
    """The stationary law of the directed blocks of the grid, by the eigenvector of the whole chain."""
    grid = StreetGrid(BLOCKS, 1.0, np.zeros(2))
    step = ((1, 0), (0, 1), (-1, 0), (0, -1))
    states = [grid.directed_block(i) for i in range(grid.directed_blocks)]
    number = {state: i for i, state in enumerate(states)}
    assert len(number) == 34
    chain = np.zeros((34, 34))
    for (x, y, heading), i in number.items():
        at = (x + step[heading][0], y + step[heading][1])
        chances = np.diff([0.0, *law(grid.streets_ahead(*at, heading))])
        for turn, chance in enumerate(chances):
            if chance > 0:
                chain[i, number[(*at, (heading + turn) % 4)]] += chance
    assert chain.sum(axis=1) == pytest.approx(1.0)
    lazy = np.linalg.matrix_power((chain + np.eye(34)) / 2.0, 4000)
    return states, lazy[0]


@pytest.mark.parametrize("turns", [TURNS, (0.5, 0.25, 0.25), (0.9, 0.0, 0.1)])
def test_the_uniform_law_is_the_stationary_one(turns):
    assert stationary(lambda ways: turn_law(ways, turns))[1] == pytest.approx(1.0 / 34, abs=1e-12)


def test_rejects_the_probabilities_scaled_up_at_the_edge(verdicts):
    """The usual rule, which shares out the missing way's probability, fills the edge."""

    def scaled(law, ways, probabilities):
        straight, left, right = (p * there for p, there in zip(probabilities, ways, strict=True))
        chance = np.array([straight, left, 0.0, right])
        return list(np.cumsum(chance / chance.sum() if chance.sum() else [0.0, 0.0, 1.0, 0.0]))

    with other_turns("scaled probabilities", scaled).in_force():
        ways = walk(users=4000)
    with verdicts.rejects("Manhattan, scaled probabilities at the edge"):
        check_place(verdicts, places(ways, LATER_S), f"t = {LATER_S:g} s")


def test_rejects_a_start_with_a_fresh_speed(verdicts):
    with FRESH_SPEED.in_force():
        ways = walk(until_s=0.0, users=2000)
    with verdicts.rejects("Manhattan, fresh speeds"):
        check_speed(verdicts, speeds(ways, 0.0), "t = 0")


def test_rejects_a_start_from_crossings_that_are_equally_likely(verdicts):
    with CROSSINGS.in_force():
        ways = walk(until_s=0.0, users=2000)
    with verdicts.rejects("Manhattan, crossings alike"):
        check_place(verdicts, places(ways, 0.0), "t = 0")


def test_one_street_leads_there_and_back():
    """A grid of one street is a road; at its ends users turn back."""
    road = Manhattan(street_spacing_m=100.0, speed_mps=(10.0, 10.0))
    ways = Trajectories.join([road.legs(np.array([300.0, 20.0]), 5, n, 200.0) for n in range(20)])
    place = ways.position_m(np.arange(20)[:, None], np.linspace(0.0, 200.0, 400))
    assert (place[..., 1] == 10.0).all()
    assert place[..., 0].min() == pytest.approx(0.0, abs=10.0)
    assert place[..., 0].max() == pytest.approx(300.0, abs=10.0)
    assert (np.abs(np.diff(place[..., 0], axis=1)) <= 10.0 * 200.0 / 399 + 1e-9).all()
