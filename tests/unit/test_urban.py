"""The urban cells of 3GPP TR 38.901: path loss (C8) and the probability of line of sight (C9).

The listed values are those of VERIFICATION, which equal the vectors of ns-3. Mutants: the other cell,
the speed of light in the breakpoint, the distance on the ground for that in space, Hz for GHz.
"""

import numpy as np
import pytest

from mecsim.scenario.radio import Channel
from mecsim.world.channel.local_mean import LocalMean
from mecsim.world.channel.urban import Uma, Umi, breakpoint_m

USER_M = 1.5
# Cell, carrier in GHz, distance on the ground in m: loss in dB with and without line of sight.
LISTED = {
    ("uma", 5.0, 10.0): (72.9380, 82.5131),
    ("uma", 5.0, 100.0): (86.2362, 106.1356),
    ("uma", 5.0, 1000.0): (109.7252, 144.7641),
    ("uma", 5.0, 5000.0): (137.6794, 172.0753),
    ("umi", 5.0, 10.0): (69.8591, 76.7563),
    ("umi", 5.0, 100.0): (88.4122, 107.9432),
    ("umi", 5.0, 1000.0): (119.3114, 143.1886),
    ("umi", 5.0, 5000.0): (147.2696, 167.8617),
    ("uma", 3.5, 100.0): (83.1382, 103.0375),
    ("uma", 3.5, 500.0): (98.2692, 129.9158),
    ("umi", 3.5, 100.0): (85.3142, 104.6438),
    ("umi", 3.5, 500.0): (107.1138, 129.2645),
}
BREAKPOINTS_M = {("uma", 5.0): 800.0, ("uma", 3.5): 560.0, ("umi", 5.0): 300.0, ("umi", 3.5): 210.0}
PROBABILITIES = {"uma": (0.649402, 0.347671, 0.128048), "umi": (0.519585, 0.230985, 0.093518)}


URBAN = {"uma": Uma(), "umi": Umi()}


def losses(cell, carrier_ghz, ground_m, server_m=None):
    server_m = cell.default_server_height_m if server_m is None else server_m
    return np.array(cell.losses_db(np.asarray(ground_m), carrier_ghz * 1e9, server_m, USER_M))


def check_listed(asked):
    for (name, carrier_ghz, ground_m), expected in LISTED.items():
        assert asked(name, carrier_ghz, ground_m) == pytest.approx(expected, abs=1e-4), name


def test_c8_listed_losses():
    check_listed(lambda name, carrier_ghz, ground_m: losses(URBAN[name], carrier_ghz, ground_m))


