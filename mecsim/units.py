"""The only conversions between what people write and the SI units used inside."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

SPEED_OF_LIGHT_MPS = 299_792_458.0

_NEPER_PER_DB = float(np.log(10.0)) / 10.0

Real = TypeVar("Real", float, NDArray[np.float64])


def db_to_linear(value_db: Real) -> Real:
    """Return the power ratio of a value in dB."""
    ratio: Real = np.exp(value_db * _NEPER_PER_DB)
    return ratio


def linear_to_db(ratio: Real) -> Real:
    """Return a power ratio in dB."""
    result: Real = 10.0 * np.log10(ratio)
    return result


def dbm_to_w(value_dbm: float) -> float:
    """Return a power in dBm as watts."""
    return float(10.0 ** ((value_dbm - 30.0) / 10.0))


def mhz_to_hz(value_mhz: float) -> float:
    """Return MHz as Hz."""
    return value_mhz * 1e6


def ghz_to_hz(value_ghz: float) -> float:
    """Return GHz as Hz."""
    return value_ghz * 1e9


def gbps_to_bps(value_gbps: float) -> float:
    """Return Gbit/s as bit/s."""
    return value_gbps * 1e9


def tflops_to_flops(value_tflops: float) -> float:
    """Return TFLOP/s as FLOP/s."""
    return value_tflops * 1e12
