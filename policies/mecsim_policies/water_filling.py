"""Greedy association and resources in closed form, docs/model.md section 4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.splits import Needs, parts_by_weight, split_with_best_phi
from mecsim_policies.optim.weights import counts_mean


class WaterFilling:
    """Users join, in order of size, the server whose level rises least; square-root shares, best phi.

    The level of a server is the time after which all of its users end, with the shares that make it least
    (:func:`lowest_level`, :func:`square_root_shares`). It has a closed form for any users, so a greedy rule
    is cheap: the largest user first, each takes the server where the sum of squared levels rises least
    (B. Awerbuch et al., "Load balancing in the L_p norm", FOCS 1995, with p = 2). Then phi is the best for
    these shares. Filling to a common level is in S. Boyd and L. Vandenberghe, Convex Optimization, 2004,
    example 5.2; that of two resources at once is ours [R]. Times count with the users' weights. Where the
    mean delay counts, a level is the least sum of the delays of a server's users, in closed form as well.

    Attributes
    ----------
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    predicted_scr = float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the greedy association with square-root shares and the best phi."""
        self.predicted_scr = float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance, needs = (
            participants.instance,
            Needs.of(participants.instance).weighted(participants.instance),
        )
        mean = counts_mean(instance)
        server = participants.or_strongest(lowest_rise(needs, participants.allowed, mean=mean))
        band, gpu = (least_sum_shares if mean else square_root_shares)(needs, server)
        own, scr = split_with_best_phi(instance, server, band, gpu)
        self.predicted_scr = participants.scr_of_all(observation, scr)
        return participants.for_all_users(observation, own)


def lowest_level(moments: Floats) -> Floats:
    """Return the least time in s within which servers can end with all their users.

    Users who need a_n s of all bandwidth and c_n s of all GPUs take ``a_n / x_n + c_n / y_n`` with parts of
    them. The least possible maximum where parts add up to 1 is the larger eigenvalue of the matrix with
    ``sum a`` and ``sum c`` on the diagonal and ``sum sqrt(a c)`` beside it.

    Parameters
    ----------
    moments : (..., 3) float
        ``sum a``, ``sum sqrt(a c)`` and ``sum c``.
    """
    a, root, c = moments[..., 0], moments[..., 1], moments[..., 2]
    return np.asarray(0.5 * (a + c + np.hypot(a - c, 2.0 * root)))


def least_sum(moments: Floats) -> Floats:
    """Return the least sum of the delays of servers' users in s, for ``sum sqrt(a)`` and ``sum sqrt(c)``.

    By Cauchy and Schwarz ``sum a_n / x_n`` is at least the square of ``sum sqrt(a_n)`` where parts x add up
    to 1, and is it with x in proportion to ``sqrt(a)``; so for c.
    """
    return np.asarray((moments**2).sum(axis=-1))


def least_sum_shares(needs: Needs, server: Ints) -> tuple[Floats, Floats]:
    """Return the parts of bandwidth and of GPUs, (N,), with which each server's delays add up to least."""
    band, gpu = (parts_by_weight(np.sqrt(each), server) for each in needs.at(server))
    return band, gpu


def lowest_rise(needs: Needs, allowed: NDArray[np.bool_], *, mean: bool = False) -> Ints:
    """Return the greedy association, (N,): the largest user first, each where squared levels rise least.

    With the mean delay it is the sum of delays that rises least, which adds up over servers as it is.
    """
    level, power = (least_sum, 1) if mean else (lowest_level, 2)
    moments = _moments(needs.band_s, needs.gpu_s)
    moments = np.sqrt(moments[..., ::2]) if mean else moments
    filled = np.zeros(moments.shape[1:])
    server = np.zeros(len(moments), dtype=np.int64)
    alone = np.where(allowed, level(moments), np.inf).min(axis=1)
    # Who has no choice comes first: a greedy choice should know of them.
    for n in np.lexsort((-alone, allowed.sum(axis=1) > 1)):
        rise = level(filled + moments[n]) ** power - level(filled) ** power
        server[n] = np.where(allowed[n] & ~np.isnan(rise), rise, np.inf).argmin()
        filled[server[n]] += moments[n, server[n]]
    return server


def square_root_shares(needs: Needs, server: Ints) -> tuple[Floats, Floats]:
    """Return the parts of bandwidth and of GPUs, (N,), with which all users of a server end at its level.

    ``x_n = (a_n + r sqrt(a_n c_n)) / level`` and ``y_n = (c_n + sqrt(a_n c_n) / r) / level``, with the r that
    makes both sums 1.
    """
    a, root, c = _moments(*needs.at(server)).T
    sum_a, sum_root, sum_c = (np.bincount(server, weights=each)[server] for each in (a, root, c))
    # Of two forms of the root the one without cancellation.
    wide = np.hypot(sum_a - sum_c, 2.0 * sum_root)
    upper = np.where(sum_c > sum_a, sum_c - sum_a + wide, 2.0 * sum_root)
    lower = np.where(sum_c > sum_a, 2.0 * sum_root, sum_a - sum_c + wide)
    band = parts_by_weight(lower * a + upper * root, server)
    return band, parts_by_weight(upper * c + lower * root, server)


def _moments(a: Floats, c: Floats) -> Floats:
    """Return a, sqrt(a c) and c, (..., 3)."""
    return np.stack([a, np.sqrt(a) * np.sqrt(c), c], axis=-1)
