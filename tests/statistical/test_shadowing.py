"""Shadowing: Gudmundson's law over the map (C7).

One field a server, a function of position: so a user who stands sees a constant, two users at one
point see the same, and it does not matter in how many steps the way there was cut. Reciprocity needs
no test of its own: uplink and downlink use the one gain of a pair.

A field is a sum of 64 cosines, so its marginal has an excess kurtosis of -1.5/64; that moves its
distribution function by less than 0.001, far inside the bound for 2e4 fields.
"""

import numpy as np
import pytest
from scipy.special import ndtr

from mecsim.testing.verification.largescale import REDRAWN
from mecsim.testing.verification.mutant import replaced
from mecsim.world.channel import shadowing
from mecsim.world.channel.shadowing import ShadowingFields
from mecsim.world.world import World

FIELDS, SIGMA_DB = 20_000, 8.0
EVERY = np.arange(FIELDS)
HERE = np.array([217.0, 344.0])
DIRECTIONS = {
    "east": np.array([1.0, 0.0]),
    "north": np.array([0.0, 1.0]),
    "south-east": np.array([0.6, -0.8]),
}
# Decorrelation distance in m: correlation 10 m apart.
LISTED = {37.0: 0.763173, 50.0: 0.818731, 10.0: 0.367879, 13.0: 0.463369}


@pytest.fixture(scope="module")
def fields():
    return {d: ShadowingFields.draw(5, FIELDS, SIGMA_DB, d) for d in LISTED}


def check_marginal(verdicts, shadowing_db):
    verdicts.law("shadowing is N(0, sigma^2)", shadowing_db, lambda x: ndtr(x / SIGMA_DB))
    verdicts.mean("E shadowing", shadowing_db, 0.0, SIGMA_DB)
    verdicts.mean("Var shadowing", shadowing_db**2, SIGMA_DB**2, np.sqrt(2.0) * SIGMA_DB**2)


def check_correlation(verdicts, first_db, second_db, rho, what):
    """For Gaussian values of correlation rho, Var(X Y) = sigma^4 (1 + rho^2)."""
    product = first_db * second_db / SIGMA_DB**2
    verdicts.mean(f"rho({what})", product, rho, np.sqrt(1.0 + rho**2))


@pytest.mark.parametrize("decorrelation_m", LISTED)
def test_c7_marginal_and_listed_correlation(verdicts, fields, decorrelation_m):
    field, rho = fields[decorrelation_m], LISTED[decorrelation_m]
    assert np.exp(-10.0 / decorrelation_m) == pytest.approx(rho, abs=1e-6)
    here = field.at(EVERY, HERE)
    check_marginal(verdicts, here)
    for name, way in DIRECTIONS.items():
        there = field.at(EVERY, HERE + 10.0 * way)
        check_marginal(verdicts, there)
        check_correlation(verdicts, here, there, rho, f"10 m {name}, d = {decorrelation_m:g} m")


@pytest.mark.parametrize("way", DIRECTIONS)
def test_c7_correlation_over_distance(verdicts, fields, way):
    """From a metre to four decorrelation distances, the half-way point d ln 2 among them."""
    field = fields[50.0]
    here = field.at(EVERY, HERE)
    for away_m in (0.0, 1.0, 5.0, 25.0, 50.0 * np.log(2.0), 50.0, 100.0, 200.0):
        there = field.at(EVERY, HERE + away_m * DIRECTIONS[way])
        check_correlation(verdicts, here, there, np.exp(-away_m / 50.0), f"{away_m:.3g} m {way}")


def test_c7_the_fields_of_two_servers_are_independent(verdicts, fields):
    here = fields[50.0].at(EVERY, HERE)
    check_correlation(verdicts, here[::2], here[1::2], 0.0, "other server")


def test_c7_the_grid_along_a_way_follows_the_same_law(verdicts, fields):
    """What the engine reads: 512 points at 0.1 m, whose first and hundredth are 10 m apart."""
    some = EVERY[:5000]
    grid = fields[50.0].on_grid(some, np.tile(HERE, (5000, 1)), np.tile([0.06, 0.08], (5000, 1)))
    check_marginal(verdicts, grid[:, 511])
    check_correlation(verdicts, grid[:, 0], grid[:, 100], 0.818731, "10 m on the grid")
    check_correlation(verdicts, grid[:, 11], grid[:, 511], np.exp(-1.0), "50 m on the grid")


def test_c7_rejects_a_redraw_per_slot(verdicts, fields):
    with REDRAWN.in_force():
        first, second = (fields[50.0].at(EVERY, HERE + np.array([away_m, 0.0])) for away_m in (0.0, 10.0))
    check_marginal(verdicts, first)
    with verdicts.rejects("C7 redraw per slot"):
        check_correlation(verdicts, first, second, 0.818731, "10 m, redrawn")


