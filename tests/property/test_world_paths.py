"""Ways as pure functions of time (R4). The mutant integrates position slot by slot."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mecsim.world.mobility.gauss_markov import GaussMarkov
from mecsim.world.mobility.group import Group
from mecsim.world.mobility.manhattan import Manhattan
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint

LAW = settings(max_examples=60, deadline=None, derandomize=True)
UNTIL_S, USERS, SIZE_M = 2000.0, 12, np.array([300.0, 170.0])
MODELS = {
    "walking": RandomWaypoint(speed_mps=(0.5, 2.0)),
    "driving, short stops": RandomWaypoint(speed_mps=(5.0, 15.0), pause_s=(0.0, 3.0)),
    "long stops": RandomWaypoint(speed_mps=(1.0, 30.0), pause_s=(10.0, 100.0)),
    "one speed": RandomWaypoint(speed_mps=(10.0, 10.0)),
    "crawling": RandomWaypoint(speed_mps=(1e-3, 40.0), pause_s=(1e-3, 1e-3)),
    "Gauss-Markov": GaussMarkov(memory=0.7, mean_speed_mps=8.0, sigma_mps=5.0, step_s=3.7),
    "Gauss-Markov, straight": GaussMarkov(memory=1.0, mean_speed_mps=30.0, sigma_mps=5.0, step_s=40.0),
    "Manhattan": Manhattan(street_spacing_m=70.0, speed_mps=(3.0, 15.0), pause_s=(0.0, 9.0)),
    "one street": Manhattan(street_spacing_m=200.0, speed_mps=(10.0, 20.0)),
    "groups": Group(groups=3, radius_m=25.0, speed_mps=(1.0, 9.0), member_speed_mps=(0.5, 2.0)),
}


@pytest.fixture(scope="module", params=MODELS)
def ways(request):
    model = MODELS[request.param]
    return Trajectories.join([model.legs(SIZE_M, 5, n, UNTIL_S) for n in range(USERS)])


def legs_of(ways, user):
    """Start, end, start point and speed of the legs that begin before UNTIL_S, one user's."""
    here = slice(ways.first[user], ways.first[user + 1] - 1)
    start_s = ways.legs.start_s[here]
    end_s = ways.legs.start_s[ways.first[user] + 1 : ways.first[user + 1]]
    return start_s, end_s, ways.legs.start_m[here], ways.legs.speed_mps[here]


def all_times(ways, user):
    """Every turn up to UNTIL_S, the instants beside it, and a second grid."""
    turns = legs_of(ways, user)[0]
    turns = turns[turns <= UNTIL_S]
    beside = np.concatenate([turns, np.nextafter(turns, 0.0), np.nextafter(turns, np.inf)])
    return np.unique(np.concatenate([beside, np.arange(0.0, UNTIL_S, 1.0)]))


def test_r4_never_outside(ways):
    for user in range(USERS):
        place = ways.position_m(np.array(user), all_times(ways, user))
        assert (place >= -1e-9).all()
        assert (place <= SIZE_M + 1e-9).all()


def test_r4_the_speed_between_turns_is_exact(ways):
    """Where the user is after any part of a leg: speed times time from its start, in a straight line."""
    for user in range(USERS):
        start_s, end_s, start_m, speed_mps = legs_of(ways, user)
        for share in (0.25, 0.5, 1.0):
            moment = np.minimum(start_s + share * (end_s - start_s), np.nextafter(end_s, 0.0))
            way = ways.position_m(np.array(user), moment) - start_m
            np.testing.assert_allclose(np.hypot(*way.T), speed_mps * (moment - start_s), rtol=1e-9, atol=1e-9)


def test_r4_ways_have_no_jumps(ways):
    """A leg ends where the next one starts: mutant, a target drawn anew at the waypoint."""
    for user in range(USERS):
        _, end_s, start_m, _ = legs_of(ways, user)
        before = ways.position_m(np.array(user), np.nextafter(end_s[:-1], 0.0))
        np.testing.assert_allclose(before, start_m[1:], rtol=0.0, atol=1e-9)


def path_length(ways, user, times_s):
    """The way through the positions at the given times, straight from one to the next."""
    step = np.diff(ways.position_m(np.array(user), times_s), axis=0)
    return np.hypot(*step.T).sum()


