"""Line of sight as a field over the map (C9): how often, and together with what.

Thousands of servers round one user, each with a field of its own. The field behind is a sum of 64 cosines,
which is not quite Gaussian; it is looked up in its own distribution function, so the share of places in sight
is the probability itself. Its autocorrelation is exp(-distance / decorrelation); two places are then both in
the lower half with probability 1/4 + asin(rho) / (2 pi), up to the fourth cumulant of -1.5/64: 3e-4.
"""

from functools import cache

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j0, ndtr

from mecsim.scenario.radio import Channel
from mecsim.testing.verification.largescale import OTHER_DECAY, REDRAWN
from mecsim.testing.verification.mutant import replaced
from mecsim.world.channel.local_mean import LocalMean
from mecsim.world.channel.shadowing import WAVES, ShadowingFields
from mecsim.world.channel.sight import SightFields, _uniform

SERVERS, DECORRELATION_M = 20_000, 50.0
EVERY, HERE = np.arange(SERVERS), np.array([217.0, 344.0])
SHARES = {
    ("uma", 50.0): 0.649402,
    ("uma", 100.0): 0.347671,
    ("uma", 200.0): 0.128048,
    ("umi", 50.0): 0.519585,
    ("umi", 100.0): 0.230985,
    ("umi", 200.0): 0.093518,
}


@pytest.fixture(scope="module")
def fields():
    return SightFields.draw(31, SERVERS, DECORRELATION_M)


@cache
def sight(law):
    """Whether servers in rings round one user are in sight, by distance; 8000 servers to a ring."""
    angle = np.arange(8000)[:, None] * np.array([np.pi / 4000.0])
    ring = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    rings_m = HERE + np.array([17.99, 50.0, 100.0, 200.0])[:, None, None] * ring
    clear = local_mean(rings_m.reshape(-1, 2), path_loss=law, shadowing={"sigma_db": 0.0}).los
    return dict(zip((17.99, 50.0, 100.0, 200.0), clear.reshape(4, -1), strict=True))


def local_mean(servers_m, **channel):
    """The links of all servers with a user at one place."""
    local = LocalMean(Channel.model_validate(channel), servers_m, 33)
    return local.at(np.arange(len(servers_m)), HERE)


@pytest.mark.parametrize(("law", "distance_m"), SHARES)
def test_c9_share_of_links_in_sight(verdicts, law, distance_m):
    verdicts.share(f"{law}, {distance_m:g} m", sight(law)[distance_m], SHARES[law, distance_m])


def test_c9_always_in_sight_when_near():
    assert sight("uma")[17.99].all()
    assert sight("umi")[17.99].all()


def test_c9_rejects_the_probability_of_the_other_cell(verdicts):
    with OTHER_DECAY.in_force():
        other = sight.__wrapped__("uma")
    with verdicts.rejects("C9 UMi for UMa"):
        verdicts.share("uma, 100 m", other[100.0], SHARES["uma", 100.0])


def test_the_field_is_uniform_everywhere(verdicts, fields):
    for place in (HERE, np.array([0.0, 0.0]), np.array([1e4, -3.0])):
        verdicts.law("field", fields.at(EVERY, place), lambda u: np.clip(u, 0.0, 1.0))


def exactly(value):
    """The distribution function of the sum of cosines, by quadrature."""
    scale = np.sqrt(2.0 / WAVES)

    def integrand(t):
        return j0(scale * t) ** WAVES * np.sin(t * value) / t

    return 0.5 + quad(integrand, 0.0, 15.0, epsabs=1e-12, limit=400)[0] / np.pi


def check_distribution(function):
    for value in (-4.0, -3.0, -2.0, -1.0, -0.3, 0.5, 1.7, 2.5):
        assert function(np.array([value]))[0] == pytest.approx(exactly(value), abs=2e-7)


def test_the_distribution_function_is_that_of_the_field():
    check_distribution(_uniform)
    ends = _uniform(np.array([-11.3, -8.5, 8.5, 11.3]))
    assert ends == pytest.approx([0.0, 0.0, 1.0, 1.0], abs=1e-12)
    assert (np.diff(_uniform(np.linspace(-6.0, 6.0, 9999))) > 0.0).all()


def test_the_distribution_function_rejects_the_gaussian_one():
    with pytest.raises(AssertionError):
        check_distribution(ndtr)


def check_together(verdicts, here, there, rho, what):
    expected = 0.25 + np.arcsin(rho) / (2.0 * np.pi)
    verdicts.share(f"both in the lower half, {what}", (here < 0.5) & (there < 0.5), expected)


def test_places_near_one_another_share_their_state(verdicts, fields):
    here = fields.at(EVERY, HERE)
    for away_m in (0.0, 1.0, 10.0, 50.0, 200.0):
        there = fields.at(EVERY, HERE + away_m * np.array([0.6, -0.8]))
        check_together(verdicts, here, there, np.exp(-away_m / DECORRELATION_M), f"{away_m:g} m apart")


def test_servers_are_seen_independently(verdicts, fields):
    here = fields.at(EVERY, HERE)
    check_together(verdicts, here[::2], here[1::2], 0.0, "other server")


def test_places_reject_a_redraw_per_slot(verdicts, fields):
    with REDRAWN.in_force():
        first, second = (fields.at(EVERY, HERE + np.array([away_m, 0.0])) for away_m in (0.0, 10.0))
    with verdicts.rejects("C9 redraw per slot"):
        check_together(verdicts, first, second, np.exp(-0.2), "10 m apart, redrawn")


def test_the_grid_along_a_way_is_the_field(fields):
    some, step = EVERY[:50], np.array([0.3, -0.1])
    grid = fields.on_grid(some, np.tile(HERE, (50, 1)), np.tile(step, (50, 1)), range(512))
    points = HERE + step * np.arange(512)[:, None]
    np.testing.assert_allclose(grid, fields.at(some[:, None], points), atol=1e-10)


def test_a_field_is_its_servers_own(fields):
    """Mutant: fields numbered by how many there are."""
    few = SightFields.draw(31, 3, DECORRELATION_M)
    assert np.array_equal(few.at(EVERY[:3], HERE), fields.at(EVERY[:3], HERE))


def test_sight_and_shadowing_are_independent(verdicts):
    angle = np.arange(4000)
    ring_m = HERE + 60.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)

    def check():
        link = local_mean(ring_m, path_loss="uma", shadowing={"decorrelation_m": DECORRELATION_M})
        plain = local_mean(ring_m, path_loss="uma", shadowing={"sigma_db": 0.0})
        assert np.array_equal(link.los, plain.los)
        shadowing_db = 10.0 * np.log10(plain.gain / link.gain)
        verdicts.mean("shadowing of places in sight", shadowing_db[link.los], 0.0, 8.0)

    check()
    one_stream = replaced(
        "one stream for both",
        SightFields,
        "draw",
        lambda _: lambda seed, count, apart_m: SightFields(ShadowingFields.draw(seed, count, 1.0, apart_m)),
    )
    with one_stream.in_force(), verdicts.rejects("one stream for both"):
        check()
