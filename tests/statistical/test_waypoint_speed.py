"""Random waypoint in its stationary law: speed (R1), legs and pauses (R3).

The mutant of all of them starts every user on a fresh leg from a uniform point, as the naive
simulation does: its mean speed decays while the users with slow legs pile up. 5e3 users a case, and 4e3
suffice to reject it.
"""

from dataclasses import replace

import numpy as np
import pytest

from mecsim.errors import ScenarioError
from mecsim.testing.verification.mobility import NAIVE
from mecsim.testing.verification.mutant import replaced
from mecsim.world.mobility import waypoint
from mecsim.world.mobility.trajectories import Trajectories
from mecsim.world.mobility.waypoint import RandomWaypoint, Region, mean_leg_m

USERS = 5000
AREA_M = np.array([1000.0, 1000.0])
# Speeds in m/s: stationary mean, as listed in R1.
MEAN_SPEED = {(0.01, 20.0): 2.629951, (1.0, 20.0): 6.342356, (0.5, 1.5): 0.910239, (1.0, 3.0): 1.820478}
LATER_S = 3000.0
PAUSES_S = (20.0, 100.0)


def walk(speed_mps, pause_s=(0.0, 0.0), area_m=AREA_M, until_s=LATER_S, users=USERS):
    model, seed = RandomWaypoint(speed_mps=speed_mps, pause_s=pause_s), round(100 * sum(speed_mps))
    return Trajectories.join([model.legs(area_m, seed, n, until_s) for n in range(users)])


def speeds(ways, time_s):
    return ways.legs.speed_mps[ways.leg(np.arange(len(ways.first) - 1), np.array(time_s))]


def moments(speed_mps):
    """Mean and standard deviation of the density 1/(v ln(high/low))."""
    low, high = speed_mps
    log_ratio = np.log(high / low)
    mean = (high - low) / log_ratio
    return mean, np.sqrt((high**2 - low**2) / (2.0 * log_ratio) - mean**2)


def check_speed(verdicts, sample, speed_mps, when):
    low, high = speed_mps
    mean, deviation = moments(speed_mps)
    verdicts.mean(f"mean speed of {speed_mps} at {when}", sample, mean, deviation)
    verdicts.share(f"median speed of {speed_mps} at {when}", sample < np.sqrt(low * high), 0.5)
    verdicts.law(f"speed of {speed_mps} at {when}", sample, lambda v: np.log(v / low) / np.log(high / low))


def check_drift(verdicts, now, later, speed_mps):
    """Different users at the two times, so that the samples are independent."""
    drift = now[::2] - later[1::2]
    sigma = np.sqrt(2.0) * moments(speed_mps)[1]
    verdicts.mean(f"mean speed of {speed_mps}, t = 0 less t = T", drift, 0.0, sigma)


def test_r1_reference_values():
    for speed_mps, mean in MEAN_SPEED.items():
        assert moments(speed_mps)[0] == pytest.approx(mean, abs=1e-6)
    assert moments((0.01, 20.0))[1] == pytest.approx(4.404091, abs=1e-6)
    assert np.sqrt(1.0 * 20.0) == pytest.approx(4.472136, abs=1e-6)


@pytest.mark.parametrize("speed_mps", MEAN_SPEED)
def test_r1_speed_is_stationary_from_the_start(verdicts, speed_mps):
    ways = walk(speed_mps)
    now, later = speeds(ways, 0.0), speeds(ways, LATER_S)
    check_speed(verdicts, now, speed_mps, "t = 0")
    check_speed(verdicts, later, speed_mps, f"t = {LATER_S:g} s")
    check_drift(verdicts, now, later, speed_mps)


@pytest.mark.parametrize("speed_mps", MEAN_SPEED)
def test_r1_rejects_a_fresh_leg_at_the_start(verdicts, speed_mps):
    """10.5 m/s for 6.34 with speeds from 1 to 20 m/s: the naive mean, which then decays."""
    with NAIVE.in_force():
        ways = walk(speed_mps, users=4000)
    now, later = speeds(ways, 0.0), speeds(ways, LATER_S)
    assert now.mean() > later.mean()
    with verdicts.rejects(f"R1 uniform start, speeds {speed_mps}"):
        check_speed(verdicts, now, speed_mps, "t = 0")
    with verdicts.rejects(f"R1 uniform start, drift, speeds {speed_mps}"):
        check_drift(verdicts, now, later, speed_mps)


def test_r1_speeds_from_zero_are_refused(base_scenario):
    walking = {"model": "random_waypoint", "speed_mps": [0.0, 20.0]}
    with pytest.raises(ScenarioError, match="no stationary state"):
        base_scenario.with_changes({"users.mobility": walking})


# --- R3


def leg_lengths(ways, every):
    """Lengths of each user's complete legs, every ``every``-th of the first 60, as (users, legs)."""
    first = ways.first[:-1, None] + 1 + np.arange(0, 60, every)
    return ways.legs.travelled_m[first + 1] - ways.legs.travelled_m[first]


def check_leg(verdicts, lengths, area_m, listed):
    """Var L = (a^2 + b^2)/6 - mean^2 for two uniform points."""
    mean = mean_leg_m(area_m)
    assert mean == pytest.approx(listed, rel=1e-9)
    verdicts.mean(f"leg in {area_m}", lengths, listed, np.sqrt((area_m**2).sum() / 6.0 - mean**2))


