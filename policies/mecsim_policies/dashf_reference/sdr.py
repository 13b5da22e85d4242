"""The reference's part 1: the semidefinite relaxation with one dense matrix, and phi by an LP."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from mecsim.errors import PolicyError
from mecsim.system.arrays import Floats, Ints
from mecsim_policies.dashf_reference.solvers import Solved, cvxpy, solve_in_turn
from mecsim_policies.optim.association import Relaxed
from mecsim_policies.optim.pairs import Pairs
from mecsim_policies.optim.price import Price

_TOLERANCE = 1e-3
_LONGEST = 1e3
# Beyond these one relaxation takes minutes.
LARGEST_ORDER = {"SCS": 310, "CLARABEL": 100}


def order_of(users: int, servers: int) -> int:
    """Return the order of the lifted matrix of z = (1, phi, x)."""
    return users * servers + users + 1


def refuse_if_too_large(users: int, servers: int, solver: str) -> None:
    """Raise PolicyError, with an estimate of the cost, if the dense matrix is out of reach."""
    order, largest = order_of(users, servers), LARGEST_ORDER[solver]
    if order <= largest:
        return
    entries = order * (order + 1) // 2
    # As measured: CLARABEL factors a dense matrix of the order of `entries`, SCS decomposes S itself.
    if solver == "CLARABEL":
        cost = f"{4.0 * entries**2 / 1e9:.2g} GB for a factor and about {2e-10 * entries**3:.2g} s"
    else:
        cost = f"about {3e-6 * order**3:.2g} s"
    raise PolicyError(
        f"dashf_reference: {users} users and {servers} servers need a dense matrix of order {order} "
        f"(N M + N + 1), {cost} for each of several relaxations by {solver}, which is let do {largest}; "
        f"use dashf"
    )


@dataclass(frozen=True, eq=False, slots=True)
class DenseProblem:
    """The compiled problem of one shape: cvxpy's problem, its parameters, and the variables S and T."""

    problem: Any
    matrix: Any
    longest: Any
    parameters: dict[str, Any]
    phi: Ints
    x: Ints

    @classmethod
    def of(cls, users: int, servers: int) -> DenseProblem:
        """Write the SDR of docs/model.md section 6 down; the constants are parameters."""
        cp = cvxpy()
        order = order_of(users, servers)
        phi = 1 + np.arange(users)
        x = 1 + users + np.arange(users * servers).reshape(users, servers)
        shape = (users, servers)
        p = {name: cp.Parameter(shape) for name in ("cost_x", "cost_phi_x", "delay_0", "delay_1_less_0")}
        p |= {"allowed": cp.Parameter(shape, nonneg=True), "slots": cp.Parameter(servers, nonneg=True)}
        p["per_longest"] = cp.Parameter(nonneg=True)

        S = cp.Variable((order, order), PSD=True)
        T = cp.Variable()
        X = cp.reshape(S[0, x.ravel()], shape, order="C")
        phi_X = cp.reshape(S[np.repeat(phi, servers), x.ravel()], shape, order="C")
        delay = cp.sum(cp.multiply(p["delay_0"], X) + cp.multiply(p["delay_1_less_0"], phi_X), axis=1)
        problem = cp.Problem(
            cp.Minimize(
                cp.sum(cp.multiply(p["cost_x"], X) + cp.multiply(p["cost_phi_x"], phi_X))
                + p["per_longest"] * T
            ),
            [
                S[0, 0] == 1,
                S[x.ravel(), x.ravel()] == S[0, x.ravel()],
                S[phi, phi] <= S[0, phi],
                cp.sum(X, axis=1) == 1,
                delay <= T,
                cp.sum(X, axis=0) <= p["slots"],
                p["allowed"] >= X,
            ],
        )
        assert problem.is_dpp()
        return cls(problem, S, T, p, phi, x)

    def residual(self) -> float:
        """Return the largest violation, the most negative eigenvalue of S included."""
        S = self.matrix.value
        if S is None or not np.isfinite(S).all():
            return np.inf
        rows = max(float(np.max(c.violation())) for c in self.problem.constraints)
        return max(rows, -float(np.linalg.eigvalsh((S + S.T) / 2.0)[0]))


@lru_cache(maxsize=4)
def _compiled(users: int, servers: int) -> DenseProblem:
    return DenseProblem.of(users, servers)


