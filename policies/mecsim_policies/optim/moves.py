"""The neighbours of an association, ranked by an estimate of what they gain.

The relaxation sees a server that nobody uses as free to each user alone. Here the budgets and the
largest delay have prices, those of part 2's solution. Each user alone takes the best shares at these prices
at each server, training everything itself (phi = 1) or nothing (phi = 0). What that saves is an
estimate, so a change counts only after part 2 has been solved for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.end_costs import end_costs, own_gpu_cost, server_gpu_cost
from mecsim_policies.optim.power_terms import InUse
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.resources import Solution
from mecsim_policies.optim.shares import BAND, DOWN, GPU, PHI, SHARED, ShareProblem

_RATIOS = np.geomspace(1e-2, 1e2, 25)
_LEAST_PRICE = 1e-4
_LEAST_DELAY_PRICE = 0.3
_MAX_RANKED = 64


class Change(NamedTuple):
    """A move, flip or swap: one or two users, their new servers and phi, and the estimated gain in F / s1."""

    gain: float
    users: tuple[int, ...]
    servers: tuple[int, ...]
    fractions: tuple[float, ...]


def ranked_changes(
    problems: tuple[ShareProblem, ...],
    current: ShareProblem,
    solution: Solution,
    price: Price,
    allowed: NDArray[np.bool_],
    fixed: NDArray[np.bool_] | None = None,
) -> list[Change]:
    """Return moves, flips of phi and swaps, the largest estimated gain first.

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
    gain = gains(problems, current, solution, price, allowed, fixed)
    return ranked(gain, current.server)


def ranked(gain: Floats, server: Ints) -> list[Change]:
    """Return the moves, flips and swaps with the largest of these gains, (N, M, 2)."""
    changes = [*_moves(gain), *_swaps(gain, server)]
    return sorted(changes, key=lambda change: -change.gain)


def gains(
    problems: tuple[ShareProblem, ...],
    current: ShareProblem,
    solution: Solution,
    price: Price,
    allowed: NDArray[np.bool_],
    fixed: NDArray[np.bool_] | None = None,
) -> Floats:
    """Return what each user would gain at each server with phi = 0 and phi = 1, (N, M, 2)."""
    server, shares = current.server, solution.shares
    users = np.arange(len(server))
    score_price = current.slope / (1.0 + current.slope * shares[:, :SHARED].sum(axis=1, keepdims=True))
    delay_price = np.maximum(solution.delay_price, _LEAST_DELAY_PRICE * price.per_s / len(server))
    share_prices = (np.maximum(own - score_price, _LEAST_PRICE) for own in solution.share_price)
    others = (_others(m, current, shares) for m in range(len(problems)))
    each = zip(problems, share_prices, others, strict=True)
    costs = np.stack([_responses(p, price, delay_price, *rest) for p, *rest in each], axis=1)
    if fixed is not None:
        costs[fixed] = costs[fixed].mean(axis=2, keepdims=True)
    now, phi = costs[users, server], shares[:, PHI]
    now = (1.0 - phi) * now[:, 0] + phi * now[:, 1]
    gain = np.where(allowed[:, :, None], now[:, None, None] - costs, -np.inf)
    gain[users, server, np.rint(phi).astype(int)] = -np.inf
    if fixed is not None:
        gain[fixed, server[fixed]] = -np.inf
    return gain


def _moves(gain: Floats) -> Iterator[Change]:
    """Yield the moves and flips with the largest gains."""
    for n, m, f in zip(*_largest(gain), strict=True):
        yield Change(float(gain[n, m, f]), (int(n),), (int(m),), (float(f),))


def _swaps(gain: Floats, server: Ints) -> Iterator[Change]:
    """Yield the swaps of two users at different servers with the largest gains."""
    best, choice = gain.max(axis=2), gain.argmax(axis=2)
    at_other = best[:, server]
    total = np.where(server[:, None] < server, at_other + at_other.T, -np.inf)
    for i, j in zip(*_largest(total), strict=True):
        yield Change(
            float(total[i, j]),
            (int(i), int(j)),
            (int(server[j]), int(server[i])),
            (float(choice[i, server[j]]), float(choice[j, server[i]])),
        )


def _largest(gain: Floats) -> tuple[Ints, ...]:
    """Return the indices of the largest gains that are possible at all, at most ``_MAX_RANKED``."""
    flat = gain.ravel()
    order = np.argsort(-flat, kind="stable")[:_MAX_RANKED]
    return np.unravel_index(order[flat[order] > -np.inf], gain.shape)


def _others(server: int, current: ShareProblem, shares: Floats) -> InUse | None:
    """Return what others use the GPUs of a server for, for each user; None where no GPUs are shared."""
    if current.power is None or not current.power.shares:
        return None
    return current.power.others(server, current.load_at(shares), shares[:, GPU])


def _responses(
    problem: ShareProblem, price: Price, delay_price: Floats, share_price: Floats, others: InUse | None
) -> Floats:
    """Return the least cost of each user with phi = 0 and phi = 1, shape (N, 2)."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):  # without a gain the cost is infinite
        if problem.fixed is None:
            costs = _response_costs(problem, price, delay_price, share_price, others)
        else:
            every = np.arange(2.0)[:, None] * np.ones(len(problem.server))
            costs = np.stack(
                [end_costs(problem, phi, price, delay_price, share_price, others) for phi in every], axis=1
            )
    return np.where(np.isnan(costs), np.inf, costs)


def _response_costs(
    problem: ShareProblem, price: Price, delay_price: Floats, share_price: Floats, others: InUse | None
) -> Floats:
    p, r = problem, _RATIOS
    band, down, gpu = share_price[:, BAND, None], share_price[:, DOWN, None], share_price[:, GPU]
    slow = delay_price[:, None]
    at_server = server_gpu_cost(p.train_s[1], p.train_j[1], price, delay_price, gpu, others)
    # Downlink: for a ratio of power to bandwidth r the best bandwidth is known.
    up_s, down_s = p.radio_s[0][:, None], p.radio_s[1][:, None]
    up_cost, down_cost = slow * up_s, slow * down_s
    if p.power is not None:
        up_w, down_w = p.power.electronics_w[:, :, None]
        up_cost, down_cost = up_cost + price.per_j * up_w * up_s, down_cost + price.per_j * down_w * down_s
    rate = p.rate_law.down.nat_rate(1.0, r, p.snr[1][:, None])
    width = np.sqrt(down_cost / (rate * (band + down * r))).clip(1e-9, 1.0)
    back = down_cost / (width * rate) + price.per_j * p.radio_j[1][:, None] * r / rate
    back = (back + width * (band + down * r)).min(axis=1)
    # Own GPU and uplink: only the bandwidth has a price, the user's power a bound.
    own = own_gpu_cost(p, p.train_s[0], p.train_j[0], price, delay_price)
    rate = p.rate_law.up.nat_rate(1.0, r, p.snr[0][:, None])
    width = np.sqrt(up_cost / (rate * band)).clip(1e-9, 1.0)
    width = np.minimum(width, 1.0 / r)
    up = up_cost / (width * rate) + price.per_j * p.radio_j[0][:, None] * r / rate
    up = (up + width * band).min(axis=1)
    return np.stack([at_server + back, own + up], axis=1)


def apply_change(
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
