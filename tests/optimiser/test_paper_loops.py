"""The paper's loops by themselves, with arithmetic that is made up, and part 2 of the fast one."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from mecsim_policies.dashf import policy
from mecsim_policies.optim import resources
from mecsim_policies.optim.pairs import Pairs, slots_by_capacity
from mecsim_policies.optim.paper_loops import Association, Met, PaperLoops, Resources
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.rules import equal_split

from mecsim.policy import Observation


@dataclass
class InTurn:
    """Part 1 proposes what it is told, in turn; part 2 changes nothing."""

    instance: object
    servers: list

    def pairs(self, current):
        return Pairs.at_slots(self.instance, slots_by_capacity(self.instance))

    def relax(self, pairs, price, slots):
        self.servers = [*self.servers[1:], self.servers[0]]
        return Association(np.eye(self.instance.server_count)[self.servers[-1]], "made up", 1)

    def fractions(self, pairs, price, server):
        return np.zeros(len(server))

    def resources(self, start, y, *, at_least):
        return Resources(start, "as it was", 0)


def loops(instance, *servers):
    participants = Participants.of(Observation.of(instance))
    return PaperLoops(participants, InTurn(instance, [np.array(server) for server in servers]))


def test_the_best_association_met_is_kept(snapshot):
    """The alternation that flips for ever. Mutant: every association accepted."""
    instance = snapshot(3, 4, 2, like=True)
    proposals = [(0, 0, 1, 1), (1, 1, 0, 0), (0, 1, 0, 1), (1, 0, 1, 0)]
    run = loops(instance, *proposals)
    best = run.dinkelbach(10)
    met = [Met.of(instance, equal_split(instance, np.array(p), 0.0)).scr for p in proposals]
    assert best.scr == pytest.approx(max(met))
    accepted = [row.accepted for row in run.trace if row.part == "association"]
    assert any(accepted)
    assert not all(accepted)
    for y in {row.y for row in run.trace}:
        kept = [row.objective for row in run.trace if row.y == y and row.accepted]
        assert kept == sorted(kept)


def test_y_is_the_scr_reached_and_steps_are_bounded(snapshot):
    instance = snapshot(3, 4, 2, like=True)
    run = loops(instance, (0, 0, 1, 1), (0, 1, 0, 1))
    run.dinkelbach(1)
    assert {row.outer for row in run.trace} == {0}
    first = run.trace[0]
    strongest = equal_split(instance, instance.gain.argmax(axis=1), 0.5)
    assert first.y == pytest.approx(instance.scr(strongest))
    assert all(row.scr >= first.y for row in run.trace if row.accepted and row.part == "resources")


def test_what_a_point_is_worth_is_what_the_model_says(snapshot):
    """Mutants: F of the mean delay; the energy without its weight."""
    instance = snapshot(1, 5, 2)
    allocation = equal_split(instance, np.array([0, 1, 0, 1, 0]), 0.3)
    met, w = Met.of(instance, allocation), instance.weights
    score = float(instance.score(allocation).sum())
    cost = (
        w.delay_per_s * instance.delay(allocation).max() + w.energy_per_j * instance.energy(allocation).sum()
    )
    assert met.scr == pytest.approx(instance.scr(allocation), rel=1e-12)
    assert met.objective(7.0) == pytest.approx(score - 7.0 * cost, rel=1e-12)
    assert met.objective(met.scr) == pytest.approx(0.0, abs=1e-9 * score)


def test_the_same_part_2_is_not_solved_twice(snapshot):
    """What was solved at one y is the start at the next, and its answer is that of a start from nothing."""
    instance = snapshot(2, 6, 2)
    allowed, slots = np.ones_like(instance.gain, dtype=bool), slots_by_capacity(instance)
    start = equal_split(instance, np.array([0, 1, 0, 1, 0, 1]), 0.0)
    fast = policy._Fast(instance, allowed, slots)
    fast.resources(start, 150.0, at_least=-np.inf)
    again = fast.resources(start, 160.0, at_least=-np.inf)
    fresh = policy._Fast(instance, allowed, slots).resources(start, 160.0, at_least=-np.inf)
    assert again.steps < fresh.steps
    values = [Met.of(instance, found.allocation).objective(160.0) for found in (again, fresh)]
    assert values[0] == pytest.approx(values[1], rel=1e-4)
    same = fast.resources(start, 160.0, at_least=-np.inf)
    assert same.steps == 0
    np.testing.assert_array_equal(same.allocation.columns, again.allocation.columns)
    other = fast.resources(replace(start, local_fraction=np.full(6, 1.0)), 160.0, at_least=-np.inf)
    assert other.steps > again.steps


def _to_the_end(solve):
    def without_cutoff(*given, cutoff, **named):
        return solve(*given, **named)

    return without_cutoff


def test_a_lost_association_costs_fewer_steps_and_changes_no_decision(snapshot, monkeypatch):
    """Mutant: given up where the cost reached is too high, without the gap that is left on the path."""
    steps, decisions = {}, {}
    for gives_up in (True, False):
        if not gives_up:
            for name in ("solve", "solve_again"):
                monkeypatch.setattr(policy, name, _to_the_end(getattr(resources, name)))
        dashf = policy.Dashf()
        decisions[gives_up] = [dashf.allocate(Observation.of(snapshot(k, 6, 2))).server for k in range(8)]
        dashf.allocate(Observation.of(snapshot(1, 6, 2)))
        steps[gives_up] = sum(row.newton_steps for row in dashf.trace)
    np.testing.assert_array_equal(decisions[True], decisions[False])
    assert steps[True] < steps[False]


def test_a_later_decision_begins_with_part_2_of_the_allocation_in_force(snapshot):
    """Mutant: an allocation in force whose association is given up though no other one is better."""
    before, now = snapshot(1, 6, 2), snapshot(2, 6, 2)
    dashf = policy.Dashf()
    in_force = dashf.allocate(Observation.of(before))
    later = dashf.allocate(Observation.of(now, allocation=in_force))
    assert dashf.trace[0].part == "resources"
    alone = policy._Fast(now, np.ones((6, 2), dtype=bool), slots_by_capacity(now))
    y = now.scr(in_force)
    kept = alone.resources(in_force, y, at_least=-np.inf).allocation
    assert now.scr(later) >= now.scr(kept) * (1 - 1e-6)


def test_an_allocation_in_force_that_does_not_fit_any_more_is_not_kept(snapshot):
    """Mutant: an allocation in force returned for its SCR alone, after servers lost most of their budgets."""
    instance = snapshot(1, 6, 2)
    in_force = policy.Dashf().allocate(Observation.of(instance))
    servers = instance.servers
    less = replace(
        servers, bandwidth_hz=0.3 * servers.bandwidth_hz, max_gpu_flops=0.3 * servers.max_gpu_flops
    )
    poorer = replace(instance, servers=less)
    later = policy.Dashf().allocate(Observation.of(poorer, allocation=in_force))
    assert not later.violations(poorer)
