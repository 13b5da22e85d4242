"""What a user costs at one end of phi at given prices, where it may need both sides there."""

from __future__ import annotations

import numpy as np

from mecsim.system.arrays import Floats
from mecsim_policies.optim.power_terms import InUse
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.shares import BAND, DOWN, GPU, ShareProblem

_RATIOS = np.geomspace(1e-2, 1e2, 25)
_LEAST = 1e-9


def end_costs(
    problem: ShareProblem,
    phi: Floats,
    price: Price,
    delay_price: Floats,
    share_price: Floats,
    others: InUse | None = None,
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
    others : InUse, optional
        What others use the server's GPUs for, where any are shared.
    """
    load, slow, power = problem.loads(phi), delay_price, problem.power
    band, down, gpu = share_price[:, BAND], share_price[:, DOWN], share_price[:, GPU]
    own = own_gpu_cost(problem, load.train_s[0], load.train_j[0], price, slow)
    server = server_gpu_cost(load.train_s[1], load.train_j[1], price, slow, gpu, others)
    flow, ratio, drawn_j = np.zeros_like(slow), [np.zeros_like(slow)] * 2, np.zeros_like(slow)
    links = ((problem.rate_law.up, 0.0 * down), (problem.rate_law.down, down))
    for side, (law, power_price) in enumerate(links):
        per_s = slow if power is None else slow + price.per_j * power.electronics_w[side]
        rate = law.nat_rate(1.0, _RATIOS, problem.snr[side][:, None])
        time = (per_s * load.radio_s[side])[:, None] / rate
        energy_j = load.radio_j[side][:, None] * _RATIOS / rate
        width = np.sqrt(time / (band[:, None] + power_price[:, None] * _RATIOS))
        costs = 2.0 * width * (band[:, None] + power_price[:, None] * _RATIOS) + price.per_j * energy_j
        best = costs.argmin(axis=1)[:, None]
        used = load.radio_s[side] > 0.0
        flow = flow + np.where(used, np.take_along_axis(time, best, axis=1)[:, 0], 0.0)
        ratio[side] = np.where(used, _RATIOS[best[:, 0]], 0.0)
        drawn_j = drawn_j + np.where(used, np.take_along_axis(energy_j, best, axis=1)[:, 0], 0.0)
    each = band + down * ratio[1]
    widest = np.minimum(1.0, 1.0 / np.maximum(np.maximum(ratio[0], ratio[1]), 1.0))
    width = np.clip(np.sqrt(flow / each), _LEAST, widest)
    radio = flow / width + width * each + price.per_j * drawn_j
    return np.asarray(own + server + np.where(flow > 0.0, radio, 0.0))


def own_gpu_cost(
    problem: ShareProblem, train_s: Floats, train_j: Floats, price: Price, delay_price: Floats
) -> Floats:
    """Return the least cost of each user's work at its own GPU, (N,)."""
    least = _LEAST if problem.power is None else np.maximum(problem.power.own_floor, _LEAST)
    a, b = price.per_j * train_j, delay_price * train_s
    speed = np.cbrt(np.where(a > 0, b / (2.0 * a), np.inf)).clip(least, 1.0)
    return np.asarray(a * speed**2 + b / speed)


def server_gpu_cost(
    train_s: Floats,
    train_j: Floats,
    price: Price,
    delay_price: Floats,
    speed_price: Floats,
    others: InUse | None,
) -> Floats:
    """Return the least cost of each user's work at the server's GPUs, (N,).

    On GPUs that the others share it is that of what all of them pay more.
    """
    a, b, c = price.per_j * train_j, delay_price * train_s, speed_price
    fixed: Floats | float = 0.0
    if others is not None:
        works = train_s > 0
        a = a + price.per_j * np.where(works, others.energy_j, 0.0)
        c, fixed = c + 2.0 * others.speed * a, price.per_j * train_j * others.speed**2
    # a g^2 + b / g + c g, at the g where a and b alone are least, or where b and c are.
    free = np.where(a > 0, b / (2.0 * a), np.inf)  # without work there is no energy at any speed
    speed = np.stack([np.cbrt(free), np.sqrt(b / c)]).clip(_LEAST, 1.0).min(axis=0)
    return np.asarray(a * speed**2 + b / speed + c * speed + fixed)
