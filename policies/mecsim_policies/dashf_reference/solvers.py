"""Conic solvers for the reference, tried in turn; a solution is accepted only if its residual is small."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from mecsim.errors import PolicyError

# ECOS is optional: an extra, for its licence and for the platforms that it has wheels for.
SOLVERS: dict[str, dict[str, Any]] = {"CLARABEL": {"max_threads": 1}, "ECOS": {}, "SCS": {}}


class NoSolution(PolicyError):
    """Every solver has failed; the message says how each one did."""


class Solved(NamedTuple):
    """Result of the solver that succeeded: name and status, iterations, and the residual that we computed."""

    status: str
    iterations: int
    residual: float

    @property
    def solver(self) -> str:
        """Name of the solver."""
        return self.status.split()[0]


def cvxpy() -> Any:
    """Return cvxpy, imported on first use; as Any, for much of it has no types."""
    return importlib.import_module("cvxpy")


def installed(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the solvers that are installed, in the same order."""
    present = cvxpy().installed_solvers()
    return tuple(name for name in names if name in present)


def solve_in_turn(
    problem: Any,
    solvers: tuple[str, ...],
    residual: Callable[[], float],
    tolerance: float,
    options: dict[str, dict[str, Any]] | None = None,
) -> Solved:
    """Solve a cvxpy problem by the first solver whose solution is accepted.

    Parameters
    ----------
    problem : cvxpy.Problem
    solvers : tuple of str
        Which to try, in order.
    residual : callable
        The largest violation of the constraints by the values now in the variables.
    tolerance : float
        The largest residual to accept.
    options : dict, optional
        Further options of single solvers.

    Raises
    ------
    NoSolution
        If every solver stops with another status than ``optimal``, or with a residual too large.
    """
    failures = []
    for name in solvers:
        given = SOLVERS[name] | (options or {}).get(name, {})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what cvxpy warns of is in the status
                # A warm start would answer by what was asked before, down to the options.
                problem.solve(solver=name, warm_start=False, **given)
        except (cvxpy().SolverError, ArithmeticError, ValueError) as error:
            failures.append(f"{name}: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
            continue
        # Of cvxpy's statuses only this one is a success: `optimal_inaccurate` has been far off.
        if problem.status != "optimal":
            failures.append(f"{name}: {problem.status}")
            continue
        worst = residual()
        if not worst <= tolerance:
            failures.append(f"{name}: optimal, but its residual is {worst:.2g} > {tolerance:g}")
            continue
        return Solved(f"{name} optimal", int(problem.solver_stats.num_iters or 0), worst)
    raise NoSolution("; ".join(failures) or "no solver is installed")
