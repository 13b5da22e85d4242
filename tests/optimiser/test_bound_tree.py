"""Branch and bound: docs/verification.md B6, and the policy on top of it."""

from dataclasses import replace

import numpy as np
import pytest
from mecsim_policies.bound import tree
from mecsim_policies.bound.cells import Cell, all_cells, branch, ends_of, within_budgets
from mecsim_policies.bound.tree import branch_and_bound
from mecsim_policies.certified import Certified
from mecsim_policies.exhaustive import Exhaustive
from mecsim_policies.optim.descents import search
from mecsim_policies.optim.participants import Participants
from mecsim_policies.optim.point import Point
from mecsim_policies.optim.rules import equal_split
from mecsim_policies.optim.shares import ShareProblem

from mecsim.errors import PolicyError
from mecsim.policy import Observation


def test_b6_it_agrees_with_exhaustive_search(snapshot):
    """The allocation is as good as it says. Bounds too low are noticed below, where gaps are small."""
    instance = snapshot(2, 3, 2)
    policy = Certified(within=0.01, max_nodes=3)
    scr = instance.scr(policy.allocate(Observation.of(instance)))
    best = instance.scr(Exhaustive().allocate(Observation.of(instance)))
    assert policy.predicted_scr == pytest.approx(scr, rel=1e-9)
    assert best * (1.0 - 1e-5) <= policy.upper_bound
    assert scr >= best * (1.0 - 0.01)
    assert policy.iterations <= 3


def test_b6_a_poor_start_gives_no_lower_bound(snapshot, monkeypatch):
    """Mutants: bounds of nodes a per cent too low, which a good start hides; open nodes left out."""
    instance = snapshot(3, 2, 2)
    best = instance.scr(Exhaustive().allocate(Observation.of(instance)))
    allocation = equal_split(instance, np.zeros(2, dtype=int), 0.5)
    problem = ShareProblem.of(instance, allocation.server)
    poor = Point.of(instance, problem, problem.of_allocation(instance, allocation))
    monkeypatch.setattr(tree._Tree, "_round", lambda *nothing_better: None)
    allowed = np.ones((2, 2), dtype=bool)
    solved = branch_and_bound(instance, poor, within=1e-4, max_nodes=12, allowed=allowed)
    assert solved.point.scr < 0.6 * best
    assert best <= solved.scr_upper < 1.001 * best


@pytest.mark.parametrize("case", [
    (12, 5, 2, "capped", "cubic", "paper", False),
    (14, 2, 1, "capped", "lowest speeds", "split", False),
], ids=lambda case: "-".join(map(str, case)))  # fmt: skip
def test_b6_no_association_beats_two_nodes(with_laws, case):
    """Mutant: a result of the tree that is a per cent too low."""
    instance = with_laws(*case)
    policy = Certified(within=1e-4, max_nodes=2)
    scr = instance.scr(policy.allocate(Observation.of(instance)))
    best = instance.scr(Exhaustive().allocate(Observation.of(instance)))
    assert max(scr, best) <= policy.upper_bound
    assert 0.99 * policy.upper_bound < best


def test_nodes_lower_the_bound_and_time_may_end_it(snapshot):
    instance = snapshot(2, 3, 2)
    participants = Participants.of(Observation.of(instance))
    point = search(participants, 1, 8).point
    given = {"within": 1e-6, "allowed": participants.allowed}
    root = branch_and_bound(instance, point, max_nodes=1, **given)
    more = branch_and_bound(instance, point, max_nodes=8, **given)
    stopped = branch_and_bound(instance, point, max_nodes=8, stop=lambda: True, **given)
    assert point.scr <= more.scr_upper < root.scr_upper
    assert (root.nodes, root.within) == (1, False)
    assert stopped.scr_upper == root.scr_upper


def test_cells_cover_what_users_may_do(with_laws):
    instance = with_laws(1, 3, 2, "ideal", "cubic", "peft", True)
    allowed = np.array([[True, False], [True, True], [True, True]])
    cells = all_cells(instance, allowed)
    assert [cell for cell in cells if cell.user == 0] == [
        Cell(0, 0, 0.0, 0.0, False),
        Cell(0, 0, 0.6, 0.6, False),
        Cell(0, 0, 0.0, 0.6, True),
    ]
    assert [cell for cell in cells if cell.user == 2] == [Cell(2, m, 0.0, 0.0, False) for m in (0, 1)]
    ends, of_cell = ends_of(cells)
    assert set(of_cell) == set(range(len(cells)))
    assert (np.diff(ends.user) >= 0).all()
    assert (ends.phi <= instance.users.local_fraction_max[ends.user]).all()


def test_a_cell_without_any_weight_is_cut_at_a_number():
    """Mutant: 0 / 0. Cells with phi = NaN are dropped, and the bound is too low."""
    cells = [Cell(0, 0, 0.0, 1.0, False), Cell(1, 0, 0.2, 0.4, True)]
    ends, of_cell = ends_of(cells)
    nothing = np.zeros(len(of_cell))
    weight = np.where(of_cell == 1, 1.0, 0.0) * (ends.phi == 0.2) * ~ends.whole
    for weights in (nothing, weight):
        children = branch(cells, of_cell, ends, weights, nothing).children
        assert len(children) == 2
        assert np.isfinite([value for child in children for cell in child for value in cell]).all()


def test_users_leave_power_to_each_other():
    """Mutants: a user's own power, or that of another server, is taken from what is left to it."""
    given = [Cell(0, 0, 0.0, 1.0, False, 0.7), Cell(1, 0, 0.0, 1.0, False), Cell(2, 1, 0.0, 1.0, False)]
    assert [cell.most_power for cell in within_budgets(given)] == pytest.approx([1.0, 0.3, 1.0])
    assert [cell.user for cell in within_budgets([given[0], given[1]._replace(least_power=0.4)])] == []


def test_the_policy_says_what_it_cannot_do(snapshot):
    with pytest.raises(PolicyError, match="certified: 13 users; the limit is max_users = 12"):
        Certified().allocate(Observation.of(snapshot(1, 13, 2)))
    for wrong in (0, 1, True):
        with pytest.raises(ValueError, match=r"within = .*: must be a number between 0 and 1"):
            Certified(within=wrong)
    policy, instance = Certified(), replace(snapshot(1, 2, 2), ergodic=True)
    assert policy.allocate(Observation.of(instance)).violations(instance, 0.0) == ()
    assert np.isnan(policy.upper_bound)
