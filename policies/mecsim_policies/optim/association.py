"""AO part 1: the semidefinite relaxation as N small blocks, Hungarian rounding, and phi.

Of all products only phi_n x_nm appears outside of S, and every row between users is linear in the first
row of S. So the sparsity graph of the SDR of order NM + N + 1 is a triangle (1, phi_n, x_nm) for each pair,
and triangles meet in an edge or a vertex only; it is chordal, and the relaxation equals the one with N M
blocks of order 3 (Grone et al. 1984). Nothing but its bound phi_n holds S's entry for phi_n squared, and a
larger one is never worse, so it is phi_n. The conic solver is called through its own interface on a pattern
made once per shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import clarabel
import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.charged_fractions import fractions_with_charges
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.price import Price
from mecsim_policies.optim.relaxation_pattern import pattern_of

_FORBIDDEN = 1e3


@dataclass(frozen=True, eq=False, slots=True)
class Relaxed:
    """The relaxation's solution: fractional association (N, M), phi (N,), its value, the solver's status."""

    association: Floats
    local_fraction: Floats
    value: float
    status: str


def relax(pairs: Pairs, price: Price, slots: Floats, *, tolerance: float = 1e-8) -> Relaxed:
    """Solve the SDR of part 1.

    Parameters
    ----------
    pairs : Pairs
        Constants; infinite ones mark pairs that are not allowed.
    price : Price
    slots : (M,) float
        At most this many users a server, at least N in all.
    tolerance : float
        How exactly to solve, relative; association and phi move by less than a rounding long before.
    """
    users, servers = pairs.score.shape
    pattern = pattern_of(users, servers)
    pairs, price = _bounded(pairs).folded(price)
    scale_s = float(max(pairs.delay_0_s.min(axis=1).max(), 1e-300))
    change_s = (pairs.delay_1_s - pairs.delay_0_s) / scale_s
    change_j = pairs.energy_1_j - pairs.energy_0_j
    # Per user: phi, x_m, phi x_m; then T.
    cost = np.zeros((users, pattern.per_user))
    cost[:, pattern.x] = price.per_j * pairs.energy_0_j - pairs.score
    cost[:, pattern.phi_x] = price.per_j * change_j
    q = np.append(cost.ravel(), price.per_s * scale_s)
    unit = 1.0 / max(float(np.abs(q).max()), 1e-300)
    delay = np.concatenate([pairs.delay_0_s / scale_s, change_s], axis=1)
    matrix = pattern.matrix(delay)
    right = pattern.right(slots)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    size = len(q)
    empty = sparse.csc_matrix((size, size))
    answer = clarabel.DefaultSolver(empty, q * unit, matrix, right, pattern.cones(), settings).solve()
    x = np.array(answer.x)
    blocks = x[:-1].reshape(users, pattern.per_user)
    return Relaxed(
        association=blocks[:, pattern.x],
        local_fraction=blocks[:, 0],
        value=-float(q @ x),
        status=str(answer.status),
    )


def _bounded(pairs: Pairs) -> Pairs:
    """Return the pairs with infinite delays and energies replaced by ones that no optimum would take."""

    def bounded(values: Floats) -> Floats:
        finite = np.isfinite(values)
        if finite.all():
            return values
        return np.where(finite, values, _FORBIDDEN * values[finite].max(initial=0.0))

    return replace(
        pairs,
        delay_0_s=bounded(pairs.delay_0_s),
        delay_1_s=bounded(pairs.delay_1_s),
        energy_0_j=bounded(pairs.energy_0_j),
        energy_1_j=bounded(pairs.energy_1_j),
    )


def round_to_slots(weight: Floats, slots: Floats) -> Ints:
    """Return the association of largest total weight with at most ``slots[m]`` users at server m.

    The Hungarian method on servers replicated into their slots.
    """
    copies = np.repeat(np.arange(len(slots)), slots.astype(np.int64))
    _, chosen = linear_sum_assignment(weight[:, copies], maximize=True)
    server: Ints = copies[chosen]
    return server


def slot_weights(pairs: Pairs, price: Price, delay_price: Floats | None = None) -> Floats:
    """Return what each user is worth at each server with the better end of phi, (N, M), for rounding.

    It takes the place of the relaxation where that is too dear. ``delay_price`` (N,) is what a second of each
    user's delay costs; without it all have the same part of the price of the largest delay.
    """
    users = len(pairs.score)
    each = np.full(users, price.per_s / users) if delay_price is None else delay_price
    pairs, slow = _bounded(pairs), each[:, None]
    at_0 = slow * pairs.delay_0_s + price.per_j * pairs.energy_0_j
    at_1 = slow * pairs.delay_1_s + price.per_j * pairs.energy_1_j
    weight: Floats = pairs.score - np.minimum(at_0, at_1)
    return weight


def best_fractions(pairs: Pairs, price: Price, server: Ints) -> Floats:
    """Return phi that minimises ``per_s D + per_j sum E`` for an association, exactly.

    With the mean delay each user takes its cheaper end. With the largest, T alone couples the users, and the
    cost as a function of T is convex and piecewise linear: its least value is at the least possible T or at
    the first kink where the slope turns up. Where the ends of phi have charges, the cost jumps, and every T
    at which an option begins or ends is tried.
    """
    pairs, price = pairs.folded(price)
    if pairs.inside is not None:
        return fractions_with_charges(pairs, price, server)
    rows = np.arange(len(server))
    base_s, end_s = pairs.delay_0_s[rows, server], pairs.delay_1_s[rows, server]
    saving_j = pairs.energy_0_j[rows, server] - pairs.energy_1_j[rows, server]
    wanted = (saving_j > 0).astype(np.float64)  # the phi of least energy, ties to the server
    kink_s = np.where(wanted > 0, end_s, base_s)
    other_s = np.where(wanted > 0, base_s, end_s)
    reach_s = kink_s - other_s
    moves = reach_s > 0  # giving up the wanted phi makes the round shorter
    least_s = float(np.where(moves, other_s, kink_s).max())
    gain_per_s = np.divide(price.per_j * np.abs(saving_j), reach_s, out=np.zeros_like(reach_s), where=moves)
    order = np.argsort(kink_s)
    # Slope right of the k-th kink: the price of T less what the users with later kinks save.
    ahead = np.concatenate([np.cumsum(gain_per_s[order][::-1])[::-1][1:], [0.0]])
    turned = np.flatnonzero(price.per_s >= ahead)
    longest_s = max(float(kink_s[order][turned[0]]), least_s) if turned.size else least_s
    if price.per_s >= gain_per_s[kink_s > least_s].sum():
        longest_s = least_s
    share = np.divide(kink_s - longest_s, reach_s, out=np.zeros_like(reach_s), where=moves)
    back = np.clip(share, 0.0, 1.0)
    if not np.isfinite(longest_s):
        back[~np.isfinite(back)] = 0.0
    fractions: Floats = np.where(wanted > 0, 1.0 - back, back)
    return fractions
