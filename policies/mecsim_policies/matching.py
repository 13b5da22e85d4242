"""Stable matching of users with slots of servers, docs/model.md section 4."""

from __future__ import annotations

import numpy as np

from mecsim.policy import Observation
from mecsim.system.allocation import Allocation
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.optim.overflow import overflow_allowed
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.participants import Participants, all_local
from mecsim_policies.optim.splits import parts_by_weight, split_with_best_phi

_LARGEST = 1e300


class Matching:
    """Deferred acceptance: users apply to servers, which keep one for each slot; equal split, best phi.

    Users apply in the order of what they would pay, ``w_t T_n + w_e E_n`` with a slot, which is an equal part
    of a full server, at the better end of phi. A server keeps the applicants who would pay most elsewhere, in
    the mean over servers, and slots follow the servers' capacity as in DASHF's first part [R]. The result is
    stable: no user and server would both rather have each other (D. Gale and L. S. Shapley, "College
    admissions and the stability of marriage", American Mathematical Monthly 69, 1962; in wireless networks Y.
    Gu et al., "Matching theory for future wireless networks", IEEE Communications Magazine 53(5), 2015).

    Attributes
    ----------
    iterations : int
        Applications in the last decision.
    predicted_scr : float
        SCR that the last decision is to have on the snapshot; NaN before it, and where users are left out.
    """

    iterations = 0
    predicted_scr = float("nan")

    @overflow_allowed
    def allocate(self, observation: Observation) -> Allocation:
        """Return the stable association with an equal split and the best phi for it."""
        self.iterations, self.predicted_scr = 0, float("nan")
        participants = Participants.of(observation)
        if participants is None:
            return all_local(observation)
        instance, cost = participants.instance, slot_costs(participants)
        slots = slots_by_capacity(instance).astype(np.int64)
        server, self.iterations = deferred_acceptance(cost, mean_elsewhere(cost), slots)
        # Who may have few servers, all full, finds no slot.
        server = np.where(server >= 0, server, participants.strongest())
        equal = parts_by_weight(np.ones(len(server)), server)
        own, scr = split_with_best_phi(instance, server, equal, equal)
        self.predicted_scr = participants.scr_of_all(observation, scr)
        return participants.for_all_users(observation, own)


def slot_costs(participants: Participants) -> Floats:
    """Return ``w_t T_n + w_e E_n`` of users with a slot of each server, (N, M); infinite if not allowed.

    Delay and energy count with the user's weights, a delay with its part of the mean if that is what counts.
    """
    instance, w = participants.instance, participants.instance.weights
    pairs = Pairs.at_slots(instance, slots_by_capacity(instance))
    per_s = w.delay_per_s / instance.user_count if pairs.mean else w.delay_per_s
    at_0, at_1 = (
        per_s * delay_s + w.energy_per_j * energy_j
        for delay_s, energy_j in (
            (pairs.delay_0_s, pairs.energy_0_j),
            (pairs.delay_1_s, pairs.energy_1_j),
        )
    )
    cost = np.nan_to_num(np.minimum(at_0, at_1), nan=_LARGEST, posinf=_LARGEST)
    return np.where(participants.allowed, cost, np.inf)


def mean_elsewhere(cost: Floats) -> Floats:
    """Return the mean cost of each user at the other allowed servers, (N, M); infinite if there are none."""
    allowed = np.isfinite(cost)
    others = allowed.sum(axis=1, keepdims=True) - allowed
    finite = np.where(allowed, cost, 0.0)
    total = finite.sum(axis=1, keepdims=True) - finite
    mean: Floats = np.divide(total, others, out=np.full(cost.shape, np.inf), where=others > 0)
    return mean


def deferred_acceptance(cost: Floats, worth: Floats, slots: Ints) -> tuple[Ints, int]:
    """Return the stable matching that is best for users, (N,) with -1 for no slot, and the applications made.

    Parameters
    ----------
    cost : (N, M) float
        Users prefer small ones; they do not apply where it is infinite.
    worth : (N, M) float
        Servers prefer large ones, of equals the smaller cost, and then the smaller index.
    slots : (M,) int
    """
    preferred = np.argsort(cost, axis=1, kind="stable").tolist()
    possible = np.isfinite(cost).sum(axis=1).tolist()
    rank = [
        {n: k for k, n in enumerate(np.lexsort((cost[:, m], -worth[:, m])).tolist())}
        for m in range(len(slots))
    ]
    held: list[list[int]] = [[] for _ in slots]
    applied, free = [0] * len(cost), list(range(len(cost)))
    while free:
        n = free.pop()
        if applied[n] == possible[n]:
            continue
        m = preferred[n][applied[n]]
        applied[n] += 1
        held[m].append(n)
        if len(held[m]) > slots[m]:
            refused = max(held[m], key=rank[m].__getitem__)
            held[m].remove(refused)
            free.append(refused)
    server = np.full(len(cost), -1)
    for m, users in enumerate(held):
        server[users] = m
    return server, sum(applied)