MUTANTS = {
    "the other cell": lambda name, f, d: losses(URBAN["umi" if name == "uma" else "uma"], f, d),
    "on the ground": lambda name, f, d: losses(URBAN[name], f, d, USER_M),
    "hertz for gigahertz": lambda name, f, d: losses(URBAN[name], f * 1e9, d),
    "no breakpoint": lambda name, f, d: losses(URBAN[name], max(f, 1e3), d) - 20 * np.log10(max(f, 1e3) / f),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_c8_rejects(mutant):
    with pytest.raises(AssertionError):
        check_listed(MUTANTS[mutant])


@pytest.mark.parametrize(("name", "carrier_ghz"), BREAKPOINTS_M)
def test_c8_breakpoint(name, carrier_ghz):
    cell, bend_m = URBAN[name], BREAKPOINTS_M[name, carrier_ghz]
    assert breakpoint_m(carrier_ghz * 1e9, cell.default_server_height_m, USER_M) == pytest.approx(
        bend_m, rel=1e-14
    )
    before, after = losses(cell, carrier_ghz, [bend_m * (1 - 1e-12), bend_m * (1 + 1e-12)])[0]
    assert after == pytest.approx(before, abs=1e-9)
    slope = np.diff(losses(cell, carrier_ghz, [2.0 * bend_m, 20.0 * bend_m])[0])
    assert slope == pytest.approx(40.0, abs=0.1)


def test_c8_breakpoint_rejects_the_exact_speed_of_light():
    exact_m = 4 * 24 * 0.5 * 5e9 / 299_792_458.0
    assert exact_m != pytest.approx(BREAKPOINTS_M["uma", 5.0], abs=0.1)


@pytest.mark.parametrize("name", URBAN)
@pytest.mark.parametrize("carrier_ghz", [0.5, 2.0, 28.0, 100.0])
def test_c8_losses_rise_and_sight_never_costs(name, carrier_ghz):
    clear, blocked = losses(URBAN[name], carrier_ghz, np.geomspace(10.0, 5000.0, 3000))
    assert (np.diff(clear) > 0.0).all()
    assert (np.diff(blocked) > 0.0).all()
    assert (blocked >= clear).all()
    assert (blocked > clear).any()


@pytest.mark.parametrize("name", URBAN)
def test_c9_listed_probabilities(name):
    cell = URBAN[name]
    asked = cell.los_probability(np.array([50.0, 100.0, 200.0]))
    assert asked == pytest.approx(PROBABILITIES[name], abs=1e-6)
    assert (cell.los_probability(np.array([1e-3, 10.0, 18.0])) == 1.0).all()
    assert (np.diff(cell.los_probability(np.linspace(18.0, 5000.0, 999))) < 0.0).all()
    other = URBAN["umi" if name == "uma" else "uma"].los_probability(np.array([50.0, 100.0, 200.0]))
    assert other != pytest.approx(PROBABILITIES[name], abs=1e-3)


# --- the same through the local mean of a channel


def local_mean(positions_m=((0.0, 0.0),), **channel):
    plain = {"shadowing": {"sigma_db": 0.0}, "carrier_ghz": 5.0}
    return LocalMean(Channel.model_validate(plain | channel), np.array(positions_m), 1)


def loss_at(ground_m, **channel):
    gain = local_mean(**channel).at(np.array(0), np.array([ground_m, 0.0])).gain
    return -10.0 * np.log10(float(gain))


@pytest.mark.parametrize("name", URBAN)
def test_a_channel_has_the_losses_of_its_cell(name):
    for state, column in (("always", 0), ("never", 1)):
        channel = {"path_loss": name, "line_of_sight": {"state": state}}
        for ground_m in (100.0, 1000.0):
            expected = LISTED[name, 5.0, ground_m][column]
            assert loss_at(ground_m, **channel) == pytest.approx(expected, abs=1e-4)
        assert loss_at(1.0, **channel) == pytest.approx(LISTED[name, 5.0, 10.0][column], abs=1e-4)


def test_antenna_heights_reach_the_law():
    by_hand = 28.0 + 22.0 * np.log10(np.hypot(100.0, 45.0 - 3.0)) + 20.0 * np.log10(5.0)
    heights = {"server_height_m": 45.0, "user_height_m": 3.0}
    seen = {"path_loss": "uma", "line_of_sight": {"state": "always"}}
    assert loss_at(100.0, **seen, **heights) == pytest.approx(by_hand, abs=1e-9)
    assert loss_at(100.0, **seen) < by_hand - 0.1
    low = loss_at(1000.0, path_loss="uma", line_of_sight={"state": "never"})
    high = loss_at(1000.0, path_loss="uma", line_of_sight={"state": "never"}, user_height_m=11.5)
    rise = 39.08 * np.log10(np.hypot(1000.0, 13.5) / np.hypot(1000.0, 23.5))
    assert high - low == pytest.approx(-6.0 + rise, abs=1e-9)


def test_heights_lengthen_the_way_of_the_other_laws_only_if_given():
    ground = loss_at(30.0, path_loss="free_space")
    tall = loss_at(30.0, path_loss="free_space", server_height_m=41.5)
    assert tall - ground == pytest.approx(20.0 * np.log10(50.0 / 30.0), abs=1e-9)
    assert loss_at(30.0, path_loss="free_space", user_height_m=9.0) == ground


def test_log_distance_with_numbers_of_ones_own():
    numbers = {"exponent": 2.9, "intercept_db": 43.0, "reference_m": 2.0}
    asked = loss_at(200.0, path_loss="log_distance", log_distance=numbers)
    assert asked == pytest.approx(43.0 + 29.0 * 2.0, abs=1e-9)
    assert loss_at(250.0, path_loss="log_distance") == pytest.approx(105.4625, abs=5e-5)


def test_two_sigmas():
    """The one field of shadowing, stretched by what is seen; mutant, the two exchanged."""
    places = np.random.default_rng(0).uniform(-300.0, 300.0, (4000, 2))

    def link(**shadowing):
        drawn = {"decorrelation_m": 10.0} | shadowing
        return local_mean(path_loss="umi", shadowing=drawn).at(np.array(0), places)

    plain, shadowed = link(sigma_db=0.0), link(sigma_db=4.0, nlos_sigma_db=7.82)
    one = link(sigma_db=4.0)
    assert np.array_equal(plain.los, shadowed.los)
    assert 200 < plain.los.sum() < 3800
    ratio = np.log(shadowed.gain / plain.gain) / np.log(one.gain / plain.gain)
    np.testing.assert_allclose(ratio, np.where(plain.los, 1.0, 7.82 / 4.0), rtol=1e-6)
    only_blocked = link(sigma_db=0.0, nlos_sigma_db=6.0)
    assert np.array_equal(only_blocked.gain == plain.gain, plain.los)