@pytest.mark.parametrize(
    ("area_m", "listed"),
    [(np.array([1.0, 1.0]), 0.521405433), (np.array([1000.0, 600.0]), 423.908167)],
    ids=["unit square", "1000 x 600 m"],
)
def test_r3_mean_leg(verdicts, area_m, listed):
    """Every second leg of 2000 users: legs that share no end are independent, n = 6e4."""
    ways = walk((1.0, 3.0), area_m=area_m, until_s=0.0, users=2000)
    check_leg(verdicts, leg_lengths(ways, every=2), area_m, listed)


def test_r3_reference_of_the_mean_leg():
    assert (2 + np.sqrt(2) + 5 * np.log(1 + np.sqrt(2))) / 15 == pytest.approx(0.521405433, abs=1e-9)


def test_r3_rejects_legs_between_points_of_the_border(verdicts):
    """Waypoints on two borders of the area make legs longer."""

    def on_borders(rectangle):
        def broken(size_m):
            region = rectangle(size_m)
            return replace(region, points_m=lambda drawn: np.round(drawn * [1, 0]) + drawn * [0, 1])

        return broken

    with replaced("waypoints on the border", Region, "rectangle", on_borders).in_force():
        ways = walk((1.0, 3.0), area_m=np.array([1.0, 1.0]), until_s=0.0, users=2000)
    with verdicts.rejects("R3 waypoints on the border"):
        check_leg(verdicts, leg_lengths(ways, every=2), np.array([1.0, 1.0]), 0.521405433)


def check_paused(verdicts, paused, speed_mps, when):
    """P(paused) = E[P] / (E[P] + mean leg * E[1/v])."""
    low, high = speed_mps
    mean_pause_s = sum(PAUSES_S) / 2.0
    mean_move_s = 521.405433 * np.log(high / low) / (high - low)
    verdicts.share(f"paused at {when}", paused, mean_pause_s / (mean_pause_s + mean_move_s))


@pytest.fixture(scope="module")
def pausing():
    return walk((1.0, 20.0), PAUSES_S)


def test_r3_share_of_paused_users(verdicts, pausing):
    for time_s in (0.0, 500.0, LATER_S):
        check_paused(verdicts, speeds(pausing, time_s) == 0.0, (1.0, 20.0), f"t = {time_s:g} s")


def test_r3_speed_of_those_who_move_and_rest_of_the_pause(verdicts, pausing):
    for time_s in (0.0, LATER_S):
        now = speeds(pausing, time_s)
        check_speed(verdicts, now[now > 0.0], (1.0, 20.0), f"t = {time_s:g} s, with pauses")
    # The rest of a pause met at random: density P(P > x) / E[P]; the next leg starts when it is over.
    waits = pausing.legs.start_s[pausing.first[:-1] + 1][speeds(pausing, 0.0) == 0.0]
    short, long = PAUSES_S
    mean = (long**3 - short**3) / (3 * (long - short)) / (short + long)
    second = (long**4 - short**4) / (4 * (long - short)) / (1.5 * (short + long))
    verdicts.mean("rest of the pause at t = 0", waits, mean, np.sqrt(second - mean**2))
    verdicts.law("rest of the pause at t = 0", waits, rest_cdf)


def rest_cdf(waited_s):
    short, long = PAUSES_S
    over = np.maximum(waited_s - short, 0.0)
    return (waited_s - over**2 / (2.0 * (long - short))) / ((short + long) / 2.0)


def test_r3_rejects_pauses_weighed_with_the_mean_speed(verdicts):
    """E[P] / (E[P] + mean leg / E[v]) forgets that slow legs last longer."""
    mean_speed = replaced(
        "mean speed for mean slowness", waypoint, "mean_slowness", lambda _: lambda speed: 2.0 / sum(speed)
    )
    with mean_speed.in_force():
        ways = walk((1.0, 20.0), PAUSES_S, until_s=0.0, users=5000)
    with verdicts.rejects("R3 mean speed for mean slowness"):
        check_paused(verdicts, speeds(ways, 0.0) == 0.0, (1.0, 20.0), "t = 0")


def test_r3_rejects_a_start_on_the_move(verdicts):
    with NAIVE.in_force():
        ways = walk((1.0, 20.0), PAUSES_S, until_s=0.0, users=5000)
    with verdicts.rejects("R3 nobody paused at the start"):
        check_paused(verdicts, speeds(ways, 0.0) == 0.0, (1.0, 20.0), "t = 0")


def test_r3_rejects_a_whole_pause_at_the_start(verdicts):
    """A user who is paused at time 0 has a part of the pause behind."""

    def whole_pause(start):
        def broken(model, region, rng):
            here, paused_s, target, speed = start(model, region, rng)
            return here, float(rng.uniform(*PAUSES_S)) if paused_s else 0.0, target, speed

        return broken

    with replaced("a whole pause", waypoint, "_stationary_start", whole_pause).in_force():
        ways = walk((1.0, 20.0), PAUSES_S, until_s=100.0, users=5000)
    waits = ways.legs.start_s[ways.first[:-1] + 1][speeds(ways, 0.0) == 0.0]
    with verdicts.rejects("R3 a whole pause at the start"):
        verdicts.law("rest of the pause at t = 0", waits, rest_cdf)
