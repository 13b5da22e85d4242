"""Conversions, against values known by heart: a neper for a dB, mW for W or a wrong prefix would show."""

import numpy as np
import pytest

from mecsim import units


@pytest.mark.parametrize(
    ("value_db", "ratio"),
    [(0.0, 1.0), (10.0, 10.0), (-30.0, 1e-3), (3.0102999566398120, 2.0), (-174.0, 10**-17.4)],
)
def test_decibels(value_db, ratio):
    assert units.db_to_linear(value_db) == pytest.approx(ratio, rel=1e-14, abs=0.0)
    assert units.linear_to_db(ratio) == pytest.approx(value_db, rel=1e-14, abs=1e-14)


def test_decibels_of_arrays_are_those_of_their_numbers():
    values = np.linspace(-250.0, 50.0, 1001)
    ratios = units.db_to_linear(values)
    assert ratios.shape == values.shape
    assert all(units.db_to_linear(value) == ratio for value, ratio in zip(values, ratios, strict=True))
    np.testing.assert_allclose(units.linear_to_db(ratios), values, rtol=1e-13, atol=1e-12)


@pytest.mark.parametrize(
    ("value_dbm", "power_w"),
    [(30.0, 1.0), (0.0, 1e-3), (23.0, 0.19952623149688797), (-114.0, 3.981071705534972e-15)],
)
def test_dbm(value_dbm, power_w):
    assert units.dbm_to_w(value_dbm) == pytest.approx(power_w, rel=1e-14, abs=0.0)
    assert isinstance(units.dbm_to_w(value_dbm), float)


def test_dbm_rejects_dbw():
    """The mutant takes a value in dBm for one in dBW: a thousand times too much."""
    assert units.db_to_linear(23.0) == pytest.approx(1000.0 * units.dbm_to_w(23.0), rel=1e-12)


def test_prefixes():
    assert units.mhz_to_hz(10.0) == 1e7
    assert units.ghz_to_hz(3.5) == 3.5e9
    assert units.gbps_to_bps(1.0) == 1e9
    assert units.tflops_to_flops(19.5) == 1.95e13


def test_the_speed_of_light_is_the_defined_one():
    assert units.SPEED_OF_LIGHT_MPS == 299_792_458.0
