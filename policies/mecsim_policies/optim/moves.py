"""A second look at the association with the resources in force: which changes promise most.

The relaxation sees a server that nobody uses as free to each user alone. Here the budgets and the
largest delay have prices, those of part 2's solution, and every user answers them alone: the best
shares it would take at each server if it trained all itself (phi = 1) or let the server (phi = 0).
What that saves is an estimate, so a change counts only after part 2 has been solved for it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.resources import Solution
from mecsim_policies.optim.shares import BAND, DOWN, GPU, PHI, SHARED, Price, ShareProblem

_RATIOS = np.geomspace(1e-2, 1e2, 25)
_LEAST_PRICE = 1e-4
_LEAST_DELAY_PRICE = 0.3
_CONSIDERED = 64


class Change(NamedTuple):
    """One or two users with the server and phi they would have, and the F / s1 it seems to gain."""

    gain: float
    users: tuple[int, ...]
    servers: tuple[int, ...]
    fractions: tuple[float, ...]


def promising(
    problems: tuple[ShareProblem, ...],
    current: ShareProblem,
    solution: Solution,
    price: Price,
    allowed: NDArray[np.bool_],
    fixed: NDArray[np.bool_] | None = None,
) -> list[Change]:
    """Return moves, flips of phi and swaps in the order of their promise.

    Parameters
    ----------
    problems : tuple of ShareProblem
        For each server m the problem in which every user is with m.
    current, solution, price
        The association in force, part 2's solution for it, and the prices of delay and energy.
    allowed : (N, M) bool
        Which servers each user may have.
    fixed : (N,) bool, optional
        Users whose phi is not to be chosen; it is 1/2.
    """
    server, shares = current.server, solution.shares
    users = len(server)
    worth = current.slope / (1.0 + current.slope * shares[:, :SHARED].sum(axis=1, keepdims=True))
    delay_price = np.maximum(solution.delay_price, _LEAST_DELAY_PRICE * price.per_s / users)
    # (N, M, 2): the cost with phi = 0 and phi = 1.
    costs = np.stack(
        [
            _responses(problem, price, delay_price, np.maximum(solution.share_price[m] - worth, _LEAST_PRICE))
            for m, problem in enumerate(problems)
        ],
        axis=1,
    )
    if fixed is not None:
        costs[fixed] = costs[fixed].mean(axis=2, keepdims=True)
    now = costs[np.arange(users), server]
    phi = shares[:, PHI]
    now = (1.0 - phi) * now[:, 0] + phi * now[:, 1]
    gain = np.where(allowed[:, :, None], now[:, None, None] - costs, -np.inf)
    gain[np.arange(users), server, np.rint(phi).astype(int)] = -np.inf
    if fixed is not None:
        gain[fixed, server[fixed]] = -np.inf
    moves = [
        Change(float(gain[n, m, f]), (int(n),), (int(m),), (float(f),))
        for n, m, f in zip(*_largest(gain), strict=True)
    ]
    best, choice = gain.max(axis=2), gain.argmax(axis=2)
    # What each of two users at different servers gains with the other's server.
    at_other = best[:, server]
    total = np.where(server[:, None] < server, at_other + at_other.T, -np.inf)
    moves += [
        Change(
            float(total[i, j]),
            (int(i), int(j)),
            (int(server[j]), int(server[i])),
            (float(choice[i, server[j]]), float(choice[j, server[i]])),
        )
        for i, j in zip(*_largest(total), strict=True)
    ]
    return sorted(moves, key=lambda change: -change.gain)


def _largest(gain: Floats) -> tuple[Ints, ...]:
    """Return the indices of the largest gains that are possible at all, at most ``_CONSIDERED``."""
    flat = gain.ravel()
    order = np.argsort(-flat, kind="stable")[:_CONSIDERED]
    return np.unravel_index(order[flat[order] > -np.inf], gain.shape)


def _responses(problem: ShareProblem, price: Price, delay_price: Floats, share_price: Floats) -> Floats:
    """Return the least cost of each user with phi = 0 and phi = 1, shape (N, 2)."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # no gain: an endless cost
        costs = _response_costs(problem, price, delay_price, share_price)
    return np.where(np.isnan(costs), np.inf, costs)


def _response_costs(problem: ShareProblem, price: Price, delay_price: Floats, share_price: Floats) -> Floats:
    p, r = problem, _RATIOS
    band, down, gpu = share_price[:, BAND, None], share_price[:, DOWN, None], share_price[:, GPU]
    slow = delay_price[:, None]
    # Server GPU: a g^2 + b / g + c g, at the g where a and b alone are least, or where b and c are.
    a, b = price.per_j * p.train_j[1], delay_price * p.train_s[1]
    free = np.where(a > 0, b / (2.0 * a), np.inf)  # no work, no energy: any speed will do
    speeds = np.stack([np.cbrt(free), np.sqrt(b / gpu)]).clip(1e-9, 1.0)
    speed = speeds.min(axis=0)
    at_server = a * speed**2 + b / speed + gpu * speed
    # Downlink: for a ratio of power to bandwidth r the best bandwidth is known.
    rate = np.log1p(p.snr[1][:, None] * r)
    width = np.sqrt(slow * p.radio_s[1][:, None] / (rate * (band + down * r))).clip(1e-9, 1.0)
    back = slow * p.radio_s[1][:, None] / (width * rate) + price.per_j * p.radio_j[1][:, None] * r / rate
    back = (back + width * (band + down * r)).min(axis=1)
    # Own GPU and uplink: only the bandwidth has a price, the user's power a bound.
    a, b = price.per_j * p.train_j[0], delay_price * p.train_s[0]
    speed = np.cbrt(np.where(a > 0, b / (2.0 * a), np.inf)).clip(1e-9, 1.0)
    own = a * speed**2 + b / speed
    rate = np.log1p(p.snr[0][:, None] * r)
    width = np.sqrt(slow * p.radio_s[0][:, None] / (rate * band)).clip(1e-9, 1.0)
    width = np.minimum(width, 1.0 / r)
    up = slow * p.radio_s[0][:, None] / (width * rate) + price.per_j * p.radio_j[0][:, None] * r / rate
    up = (up + width * band).min(axis=1)
    return np.stack([at_server + back, own + up], axis=1)


def changed(
    problem: ShareProblem, shares: Floats, change: Change, fixed: NDArray[np.bool_] | None = None
) -> tuple[Ints, Floats]:
    """Return the association and the shares to start from after a change."""
    server, start = problem.server.copy(), shares.copy()
    for n, m, phi in zip(change.users, change.servers, change.fractions, strict=True):
        if m != server[n]:
            start[n, :SHARED] = 1.0 / (problem.member[0, m].sum() + 1.0)
        server[n] = m
        start[n, SHARED:PHI] = 0.5
        if fixed is None or not fixed[n]:
            start[n, PHI] = phi
    return server, start
