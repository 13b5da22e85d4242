"""Sums of waves on a grid: the fast factors against the plain sum."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mecsim.world.channel.fading import RayleighLinks
from mecsim.world.channel.waves import (
    COARSE,
    FINE,
    GRID,
    complex_sum_on_grid,
    cosine_sum_on_grid,
    unit_phasor,
)

PAIRS, WAVES = 19, 64  # more than twice those whose factors are kept at a time, and not a multiple


@pytest.fixture
def phases():
    rng = np.random.default_rng(1)
    return rng.uniform(-1e3, 1e3, (PAIRS, WAVES)), rng.uniform(-3.0, 3.0, (PAIRS, WAVES))


def complex_sum(start, step):
    return complex_sum_on_grid(start, unit_phasor(step))


def plain(start, step):
    """One exponential a wave and point: slow, and without the error of repeated products."""
    points = np.arange(GRID)
    return np.exp(1j * (start[:, None, :] + points[None, :, None] * step[:, None, :])).sum(axis=-1)


def check_close(fast, slow):
    """512 points by products of at most 9 factors: 1e-11 of the sum of 64 waves leaves room for rounding."""
    assert fast.shape == (PAIRS, GRID)
    assert np.abs(fast - slow).max() <= 1e-11 * WAVES


def test_complex_sum(phases):
    check_close(complex_sum(*phases), plain(*phases))


def test_cosine_sum(phases):
    check_close(cosine_sum_on_grid(*phases), plain(*phases).real)


@pytest.mark.parametrize("mutant", ["sine", "one point late", "coarse and fine swapped"])
def test_rejects(phases, mutant):
    slow = plain(*phases).real
    fast = cosine_sum_on_grid(*phases)
    wrong = {
        "sine": plain(*phases).imag,
        "one point late": np.roll(fast, 1, axis=1),
        "coarse and fine swapped": fast.reshape(PAIRS, COARSE, FINE).swapaxes(1, 2).reshape(PAIRS, GRID),
    }[mutant]
    with pytest.raises(AssertionError):
        check_close(wrong, slow)


def test_standing_still_is_exact():
    """Step 0: every point has the bits of the first, or a standing user would see the channel move."""
    start = np.random.default_rng(2).uniform(0.0, 6.0, (PAIRS, WAVES))
    zero = np.zeros((PAIRS, WAVES))
    for total in (complex_sum(start, zero), cosine_sum_on_grid(start, zero)):
        assert (total == total[:, :1]).all()


def test_backwards_is_the_conjugate(phases):
    start, step = phases
    forwards, backwards = complex_sum(start, step), complex_sum(-start, -step)
    assert np.abs(forwards - backwards.conj()).max() <= 1e-11 * WAVES


def test_a_row_does_not_depend_on_its_neighbours(phases):
    """Determinism stands on this: the product runs row by row, whatever the batch."""
    start, step = phases
    for total in (complex_sum, cosine_sum_on_grid):
        together = total(start, step)
        shuffle = np.random.default_rng(3).permutation(PAIRS)
        assert np.array_equal(total(start[shuffle], step[shuffle]), together[shuffle])
        for i in range(PAIRS):
            assert np.array_equal(total(start[i : i + 1], step[i : i + 1])[0], together[i])


def test_threads_do_not_share_the_factors(phases):
    """Mutant: one table for all threads, in which one fills what another multiplies."""
    start, step = phases
    alone = [complex_sum(start + k, step) for k in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = threads.map(lambda k: complex_sum(start + k % 4, step), range(200))
        assert all(np.array_equal(total, alone[k % 4]) for k, total in enumerate(together))


def test_unit_phasor():
    phase = np.linspace(-50.0, 50.0, 333).reshape(3, 111)
    phasor = unit_phasor(phase)
    np.testing.assert_allclose(phasor, np.exp(1j * phase), rtol=0.0, atol=1e-15)
    assert phasor[1, 5].real == np.cos(phase[1, 5])


@pytest.fixture
def links():
    return RayleighLinks.draw(1, users=6, servers=1, wavelength_m=0.1)


def on_grid(links, step_m, users):
    return links.power_on_grid(users, np.zeros_like(users), np.ones(len(users)), step_m, range(64))


def test_a_link_may_be_asked_for_twice_with_unlike_steps(links):
    """Mutant: one step kept for a link, in which the waves of both of its rows turn."""
    together = on_grid(links, np.array([0.01, 0.02]), np.array([3, 3]))
    for i, step_m in enumerate((0.01, 0.02)):
        assert np.array_equal(together[i], on_grid(links, np.array([step_m]), np.array([3]))[0])


def test_threads_share_links(links):
    """Mutant: a step and what waves turn in it kept in two places, between which another thread writes."""
    users, steps_m = np.arange(6), [np.full(6, 0.01 * k) for k in range(4)]
    alone = [on_grid(links, step_m, users) for step_m in steps_m]
    interval_s = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1e-6)
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda k: on_grid(links, steps_m[k % 4], users), range(400)))
    finally:
        sys.setswitchinterval(interval_s)
    assert all(np.array_equal(power, alone[k % 4]) for k, power in enumerate(together))
