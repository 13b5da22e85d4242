"""What the contract checks share: the systems they use, a policy under test, and exact comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from mecsim.policy import Policy, ScenarioInfo
from mecsim.system.allocation import Allocation
from mecsim.system.instance import Instance

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
        Largest number of users in the checks of pins and permutations.
    """

    order_matters: frozenset[PermutedAxis] = frozenset()
    permutation_rtol: float = 1e-9
    systems: tuple[str, ...] = tuple(SYSTEMS)
    most_users: int = 12

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
    """

    make: Callable[[], Policy]
    traits: Traits = Traits()
    decision_s: dict[str, float] = field(default_factory=dict)

    def fresh(self, instance: Instance, seed: int = 5) -> Policy:
        """Return a new policy after the reset that a run would call."""
        policy = self.make()
        reset(policy, instance, seed)
        return policy


ContractCheck = Callable[[Subject], None]
"""Raises an AssertionError that names the fault of a policy."""


def reset(policy: Policy, instance: Instance, seed: int) -> None:
    """Call the optional ``reset`` as a run does."""
    hook = getattr(policy, "reset", None)
    if hook is not None:
        info = ScenarioInfo("contract", instance.user_count, instance.server_count, 3600.0, 5.0)
        hook(info, np.random.default_rng(seed))


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
