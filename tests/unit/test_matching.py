"""Deferred acceptance: no user and server would both rather have each other (docs/model.md section 4)."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.matching import deferred_acceptance, mean_elsewhere, slot_costs
from mecsim_policies.optim.pairs import slots_by_capacity
from mecsim_policies.optim.participants import Participants

from mecsim.policy import Observation
from mecsim.registry import make_policy
from mecsim.testing.snapshots import draw_instance


def blocking_pairs(server, cost, worth, slots):
    """Return the pairs of a user and a server that would both rather have each other, by definition."""
    found = []
    for n, m in itertools.product(*map(range, cost.shape)):
        if server[n] == m or not np.isfinite(cost[n, m]):
            continue
        mine = cost[n, server[n]] if server[n] >= 0 else np.inf
        held = np.flatnonzero(server == m)
        wanted = len(held) < slots[m] or (worth[held, m] < worth[n, m]).any()
        if cost[n, m] < mine and wanted:
            found.append((n, m))
    return found


def market(seed):
    """Return random preferences of 6 users and 3 servers, some pairs impossible, and slots."""
    rng = np.random.default_rng(seed)
    cost, worth = rng.random((2, 6, 3))
    cost[rng.random((6, 3)) < 0.2] = np.inf
    return cost, worth, rng.integers(1, 4, 3)


@pytest.mark.parametrize("seed", range(30))
def test_a_matching_is_stable_and_the_best_of_all_stable_ones_for_users(seed):
    cost, worth, slots = market(seed)
    server, applications = deferred_acceptance(cost, worth, slots)
    assert (np.bincount(server[server >= 0], minlength=3) <= slots).all()
    assert blocking_pairs(server, cost, worth, slots) == []
    assert len(server) <= applications + (~np.isfinite(cost).any(axis=1)).sum()
    if seed < 5:
        own = np.where(server >= 0, cost[np.arange(6), server], np.inf)
        for other in itertools.product(range(-1, 3), repeat=6):
            other = np.array(other)
            theirs = np.where(other >= 0, cost[np.arange(6), other], np.inf)
            possible = (np.isfinite(theirs) | (other < 0)).all()
            fits = (np.bincount(other[other >= 0], minlength=3) <= slots).all()
            if possible and fits and (theirs < own).any():
                assert blocking_pairs(other, cost, worth, slots) != []


@pytest.mark.parametrize("wrong", ["first come", "greedy"])
def test_a_matching_that_is_not_stable_is_noticed(wrong):
    """Mutants: whoever is held stays (first come, first served), and the cheapest server without slots."""
    unstable = 0
    for seed in range(30):
        cost, worth, slots = market(seed)
        if wrong == "greedy":
            server = np.where(np.isfinite(cost).any(axis=1), cost.argmin(axis=1), -1)
            unstable += bool((np.bincount(server[server >= 0], minlength=3) > slots).any())
            continue
        server, left = np.full(6, -1), slots.copy()
        for n in range(6):
            for m in np.argsort(cost[n]):
                if left[m] and np.isfinite(cost[n, m]) and server[n] < 0:
                    server[n], left[m] = m, left[m] - 1
        unstable += bool(blocking_pairs(server, cost, worth, slots))
    assert unstable > 10


def test_by_hand():
    """Both want server 0, which has one slot and prefers user 1; user 0 applies twice."""
    server, applications = deferred_acceptance(
        np.array([[1.0, 2.0], [1.0, 5.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([1, 1])
    )
    assert server.tolist() == [1, 0]
    assert applications == 3


def test_servers_of_equal_worth_keep_the_cheaper_user():
    cost = np.array([[2.0], [1.0], [3.0]])
    assert deferred_acceptance(cost, np.zeros((3, 1)), np.array([1]))[0].tolist() == [-1, 0, -1]


def test_what_a_user_pays_elsewhere_is_a_mean_over_servers_it_may_have():
    cost = np.array([[1.0, 3.0, 5.0], [2.0, np.inf, 4.0], [7.0, np.inf, np.inf]])
    assert mean_elsewhere(cost).tolist() == [[4.0, 3.0, 2.0], [4.0, 3.0, 2.0], [np.inf, 7.0, 7.0]]


def test_a_slot_costs_what_a_round_with_it_costs():
    """Against the model, user by user and server by server. Mutant: the cost of phi = 0 alone."""
    instance = draw_instance(3, 4, 2)
    participants = Participants.of(Observation.of(instance))
    cost, w = slot_costs(participants), instance.weights
    equal = make_policy("nearest:local_fraction=0").allocate(Observation.of(instance))
    slots, s = slots_by_capacity(instance), instance.servers
    ends = []
    for m, phi in itertools.product(range(2), (0.0, 1.0)):
        slot = replace(
            equal, server=np.full(4, m), local_fraction=np.full(4, phi),
            bandwidth_hz=np.full(4, s.bandwidth_hz[m] / slots[m]),
            server_power_w=np.full(4, s.max_power_w[m] / slots[m]),
            server_gpu_flops=np.full(4, s.max_gpu_flops[m] / slots[m]),
        )  # fmt: skip
        ends.append(w.delay_per_s * instance.delay(slot) + w.energy_per_j * instance.energy(slot))
    expected = np.stack([np.minimum(*ends[:2]), np.minimum(*ends[2:])], axis=1)
    np.testing.assert_allclose(cost, expected, rtol=1e-12)
    assert (np.stack([ends[0], ends[2]], axis=1) > 1.001 * expected).any()


def test_a_user_without_a_slot_gets_its_strongest_server():
    """All of six reach server 0 alone, which has three slots."""
    instance = draw_instance(2, 6, 2)
    alone = replace(instance, gain=instance.gain * [1.0, 0.0])
    answer = make_policy("matching").allocate(Observation.of(alone))
    assert answer.server.tolist() == [0] * 6
    assert answer.violations(alone, 0.0) == ()
