"""O7: an answer counts only as `optimal` with small residuals; what the reference refuses."""

import subprocess
import sys
from contextlib import suppress

import numpy as np
import pytest
from mecsim_policies.dashf_reference.pairs import pairs_of
from mecsim_policies.dashf_reference.policy import DashfReference
from mecsim_policies.dashf_reference.resources import Shares, solve_convex
from mecsim_policies.dashf_reference.sdr import relax_dense
from mecsim_policies.dashf_reference.solvers import NoSolution, cvxpy, installed, solve_in_turn

from mecsim.errors import PolicyError
from mecsim.policy import Observation

STOPPED = {"SCS": {"max_iters": 20}, "CLARABEL": {"max_iter": 3}}


@pytest.fixture
def convex(part_2, price_at):
    """Return a function that solves one part 2 with some solvers and options."""
    instance, server, phi, _, start = part_2(2, 5, 2)
    last = Shares(*(start[:, column] for column in range(5)))
    return lambda solvers, **kw: solve_convex(instance, server, phi, price_at(instance), last, solvers, **kw)


@pytest.mark.parametrize(("name", "status"), [("SCS", "optimal_inaccurate"), ("CLARABEL", "user_limit")])
def test_a_solver_that_stops_early_has_failed(convex, name, status):
    """Statuses other than `optimal` taken for success."""
    with pytest.raises(NoSolution, match=f"{name}: .*{status}"):
        convex((name,), options=STOPPED)


def test_what_was_refused_would_have_been_wrong():
    """The mutant: `optimal_inaccurate` believed. It is far over the budget."""
    cp = cvxpy()
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum(cp.multiply([1.0, 4.0, 900.0], cp.inv_pos(x)))), [cp.sum(x) <= 6])

    def over():
        return float(np.sum(x.value)) - 6.0

    with pytest.raises(NoSolution, match="SCS: optimal_inaccurate"):
        solve_in_turn(problem, ("SCS",), over, 1e-6, STOPPED)
    assert over() > 1e-3
    assert solve_in_turn(problem, ("CLARABEL",), over, 1e-6).status == "CLARABEL optimal"
    root = np.array([1.0, 2.0, 30.0])  # O1: in proportion to the roots
    assert x.value == pytest.approx(6.0 * root / root.sum(), rel=1e-4)


def test_optimal_with_a_large_residual_has_failed():
    """The word `optimal` believed without a look at the constraints."""
    x = cvxpy().Variable()
    problem = cvxpy().Problem(cvxpy().Minimize(x), [x >= 1])
    with pytest.raises(NoSolution, match=r"CLARABEL: optimal, but its residual is 0.3 > 1e-06"):
        solve_in_turn(problem, ("CLARABEL",), lambda: 0.3, 1e-6)
    with pytest.raises(NoSolution, match="residual is nan"):
        solve_in_turn(problem, ("CLARABEL",), lambda: float("nan"), 1e-6)


def test_the_next_solver_is_tried(convex):
    """A failure that ends the search, or one that is kept."""
    shares, value, solved = convex(("SCS", "CLARABEL"), options={"SCS": STOPPED["SCS"]})
    assert solved.status == "CLARABEL optimal"
    assert value == pytest.approx(convex(("CLARABEL",))[1], rel=1e-9)
    assert all((column > 0).all() for column in shares.columns)


def test_solvers_agree(part_2, price_at):
    """One of the solvers given another problem. Where their answers stand, ECOS and CLARABEL agree."""
    agreed = 0
    for seed in range(6):
        instance, server, phi, _, start = part_2(seed, 5, 2)
        last, values = Shares(*(start[:, column] for column in range(5))), []
        for name in installed(("ECOS", "CLARABEL")):
            with suppress(NoSolution):
                values.append(solve_convex(instance, server, phi, price_at(instance), last, (name,))[1])
        assert values == pytest.approx(values[:1] * len(values), rel=1e-6)
        agreed += len(values) == len(installed(("ECOS", "CLARABEL")))
    assert agreed >= 3


