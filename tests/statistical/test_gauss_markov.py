"""Gauss-Markov mobility in its stationary law: velocity, its memory, place (R1 to R4 for this model).

The velocity has the mean of given length in a direction drawn once for each user, and the deviation
sigma in each component, so that the speed has Rice's law; the correlation after k steps is memory^k;
the place is uniform at all times, since borders are mirrors. 4000 users, at t = 0 and later.
"""

import numpy as np
import pytest
from scipy.stats import rice

from mecsim.testing.verification.mutant import replaced
from mecsim.testing.verification.walks import HELD
from mecsim.world.mobility import gauss_markov as product
from mecsim.world.mobility.gauss_markov import GaussMarkov
from mecsim.world.mobility.trajectories import Trajectories

USERS, LATER_S = 4000, 60.0
SIZE_M = np.array([100.0, 60.0])
MODEL = GaussMarkov(memory=0.8, mean_speed_mps=1.5, sigma_mps=1.0, step_s=1.0)
NO_DRIFT = GaussMarkov(memory=0.8, mean_speed_mps=0.0, sigma_mps=2.0, step_s=1.0)
FAR_BORDERS_M = np.array([1e6, 1e6])


def walk(model=MODEL, size_m=SIZE_M, until_s=LATER_S, seed=41):
    return Trajectories.join([model.legs(size_m, seed, n, until_s) for n in range(USERS)])


@pytest.fixture(scope="module")
def ways():
    return walk()


def places(ways, time_s):
    return ways.position_m(np.arange(USERS), np.array(time_s))


def velocities(ways, time_s):
    return ways.legs.velocity_mps[ways.leg(np.arange(USERS), np.array(time_s))]


def check_speed(verdicts, speed, when):
    law = rice(MODEL.mean_speed_mps / MODEL.sigma_mps, scale=MODEL.sigma_mps)
    verdicts.mean(f"mean speed at {when}", speed, law.mean(), law.std())
    verdicts.law(f"speed at {when}", speed, law.cdf)
    second = MODEL.mean_speed_mps**2 + 2.0 * MODEL.sigma_mps**2
    fourth = law.moment(4)
    verdicts.mean(f"mean square speed at {when}", speed**2, second, np.sqrt(fourth - second**2))


def check_place(verdicts, place, when):
    for axis, name in enumerate("xy"):
        verdicts.mean(f"mean {name} at {when}", place[:, axis] / SIZE_M[axis], 0.5, np.sqrt(1.0 / 12.0))
        verdicts.law(f"{name} at {when}", place[:, axis] / SIZE_M[axis], lambda v: v)


def check_memory(verdicts, now, later, memory, steps):
    """E[u_0 u_k] = sigma^2 memory^k for both components; Var(u_0 u_k) = sigma^4 (1 + memory^2k)."""
    sigma, correlation = NO_DRIFT.sigma_mps, memory**steps
    deviation = sigma**2 * np.sqrt(1.0 + correlation**2)
    verdicts.mean(f"velocity after {steps} steps", (now * later).ravel(), sigma**2 * correlation, deviation)


def test_rice_has_the_moments_of_the_velocity():
    """E|v|^2 = mean^2 + 2 sigma^2."""
    law = rice(MODEL.mean_speed_mps / MODEL.sigma_mps, scale=MODEL.sigma_mps)
    assert law.moment(2) == pytest.approx(MODEL.mean_speed_mps**2 + 2.0 * MODEL.sigma_mps**2, rel=1e-12)


def test_the_speed_is_stationary_from_the_start(verdicts, ways):
    for time_s in (0.0, LATER_S):
        check_speed(verdicts, np.hypot(*velocities(ways, time_s).T), f"t = {time_s:g} s")


def test_the_place_is_uniform_at_all_times(verdicts, ways):
    for time_s in (0.0, 12.3, LATER_S):
        check_place(verdicts, places(ways, time_s), f"t = {time_s:g} s")


