"""What the contract checks share: the systems they use, a policy under test, and exact comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from mecsim.engine.policy_caller import PolicyCaller
from mecsim.errors import PolicyFailed
from mecsim.foreign_code import described, type_name
from mecsim.policy import Observation, Policy, ScenarioInfo
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance
from mecsim.testing.contract_checks.short_run import ShortRun, two_runs, two_runs_of_installed

SYSTEMS: dict[str, dict[str, Any]] = {
    "like the paper": {"users": 10, "servers": 2},
    "one user": {"users": 1, "servers": 3},
    "one server": {"users": 7, "servers": 1},
    "one of each": {"users": 1, "servers": 1},
    "more servers than users": {"users": 3, "servers": 8},
    "many users": {"users": 60, "servers": 5},
    "hopeless channels": {"users": 6, "servers": 3, "gain_decades": (-40, -30)},
    "gains of a laboratory": {"users": 6, "servers": 3, "gain_decades": (-3, 3)},
    "gains of every size": {"users": 6, "servers": 3, "gain_decades": (-30, 0)},
    "tiny budgets": {"users": 6, "servers": 3, "scale": 1e-9},
    "huge budgets": {"users": 6, "servers": 3, "scale": 1e9},
}
# Enough where a check concerns the behaviour of a policy and not its arithmetic.
FEW = ("like the paper", "one of each", "tiny budgets")
PermutedAxis = Literal["users", "servers"]


@dataclass(frozen=True, slots=True)
class Traits:
    """Exemptions of a policy from the contract.

    Parameters
    ----------
    order_matters : set of "users", "servers"
        The decision depends on the order of these, for instance because users take turns. The check
        fails if it never does.
    permutation_rtol : float
        Relative tolerance of a permuted decision. From 1e-6 on only its SCR is compared, for searches
        in which the last bits of the compared values decide between equally good allocations.
    systems : tuple of str, optional
        The :data:`SYSTEMS` that the policy is checked on; all by default. Slow policies name small ones.
    most_users : int
        Largest number of users in the checks of pins, zero gains, permutations, reset and pickling.
    decision_limit_s : float
        Wall-clock time in s after which a decision of the short run is ended; any other check may take
        ten times as long.
    """

    order_matters: frozenset[PermutedAxis] = frozenset()
    permutation_rtol: float = 1e-9
    systems: tuple[str, ...] = tuple(SYSTEMS)
    most_users: int = 12
    decision_limit_s: float = 60.0

    def select_systems(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the named systems that the policy is checked on."""
        return tuple(name for name in names if name in self.systems)


@dataclass(frozen=True)
class Subject:
    """A policy under test.

    Parameters
    ----------
    make : callable
        Returns a new policy.
    traits : Traits
        Its exemptions.
    decision_s : dict
        CPU time of one decision in s by system; the check of types and budgets fills it.
    installed_as : str
        Its spec, if its code is installed and cannot change meanwhile.
    """

    make: Callable[[], Policy]
    traits: Traits = Traits()
    decision_s: dict[str, float] = field(default_factory=dict)
    installed_as: str = ""

    @cached_property
    def short_runs(self) -> tuple[ShortRun, ShortRun]:
        """Two runs in processes of their own."""
        if self.installed_as:
            return two_runs_of_installed(self.installed_as, self.traits.decision_limit_s)
        return two_runs(self.make, self.traits.decision_limit_s)

    def fresh(self, instance: Instance, seed: int = 5) -> Policy:
        """Return a new policy after the reset that a run would call."""
        policy = self.make()
        reset(policy, instance, seed)
        return policy


ContractCheck = Callable[[Subject], None]
"""Raises an AssertionError that names the fault of a policy."""


def reset(policy: Policy, instance: Instance, seed: int) -> None:
    """Call the optional ``reset`` as a run does."""
    caller = caller_of(policy)
    info = ScenarioInfo("contract", instance.user_count, instance.server_count, 3600.0, 5.0)
    with _faults():
        caller.reset(info, np.random.default_rng(seed))
    caller.put_back_generators()


def decide(policy: Policy, observation: Observation, caller: PolicyCaller | None = None) -> Allocation | None:
    """Return our own copy of a decision, made as a run makes it; what the policy raises is its fault."""
    asked = caller or caller_of(policy)
    with _faults():
        answer = asked.ask(observation)
    asked.put_back_generators()
    require(not answer.problem, answer.problem)
    return answer.allocation


def caller_of(policy: Policy) -> PolicyCaller:
    """Return what calls a policy as a run does."""
    return PolicyCaller(policy, type_name(policy))


@contextmanager
def _faults() -> Iterator[None]:
    """Turn the failure of a policy into its fault, in the words of its own exception."""
    try:
        yield
    except PolicyFailed as error:
        cause = error.__cause__
        raise AssertionError(str(error) if cause is None else described(cause)) from error


def require(holds: bool, fault: str) -> None:
    """Raise an AssertionError with the fault unless the condition holds, also under ``python -O``."""
    if not holds:
        raise AssertionError(fault)


def feasible(answer: object, instance: Instance, where: str) -> Allocation:
    """Return the decision if it is an Allocation of the right types and shapes within all budgets."""
    if not isinstance(answer, Allocation):
        raise AssertionError(f"{where}: returned {type(answer).__name__}, must be an Allocation")
    for entry in fields(answer):
        column, kind = getattr(answer, entry.name), np.int64 if entry.name == "server" else np.float64
        shape = (instance.user_count,)
        require(column.shape == shape, f"{where}: {entry.name} has shape {column.shape}, must be {shape}")
        require(column.dtype == kind, f"{where}: {entry.name} is {column.dtype}, must be {np.dtype(kind)}")
    violations = [str(violation) for violation in answer.violations(instance)]
    require(not violations, f"{where}: " + "; ".join(violations[:3]))
    return answer


def bits(value: object) -> object:
    """Return a comparable value that holds every bit of an allocation, an observation or an instance."""
    if is_dataclass(value) and not isinstance(value, type):
        return {entry.name: bits(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value)


def differing_fields(before: object, after: object, path: str = "observation") -> list[str]:
    """Return the dotted names of the fields in which two results of :func:`bits` differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [name for key in before for name in differing_fields(before[key], after[key], f"{path}.{key}")]
    return [] if before == after else [path]