def test_a_relaxation_stopped_early_has_failed(snapshot, price_at):
    instance = snapshot(0, 4, 2)
    slots = np.full(2, 2.0)
    pairs = pairs_of(instance, slots, None, np.ones((4, 2), dtype=bool))
    with pytest.raises(NoSolution, match="SCS: optimal_inaccurate; CLARABEL: user_limit"):
        relax_dense(pairs, price_at(instance), slots, options=STOPPED)


def test_no_solver_at_all_still_gives_the_start(snapshot, monkeypatch):
    """A failure of every solver that reaches the caller, or is not told in the trace."""

    def fails(*_, **__):
        raise NoSolution("SCS: infeasible")

    monkeypatch.setattr("mecsim_policies.dashf_reference.policy.relax_dense", fails)
    monkeypatch.setattr("mecsim_policies.dashf_reference.policy.solve_convex", fails)
    instance, policy = snapshot(0, 4, 2), DashfReference()
    answer = policy.allocate(Observation.of(instance))
    assert answer.violations(instance, tolerance=0.0) == ()
    assert {row.status for row in policy.trace} == {"SCS: infeasible"}
    assert policy.iterations == len(policy.trace)


@pytest.mark.parametrize(("solver", "users", "servers"), [("SCS", 60, 5), ("CLARABEL", 30, 4)])
def test_what_is_too_large_is_refused_with_the_reason(snapshot, solver, users, servers):
    with pytest.raises(PolicyError, match=rf"order {users * servers + users + 1}.*{solver}.*use dashf"):
        DashfReference(solver).allocate(Observation.of(snapshot(0, users, servers)))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"solver": "scs"}, "solver = 'scs': must be one of SCS, CLARABEL"),
        ({"solver": "ECOS"}, "must be one of"),
        ({"max_iterations": 0}, "max_iterations = 0: must be a whole number >= 1"),
        ({"max_iterations": True}, "must be a whole number"),
        ({"max_iterations": 2.0}, "must be a whole number"),
    ],
)
def test_parameters_are_checked(parameters, message):
    with pytest.raises(ValueError, match=message):
        DashfReference(**parameters)


def test_cvxpy_is_imported_when_it_is_used():
    code = "import sys, mecsim_policies.dashf_reference.policy; sys.exit('cvxpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


WITHOUT_ECOS = """
import sys
sys.modules["ecos"] = None
import mecsim
from mecsim_policies.dashf_reference.solvers import installed
assert installed(("ECOS", "CLARABEL", "SCS")) == ("CLARABEL", "SCS")
scenario = mecsim.load_scenario("smoke").with_changes({"duration_s": 2, "warmup_s": 0, "users.count": 2})
result = mecsim.simulate(scenario, "dashf_reference", seed=1)
print(*result.manifest["solvers"], len(result.rounds) > 0)
"""


def test_without_ecos_another_solver_decides_and_the_manifest_says_which():
    """Mutants: a policy that needs ECOS; a manifest that does not tell."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_ECOS], capture_output=True, text=True, check=True, timeout=120
    )
    assert set(done.stdout.split()) - {"SCS"} == {"CLARABEL", "True"}


def test_the_solver_that_decided_is_counted(snapshot):
    policy, observation = DashfReference(), Observation.of(snapshot(3, 3, 2))
    policy.allocate(observation)
    once = dict(policy.solvers)
    assert once[installed(("ECOS", "CLARABEL"))[0]] > 0
    policy.allocate(observation)
    assert policy.solvers == {name: 2 * count for name, count in once.items()}


def test_one_answer_to_one_question(snapshot):
    """A solver started from what the last decision left behind."""
    observation, policy = Observation.of(snapshot(3, 4, 2)), DashfReference()
    first = policy.allocate(observation)
    DashfReference().allocate(Observation.of(snapshot(4, 4, 2)))
    second = policy.allocate(observation)
    for one, other in zip(first.columns, second.columns, strict=True):
        assert one.tobytes() == other.tobytes()
