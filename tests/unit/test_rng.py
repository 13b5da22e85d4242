"""Keyed streams: they depend on their key alone, and their numbers are pinned (D8)."""

import itertools

import numpy as np
import pytest

from mecsim.rng import Purpose, stream

# First word and first number of stream(1, purpose, 2), written down with numpy 2.4.6. numpy promises
# the words of Philox and of SeedSequence for ever (NEP 19), and `random` has not changed since 1.17.
CANARIES = {
    Purpose.PLACEMENT: (0x9F16A35F751E6747, 0.6214391811419033),
    Purpose.MOBILITY_START: (0x1143E36710E52E27, 0.06744214311847385),
    Purpose.MOBILITY_LEGS: (0x0320927733B81A15, 0.012215761282022064),
    Purpose.SHADOWING: (0x3A1572412B94B993, 0.22688974467344536),
    Purpose.FADING: (0xDC3F6035876AD444, 0.8603420382200213),
    Purpose.WORKLOAD_USER: (0x770D82D880DC9BEA, 0.46504991327025136),
    Purpose.WORKLOAD_ROUND: (0x984F1A3A6A20AE49, 0.5949570076574014),
    Purpose.ARRIVALS: (0x124D54EFB1AD9FE2, 0.07149248935609476),
    Purpose.POLICY: (0xF999C250C6539C57, 0.9750024268344774),
    Purpose.MOBILITY_GROUP_START: (0xFF2D235101E06A88, 0.9967825005313685),
    Purpose.MOBILITY_GROUP_LEGS: (0x7B355041DF7F87AC, 0.48128224952915666),
    Purpose.LINE_OF_SIGHT: (0x940CD434DBA65C25, 0.5783207539604062),
    Purpose.USER_ARRIVALS: (0x32DBFD042E0DB239, 0.19866925575302363),
    Purpose.USER_STAY: (0x0D12680B68BC3D9F, 0.05106210974257486),
    Purpose.USER_CLASS: (0x69B0867E562F5A60, 0.41284981331244575),
    Purpose.FLASH_CROWD: (0x3FF372B4902D6771, 0.2498084727123362),
    Purpose.CROWD_PLACE: (0x72602F21D006D0CF, 0.4467801530409148),
    Purpose.BATTERY: (0xF5C09EC1185092F2, 0.9599703999923028),
    Purpose.FAILURES: (0xB63ACEF9A13B8803, 0.7118348464439191),
    Purpose.CSI_ERROR: (0x68ACD458D3BF50D6, 0.4088871685851221),
    Purpose.RESAMPLING: (0x66A8136E4B192E5F, 0.401002134730423),
}
VALUES = {
    "PLACEMENT": 1,
    "MOBILITY_START": 2,
    "MOBILITY_LEGS": 3,
    "SHADOWING": 4,
    "FADING": 5,
    "WORKLOAD_USER": 6,
    "WORKLOAD_ROUND": 7,
    "ARRIVALS": 8,
    "POLICY": 9,
    "MOBILITY_GROUP_START": 11,
    "MOBILITY_GROUP_LEGS": 12,
    "LINE_OF_SIGHT": 10,
    "USER_ARRIVALS": 20,
    "USER_STAY": 21,
    "USER_CLASS": 22,
    "FLASH_CROWD": 23,
    "CROWD_PLACE": 24,
    "BATTERY": 25,
    "FAILURES": 26,
    "CSI_ERROR": 27,
    "RESAMPLING": 40,
}


def first_words(*key, count=4):
    seed, purpose, *entity = key
    return tuple(stream(seed, purpose, *entity).bit_generator.random_raw(count).tolist())


def test_every_purpose_has_a_canary_and_keeps_its_value():
    """A purpose may be added; one that is renumbered changes every result ever published."""
    assert set(CANARIES) == set(Purpose)
    assert {purpose.name: int(purpose) for purpose in Purpose} == VALUES


@pytest.mark.parametrize("purpose", Purpose, ids=lambda purpose: purpose.name)
def test_canary(purpose):
    word, number = CANARIES[purpose]
    assert stream(1, purpose, 2).bit_generator.random_raw() == word
    assert stream(1, purpose, 2).random() == number


def test_streams_do_not_depend_on_the_order_in_which_they_are_made():
    """The mutant is a generator handed round: `spawn` in a loop, or `seed + k` from a counter."""
    keys = [(3, purpose, user) for purpose in (Purpose.FADING, Purpose.ARRIVALS) for user in range(20)]
    forwards = {key: first_words(*key) for key in keys}
    open_at_once = {key: stream(*key) for key in reversed(keys)}
    for key in keys:
        open_at_once[key].random(7)
    backwards = {key: first_words(*key) for key in reversed(keys)}
    assert forwards == backwards

    source = np.random.default_rng(3)
    spawned = {key: source.spawn(1)[0].integers(2**63) for key in keys}
    source = np.random.default_rng(3)
    assert spawned != {key: source.spawn(1)[0].integers(2**63) for key in reversed(keys)}


def test_streams_of_different_keys_differ():
    """Seeds, purposes and entities, with leading and trailing zeros and one index more or less."""
    entities = [(), (0,), (1,), (0, 0), (0, 1), (1, 0), (2**31,), (2**32 - 1,), (0, 0, 0)]
    keys = list(itertools.product((0, 1, 2, 10_000, 2**40), Purpose, entities))
    words = [first_words(seed, purpose, *entity) for seed, purpose, entity in keys]
    assert len(set(words)) == len(keys)


def test_neighbouring_streams_are_uncorrelated():
    """1e4 numbers each from 40 neighbours: the largest of 780 correlations, |z| <= 6 (p < 2e-6)."""
    numbers = np.array([stream(0, Purpose.FADING, user).random(10_000) for user in range(40)])
    correlation = np.corrcoef(numbers)[np.triu_indices(40, 1)]
    assert np.abs(correlation).max() * 100.0 <= 6.0
    shifted = np.corrcoef(numbers[0], 0.9 * numbers[1] + 0.1 * numbers[0])[0, 1]
    assert shifted * 100.0 > 6.0


@pytest.mark.parametrize("seed", [-1, 1.5, "1"])
def test_a_seed_is_a_whole_number_not_negative(seed):
    with pytest.raises((ValueError, TypeError)):
        stream(seed, Purpose.FADING)
