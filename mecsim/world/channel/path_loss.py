"""Path loss laws that distance alone decides, by name: distance and carrier in, dB out."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mecsim.scenario.radio import Channel, LogDistance
from mecsim.system.arrays import Floats
from mecsim.units import SPEED_OF_LIGHT_MPS

PathLoss = Callable[[Floats, float], Floats]


def log_distance_128(distance_m: Floats, carrier_hz: float) -> Floats:
    """Return ``128.1 + 37.6 log10(d / km)`` in dB; the carrier is the law's own 2 GHz.

    Valid for macro cells at 2 GHz from 35 m on. Source: 3GPP TR 36.814, table A.2.1.1-3.
    """
    del carrier_hz
    loss: Floats = 128.1 + 37.6 * np.log10(distance_m / 1000.0)
    return loss


def free_space(distance_m: Floats, carrier_hz: float) -> Floats:
    """Return ``20 log10(4 pi d f / c)`` in dB. Source: Friis (1946)."""
    loss: Floats = 20.0 * np.log10(4.0 * np.pi * distance_m * (carrier_hz / SPEED_OF_LIGHT_MPS))
    return loss


def log_distance(numbers: LogDistance) -> PathLoss:
    """Return the law ``intercept + 10 exponent log10(d / reference)`` in dB, the same for every carrier.

    Valid where its numbers were measured. Source: Rappaport (2002), "Wireless Communications", 4.9.
    """

    def law(distance_m: Floats, carrier_hz: float) -> Floats:
        del carrier_hz
        decades = np.log10(distance_m / numbers.reference_m)
        loss: Floats = numbers.intercept_db + 10.0 * numbers.exponent * decades
        return loss

    return law


PATH_LOSS: dict[str, PathLoss] = {"log_distance_128": log_distance_128, "free_space": free_space}


def path_loss(channel: Channel) -> PathLoss:
    """Return the law of a channel whose path loss does not know of line of sight."""
    if channel.path_loss == "log_distance":
        return log_distance(channel.log_distance)
    return PATH_LOSS[channel.path_loss]