@pytest.fixture(scope="module")
def far():
    return walk(NO_DRIFT, FAR_BORDERS_M, until_s=40.0, seed=42)


@pytest.mark.parametrize("steps", [1, 2, 5, 10])
def test_the_velocity_remembers(verdicts, far, steps):
    for since_s in (0.0, 20.0):
        now, later = velocities(far, since_s + 0.5), velocities(far, since_s + steps + 0.5)
        check_memory(verdicts, now, later, NO_DRIFT.memory, steps)


def test_a_velocity_is_held_for_a_step(far):
    assert np.array_equal(velocities(far, 3.0), velocities(far, np.nextafter(4.0, 0.0)))
    assert (velocities(far, 3.5) != velocities(far, 4.5)).all()


def test_the_direction_of_the_mean_is_the_users_own(verdicts):
    """With a memory of 1 a user keeps its velocity for ever; directions are uniform."""
    straight = walk(GaussMarkov(memory=1.0, mean_speed_mps=3.0, sigma_mps=0.0), FAR_BORDERS_M, 10.0)
    angle = np.arctan2(*velocities(straight, 0.0).T[::-1])
    verdicts.law("direction", angle, lambda v: (v + np.pi) / (2.0 * np.pi))
    np.testing.assert_allclose(velocities(straight, 9.5), velocities(straight, 0.0), rtol=1e-12)
    np.testing.assert_allclose(np.hypot(*velocities(straight, 5.0).T), 3.0, rtol=1e-12)


def other_velocity(bug, make):
    """Return the mutant in which the deviations of the velocity are ``make(pushes, memory)``."""
    return replaced(bug, product, "_remembered", lambda original: lambda *args: make(original, *args))


def without_memory(original, pushes, memory):
    return original(pushes, 0.0)


def without_the_root(original, pushes, memory):
    """u_k = a u_{k-1} + (1 - a) w_k: the deviation falls to sqrt((1 - a)/(1 + a)) sigma, a third."""
    scale = np.where(np.arange(len(pushes)) > 0, np.sqrt((1.0 - memory) / (1.0 + memory)), 1.0)
    return original(pushes * scale[:, None], memory)


def without_deviation_at_the_start(original, pushes, memory):
    return original(pushes * (np.arange(len(pushes)) > 0)[:, None], memory)


def test_rejects_a_velocity_drawn_anew_in_each_step(verdicts):
    with other_velocity("without memory", without_memory).in_force():
        ways = walk(NO_DRIFT, FAR_BORDERS_M, until_s=5.0, seed=43)
    with verdicts.rejects("Gauss-Markov without memory"):
        check_memory(verdicts, velocities(ways, 0.5), velocities(ways, 2.5), NO_DRIFT.memory, 2)


def test_rejects_the_square_root_left_out(verdicts):
    with other_velocity("1 - a for sqrt(1 - a^2)", without_the_root).in_force():
        ways = walk(NO_DRIFT, FAR_BORDERS_M, until_s=25.0, seed=43)
    with verdicts.rejects("Gauss-Markov, 1 - a for sqrt(1 - a^2)"):
        check_memory(verdicts, velocities(ways, 20.5), velocities(ways, 21.5), NO_DRIFT.memory, 1)


def test_rejects_a_start_with_the_mean_velocity(verdicts):
    with other_velocity("start without deviation", without_deviation_at_the_start).in_force():
        ways = walk(until_s=1.0)
    with verdicts.rejects("Gauss-Markov, start without deviation"):
        check_speed(verdicts, np.hypot(*velocities(ways, 0.0).T), "t = 0")


def test_rejects_users_who_stop_at_the_border(verdicts):
    """A border that holds users instead of reflecting them gathers users along it."""
    with HELD.in_force():
        ways = walk()
    with verdicts.rejects("Gauss-Markov, borders that hold"):
        check_place(verdicts, places(ways, LATER_S), "later")
