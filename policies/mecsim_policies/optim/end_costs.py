"""What a user costs at one end of phi at given prices, where it may need both sides there."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import BAND, DOWN, GPU, ShareProblem

_RATIOS = np.geomspace(1e-2, 1e2, 25)
_LEAST = 1e-9


def end_costs(
    problem: ShareProblem, phi: Floats, price: Price, delay_price: Floats, share_price: Floats
) -> Floats:
    """Return the least cost of each user, (N,), with the best shares at these prices.

    Both links have one bandwidth. Each has the ratio of power to bandwidth that is best for it alone, and the
    bandwidth is then the best one for both.

    Parameters
    ----------
    problem : ShareProblem
        Everybody at one server, with work that is linear from end to end.
    phi : (N,) float
        0 or 1.
    price : Price
    delay_price : (N,) float
        Price of a second of each user's own delay.
    share_price : (N, 3) float
        Prices of all of the server's bandwidth, power and GPU speed.
    """
    load, slow = problem.loads(phi), delay_price
    band, down, gpu = share_price[:, BAND], share_price[:, DOWN], share_price[:, GPU]
    own = _gpu_cost(load.train_s[0], load.train_j[0], price, slow, np.zeros_like(slow))
    server = _gpu_cost(load.train_s[1], load.train_j[1], price, slow, gpu)
    flow_s = [np.zeros_like(slow)] * 2
    ratio, drawn_j = [np.zeros_like(slow)] * 2, np.zeros_like(slow)
    links = ((problem.rate_law.up, 0.0 * down), (problem.rate_law.down, down))
    for side, (law, power_price) in enumerate(links):
        rate = law.nat_rate(1.0, _RATIOS, problem.snr[side][:, None])
        time_s, energy_j = load.radio_s[side][:, None] / rate, load.radio_j[side][:, None] * _RATIOS / rate
        width = np.sqrt(slow[:, None] * time_s / (band[:, None] + power_price[:, None] * _RATIOS))
        costs = 2.0 * width * (band[:, None] + power_price[:, None] * _RATIOS) + price.per_j * energy_j
        best = costs.argmin(axis=1)[:, None]
        used = load.radio_s[side] > 0.0
        flow_s[side] = np.where(used, np.take_along_axis(time_s, best, axis=1)[:, 0], 0.0)
        ratio[side] = np.where(used, _RATIOS[best[:, 0]], 0.0)
        drawn_j = drawn_j + np.where(used, np.take_along_axis(energy_j, best, axis=1)[:, 0], 0.0)
    each = band + down * ratio[1]
    width = np.sqrt(slow * (flow_s[0] + flow_s[1]) / each)
    widest = np.minimum(1.0, 1.0 / np.maximum(np.maximum(ratio[0], ratio[1]), 1.0))
    width = np.clip(width, _LEAST, widest)
    radio = slow * (flow_s[0] + flow_s[1]) / width + width * each + price.per_j * drawn_j
    return np.asarray(own + server + np.where(flow_s[0] + flow_s[1] > 0.0, radio, 0.0))


def _gpu_cost(train_s: Floats, train_j: Floats, price: Price, slow: Floats, speed_price: Floats) -> Floats:
    """Return the least of ``a g^2 + b / g + c g``, at the g where a and b alone are least, or b and c are."""
    a, b = price.per_j * train_j, slow * train_s
    free = np.cbrt(np.where(a > 0, b / (2.0 * a), np.inf))
    priced = np.sqrt(np.where(speed_price > 0, b / speed_price, np.inf))
    speed = np.clip(np.minimum(free, priced), _LEAST, 1.0)
    return np.asarray(np.where(train_s > 0, a * speed**2 + b / speed + speed_price * speed, 0.0))
