"""The best speeds of GPUs at given prices: concave problems of one variable."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mecsim.system.arrays import Floats

_LEAST_SPEED = 1e-9


def own_speed(time_price: Floats, energy_price: Floats, floor: Floats) -> Floats:
    """Return the speed f in [floor, 1] of least ``time_price / f + energy_price f^2``, (K,)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        free = np.cbrt(time_price / (2.0 * energy_price))
    return np.clip(np.where(np.isnan(free), floor, free), np.maximum(floor, _LEAST_SPEED), 1.0)


class Speed(NamedTuple):
    """A share of speed, (K,), and its derivative by the reward."""

    share: Floats
    slope: Floats


def server_speed(
    reward: Floats, time_price: Floats, energy_price: Floats, start: Floats, steps: int
) -> Speed:
    """Return the share g in (0, 1] of largest ``reward g - time_price / g - energy_price g^2``, (K,).

    Newton's method on ``2 energy_price g^3 - reward g^2 - time_price``, which has one positive root.
    """
    g = start
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for _ in range(steps):
            value = (2.0 * energy_price * g - reward) * g * g - time_price
            slope = (6.0 * energy_price * g - 2.0 * reward) * g
            # Where the slope is not positive the root is to the right.
            step = np.where(slope > 0, g - value / slope, 3.0 * g)
            g = np.minimum(np.maximum(step, np.maximum(g / 3.0, _LEAST_SPEED)), 1.0)
        slope = (6.0 * energy_price * g - 2.0 * reward) * g
        return Speed(g, np.where((g < 1.0) & (slope > 0), g * g / slope, 0.0))