def test_r4_the_distance_travelled_is_the_length_of_the_way(ways):
    for user in range(USERS):
        times_s = all_times(ways, user)
        assert ways.travelled_m(np.array(user), np.array(0.0)) == 0.0
        travelled = ways.travelled_m(np.array(user), times_s)
        assert (np.diff(travelled) >= -1e-9).all()
        for last in (len(times_s) // 7, len(times_s) // 2, len(times_s) - 1):
            assert path_length(ways, user, times_s[: last + 1]) == pytest.approx(travelled[last], rel=1e-9)


def test_r4_rejects_a_length_that_cuts_the_turns(ways):
    """Sums over slots of a minute go straight past the turns and are too short."""
    slots_s = np.arange(0.0, UNTIL_S, 60.0)
    travelled = ways.travelled_m(np.arange(USERS), np.array(slots_s[-1]))
    cut = np.array([path_length(ways, user, slots_s) for user in range(USERS)])
    assert (cut <= travelled * (1.0 + 1e-12)).all()
    assert cut.sum() < travelled.sum() * (1.0 - 1e-6)


@LAW
@given(data=st.data(), model=st.sampled_from(sorted(MODELS)))
def test_r4_position_has_the_same_bits_however_it_is_asked(data, model):
    ways = Trajectories.join([MODELS[model].legs(SIZE_M, 9, n, 200.0) for n in range(4)])
    turns = st.sampled_from(ways.legs.start_s[ways.legs.start_s <= 200.0].tolist())
    times_s = np.array(data.draw(st.lists(st.floats(0.0, 200.0) | turns, min_size=1, max_size=40)))
    users = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(times_s), max_size=len(times_s))))
    place, travelled = ways.position_m(users, times_s), ways.travelled_m(users, times_s)

    backwards = ways.position_m(users[::-1], times_s[::-1])[::-1]
    shuffle = np.array(data.draw(st.permutations(range(len(times_s)))))
    table = ways.position_m(np.arange(4)[:, None], times_s)
    assert np.array_equal(backwards, place)
    assert np.array_equal(ways.position_m(users[shuffle], times_s[shuffle]), place[shuffle])
    assert np.array_equal(table[users, np.arange(len(times_s))], place)
    for i, (user, time_s) in enumerate(zip(users, times_s, strict=True)):
        assert np.array_equal(ways.position_m(np.array(user), np.array(time_s)), place[i])
        assert ways.travelled_m(np.array(user), np.array(time_s)) == travelled[i]
        assert ways.leg_now([int(user)], float(time_s)) == [ways.leg(users, times_s)[i]]


def slot_by_slot(ways, user, times_s):
    """The mutant: each position is the last one plus the velocity of then times the slot."""
    legs = ways.legs
    place, last_s, places = ways.position_m(np.array(user), times_s[:1])[0], times_s[0], []
    for time_s in times_s:
        leg = ways.leg(np.array(user), np.array(last_s))
        place, last_s = place + legs.velocity_mps[leg] * (time_s - last_s), time_s
        places.append(place)
    return np.array(places)


def test_r4_rejects_integration_slot_by_slot(ways):
    """Its answer depends on the slots: two slot lengths disagree, and it overshoots the turns."""
    seconds = np.arange(0.0, 1000.0, 1.0)
    tenths = np.arange(0.0, 9991.0) / 10.0
    coarse = np.array([slot_by_slot(ways, user, seconds) for user in range(USERS)])
    fine = slot_by_slot(ways, 0, tenths)[::10]
    right = ways.position_m(np.arange(USERS)[:, None], seconds)
    assert np.array_equal(right[0], ways.position_m(np.array(0), tenths)[::10])
    assert np.abs(coarse - right).max() > 1e-3
    assert not np.array_equal(fine, coarse[0])


@pytest.mark.parametrize("model", MODELS)
def test_a_longer_way_begins_like_a_shorter_one(model):
    """D7. Mutant: draws that depend on how long the way is."""
    times_s, users = np.linspace(0.0, 150.0, 400), np.arange(USERS)[:, None]
    short, long = (
        Trajectories.join([MODELS[model].legs(SIZE_M, 5, n, until_s) for n in range(USERS)])
        for until_s in (150.0, UNTIL_S)
    )
    assert np.array_equal(short.position_m(users, times_s), long.position_m(users, times_s))
    assert np.array_equal(short.travelled_m(users, times_s), long.travelled_m(users, times_s))


@pytest.mark.parametrize("model", MODELS)
def test_a_user_keeps_its_way_whoever_else_there_is(model):
    """D5, and another seed or user gives another way."""
    assert np.array_equal(*(MODELS[model].legs(SIZE_M, 5, 7, 90.0).start_m for _ in range(2)))
    one = MODELS[model].legs(SIZE_M, 5, 7, 90.0).start_m[0]
    assert not np.array_equal(one, MODELS[model].legs(SIZE_M, 6, 7, 90.0).start_m[0])
    assert not np.array_equal(one, MODELS[model].legs(SIZE_M, 5, 8, 90.0).start_m[0])