def relax_dense(
    pairs: Pairs,
    price: Price,
    slots: Floats,
    solvers: tuple[str, ...] = ("SCS", "CLARABEL"),
    *,
    tolerance: float = _TOLERANCE,
    options: dict[str, dict[str, Any]] | None = None,
) -> tuple[Relaxed, Solved]:
    """Solve the SDR of part 1 with one matrix of order N M + N + 1.

    Parameters
    ----------
    pairs : Pairs
        Constants; infinite ones mark pairs that are not allowed, which get x = 0.
    price : Price
    slots : (M,) float
        At most this many users a server.
    solvers, tolerance, options
        As for :func:`mecsim_policies.dashf_reference.solvers.solve_in_turn`.

    Raises
    ------
    NoSolution
        If no solver succeeds.
    """
    users, servers = pairs.score.shape
    dense = _compiled(users, servers)
    pairs, price = pairs.folded(price)
    finite = np.isfinite(pairs.delay_0_s + pairs.delay_1_s + pairs.energy_0_j + pairs.energy_1_j)
    delay_0_s, delay_1_s, energy_0_j, energy_1_j = (
        np.where(finite, values, 0.0)
        for values in (pairs.delay_0_s, pairs.delay_1_s, pairs.energy_0_j, pairs.energy_1_j)
    )
    shortest_s = np.where(finite, np.minimum(delay_0_s, delay_1_s), np.inf).min(axis=1)
    scale_s = float(shortest_s[np.isfinite(shortest_s)].max(initial=0.0)) or 1.0
    # Delays with next to no resources are huge: no optimum has them, and solvers lack the digits.
    delay_0_s, delay_1_s = (np.minimum(each, _LONGEST * scale_s) for each in (delay_0_s, delay_1_s))
    cost_x = price.per_j * energy_0_j - np.where(finite, pairs.score, 0.0)
    cost_phi_x = price.per_j * (energy_1_j - energy_0_j)
    per_longest = price.per_s * scale_s
    unit = max(float(np.abs(cost_x).max()), float(np.abs(cost_phi_x).max()), per_longest) or 1.0
    for name, value in (
        ("cost_x", cost_x / unit),
        ("cost_phi_x", cost_phi_x / unit),
        ("per_longest", per_longest / unit),
        ("delay_0", delay_0_s / scale_s),
        ("delay_1_less_0", (delay_1_s - delay_0_s) / scale_s),
        ("allowed", finite.astype(np.float64)),
        ("slots", slots),
    ):
        dense.parameters[name].value = value
    solved = solve_in_turn(dense.problem, solvers, dense.residual, tolerance, options)
    S = dense.matrix.value
    relaxed = Relaxed(S[0, dense.x], S[0, dense.phi], -unit * float(dense.problem.value), solved.status)
    return relaxed, solved


def fractions(pairs: Pairs, price: Price, server: Ints) -> Floats:
    """Return the best phi for an association by a linear program, a mixed one where the ends have charges."""
    return (fractions_by_lp if pairs.inside is None else fractions_by_milp)(*pairs.folded(price), server)


def fractions_by_milp(pairs: Pairs, price: Price, server: Ints) -> Floats:
    """Return the same where each user is at an end of phi or between them, with charges: one binary for each.

    Raises
    ------
    PolicyError
        If HiGHS does not call its answer optimal.
    """
    users, rows = len(server), np.arange(len(server))
    assert pairs.inside is not None, "the caller has looked"
    ends = (pairs.delay_0_s, pairs.delay_1_s, pairs.energy_0_j, pairs.energy_1_j)
    end_0_s, end_1_s, end_0_j, end_1_j = (each[rows, server] for each in ends)
    in_0_s, in_1_s, in_0_j, in_1_j = (each[rows, server] for each in pairs.inside)
    finite = np.isfinite(in_0_s + in_1_s + in_0_j + in_1_j)
    delays = [np.where(np.isfinite(each), each, 0.0) for each in (end_0_s, end_1_s, in_0_s, in_1_s - in_0_s)]
    joules = [np.where(np.isfinite(each), each, 0.0) for each in (end_0_j, end_1_j, in_0_j, in_1_j - in_0_j)]
    scale_s = max(float(each.max()) for each in delays) or 1.0
    cost = np.append(price.per_j * np.concatenate(joules), price.per_s * scale_s)
    unit = float(np.abs(cost).max()) or 1.0
    eye, none = np.eye(users), np.zeros((users, users))
    late = np.hstack([*(np.diag(each / scale_s) for each in delays), np.full((users, 1), -1.0)])
    one = np.hstack([eye, eye, eye, none, np.zeros((users, 1))])
    moved = np.hstack([none, none, -eye, eye, np.zeros((users, 1))])
    allowed = np.concatenate([np.isfinite(end_0_s), np.isfinite(end_1_s), finite, finite]).astype(np.float64)
    answer = milp(
        cost / unit,
        constraints=[
            LinearConstraint(late, -np.inf, 0.0),
            LinearConstraint(one, 1.0, 1.0),
            LinearConstraint(moved, -np.inf, 0.0),
        ],
        integrality=np.concatenate([np.ones(3 * users), np.zeros(users + 1)]),
        bounds=Bounds(0.0, np.append(allowed, np.inf)),
        options={"mip_rel_gap": 1e-9},
    )
    if answer.status != 0 or answer.x is None:
        raise PolicyError(f"dashf_reference: the mixed linear program for phi: {answer.message}")
    _, at_1, _, part = answer.x[:-1].reshape(4, users)
    return np.clip(np.rint(at_1) + part, 0.0, 1.0)


def fractions_by_lp(pairs: Pairs, price: Price, server: Ints) -> Floats:
    """Return phi of least ``per_s T + per_j sum E`` for an association: the linear program as it stands.

    Raises
    ------
    PolicyError
        If HiGHS does not call its answer optimal.
    """
    users = len(server)
    rows = np.arange(users)
    delay_0_s, delay_1_s = pairs.delay_0_s[rows, server], pairs.delay_1_s[rows, server]
    change_j = pairs.energy_1_j[rows, server] - pairs.energy_0_j[rows, server]
    scale_s = max(float(delay_0_s.max()), float(delay_1_s.max())) or 1.0
    cost = np.append(price.per_j * change_j, price.per_s * scale_s)
    unit = float(np.abs(cost).max()) or 1.0
    answer = linprog(
        cost / unit,
        A_ub=np.hstack([np.diag((delay_1_s - delay_0_s) / scale_s), np.full((users, 1), -1.0)]),
        b_ub=-delay_0_s / scale_s,
        bounds=[(0.0, 1.0)] * users + [(0.0, None)],
        method="highs",
    )
    if answer.status != 0 or answer.x is None:
        raise PolicyError(f"dashf_reference: the linear program for phi: {answer.message}")
    fractions: Floats = np.clip(answer.x[:-1], 0.0, 1.0)
    return fractions