def test_c7_rejects_another_decorrelation_distance(verdicts, fields):
    here, there = (fields[37.0].at(EVERY, HERE + np.array([away_m, 0.0])) for away_m in (0.0, 25.0))
    with verdicts.rejects("C7 d = 37 m for 50 m"):
        check_correlation(verdicts, here, there, np.exp(-25.0 / 50.0), "25 m")


def test_c7_rejects_the_spectrum_of_a_line_in_the_plane(verdicts):
    """A tempting mistake: wave numbers with the spectrum of exp(-x/d) on a line, in random directions."""

    def of_a_line(draw_waves):
        def broken(rng, decorrelation_m):
            number = np.tan(np.pi / 2 * rng.random(64)) / decorrelation_m
            wave, phase = draw_waves(rng, decorrelation_m)
            return wave * (number / np.hypot(*wave.T))[:, None], phase

        return broken

    with replaced("the spectrum of a line", shadowing, "_draw_waves", of_a_line).in_force():
        field = ShadowingFields.draw(5, FIELDS, SIGMA_DB, 50.0)
    here, there = (field.at(EVERY, HERE + np.array([away_m, 0.0])) for away_m in (0.0, 50.0))
    with verdicts.rejects("C7 spectrum of a line"):
        check_correlation(verdicts, here, there, np.exp(-1.0), "50 m")


# --- through the world


def shadowed(base_scenario, **changes):
    """A world in which the gain varies by path loss and shadowing alone."""
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return World(base_scenario.with_changes({"channel.fading.model": "none", **named}), 4)


def test_c7_a_standing_user_sees_a_constant_and_two_at_one_point_the_same(base_scenario):
    points = [[130.0, 55.0], [130.0, 55.0], [130.0, 56.0]]
    world = shadowed(
        base_scenario, users__count=3, users__mobility={"model": "static"}, users__positions_m=points
    )
    gain = world.gain(np.arange(3)[:, None], np.array(0), np.linspace(0.0, 600.0, 1000))
    assert (gain == gain[:, :1]).all()
    assert gain[0, 0] == gain[1, 0] != gain[2, 0]


def test_c7_the_size_of_the_steps_does_not_matter(base_scenario):
    """Every eighth of the 0.125 s blocks starts with a 1 s block: same place, same bits of the gain."""
    fine, coarse = (shadowed(base_scenario, channel__fading__block_s=block_s) for block_s in (0.125, 1.0))
    users, times_s = np.arange(5)[:, None], np.arange(600.0)
    for server in (0, 1):
        same = fine.gain(users, np.array(server), times_s) == coarse.gain(users, np.array(server), times_s)
        assert same.all()


def test_c7_the_way_to_a_place_does_not_matter(base_scenario):
    """What would fail if each step filtered the last value: one user comes by, one stands there."""
    walking = shadowed(base_scenario)
    times_s = np.array([17.0, 200.0, 401.0, 555.0])
    met = walking.position_m(np.zeros(4, dtype=int), walking.block_start_s(times_s))
    standing = shadowed(
        base_scenario,
        users__count=4,
        users__mobility={"model": "static"},
        users__positions_m=met.tolist(),
    )
    passing = walking.gain(np.zeros(4, dtype=int), np.zeros(4, dtype=int), times_s)
    assert (passing == standing.gain(np.arange(4), np.zeros(4, dtype=int), np.zeros(4))).all()


def test_c7_the_world_has_the_sigma_and_the_distance_of_the_scenario(verdicts, base_scenario):
    """400 servers, two users 20 m apart; the path loss removed by a world with sigma 0."""
    changes = {
        "servers__positions_m": [[m, 100.0] for m in range(400)],
        "users__count": 2,
        "users__mobility": {"model": "static"},
        "users__positions_m": [[100.0, 50.0], [120.0, 50.0]],
    }
    law = {"sigma_db": SIGMA_DB, "decorrelation_m": 28.8539008178}
    users, servers = np.arange(2)[:, None], np.arange(400)[None, :]
    gains = [
        shadowed(base_scenario, channel__shadowing=shadowing, **changes).gain(users, servers, np.array(0.0))
        for shadowing in (law, {"sigma_db": 0.0})
    ]
    loss_db = -10.0 * np.log10(gains[0] / gains[1])
    check_marginal(verdicts, loss_db[0])
    check_correlation(verdicts, loss_db[0], loss_db[1], 0.5, "20 m = d ln 2")
