"""The contract kit: checks that every policy must pass, whoever wrote it.

>>> from mecsim.testing import check_policy
>>> print(check_policy("gucaa", traits=Traits(order_matters=frozenset({"users"}))))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mecsim.errors import PolicyNotFound
from mecsim.foreign_code import Interrupts, described, text_of
from mecsim.messages import nearest
from mecsim.policy import Policy
from mecsim.registry import make_policy
from mecsim.testing.contract_checks import (
    feasibility,
    permutation,
    prediction,
    repeatability,
    whole_run,
)
from mecsim.testing.contract_checks.alarm import in_time
from mecsim.testing.contract_checks.subject import ContractCheck, Subject, Traits

if TYPE_CHECKING:
    import pytest

PolicyLike: TypeAlias = str | Policy | Callable[[], Policy]
"""A name, ``file.py:Class``, an object, or a function or class that returns one."""

CONTRACT_CHECKS: dict[str, ContractCheck] = {
    # The first, in processes of its own: what ends or blocks its process is not called here.
    "short run": whole_run.short_run,
    "same run twice": whole_run.same_run_twice,
    "leaves nothing behind": whole_run.leaves_nothing_behind,
    "types and budgets": feasibility.types_and_budgets,
    "without a reset": feasibility.without_reset,
    "zero gains": feasibility.zero_gains,
    "middle of rounds": feasibility.middle_of_rounds,
    "pinned users": feasibility.pinned_users,
    "repeated observation": repeatability.repeated_observation,
    "determinism": repeatability.determinism,
    "global generators": repeatability.global_generators,
    "reset": repeatability.cleared_by_reset,
    "pickling": repeatability.pickling,
    "permutation of users": permutation.permutation_of_users,
    "permutation of servers": permutation.permutation_of_servers,
    "predicted scr": prediction.predicted_scr,
}


_APART = ("short run", "same run twice", "leaves nothing behind")
_LONGEST_FAULT = 1000


@dataclass(frozen=True, slots=True)
class ContractReport:
    """Outcome of the contract checks of one policy.

    Parameters
    ----------
    policy : str
        Name of the policy.
    passed : tuple of str
        The checks that it passes.
    failed : dict
        The checks that it fails, each with the fault.
    decision_s : dict
        CPU time of one decision in s by system.
    seconds : float
        Wall time of all checks in s.
    """

    policy: str
    passed: tuple[str, ...]
    failed: dict[str, str]
    decision_s: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        lines = [f"policy {self.policy}: {len(self.passed)} checks passed, {len(self.failed)} failed"]
        lines += [f"  failed: {name}: {fault}" for name, fault in self.failed.items()]
        times = (f"{name} {1e3 * seconds:.3g} ms" for name, seconds in self.decision_s.items())
        return "\n".join([*lines, f"  one decision: {', '.join(times) or 'not measured'}"])


def examine_policy(
    policy: PolicyLike, *, traits: Traits | None = None, checks: Iterable[str] = tuple(CONTRACT_CHECKS)
) -> ContractReport:
    """Return the report of any policy; the parameters are those of :func:`check_policy`.

    A policy that ends or blocks its process in the short run is asked nothing more.
    """
    subject = _subject(policy, traits)
    began, passed, failed = time.perf_counter(), list[str](), dict[str, str]()
    for name in checks:
        fault = _fault(name, subject)
        if fault:
            failed[name] = fault
        else:
            passed.append(name)
        if name in _APART and subject.short_runs[0].is_dangerous:
            break  # it would end or block this process too
    spent_s = time.perf_counter() - began
    return ContractReport(_name(policy), tuple(passed), failed, subject.decision_s, spent_s)


def check_policy(
    policy: PolicyLike, *, traits: Traits | None = None, checks: Iterable[str] = tuple(CONTRACT_CHECKS)
) -> ContractReport:
    """Return the report of a policy that passes its contract checks.

    Parameters
    ----------
    policy : str, Policy or callable
        A registered name, ``package.module:Class`` or ``file.py:Class`` with parameters behind a colon;
        an object, of which copies are checked; or a class or function that returns one.
    traits : Traits, optional
        Exemptions of the policy.
    checks : iterable of str
        Names from :data:`CONTRACT_CHECKS`; all by default.

    Raises
    ------
    AssertionError
        If a check fails; the message names every failed check and its fault.
    PolicyNotFound
        If there is no such policy.
    """
    report = examine_policy(policy, traits=traits, checks=checks)
    if report.failed:
        raise AssertionError(str(report))
    return report


def parametrize_with_checks(policies: Iterable[str] | Mapping[str, Traits]) -> pytest.MarkDecorator:
    """Return a pytest decorator that runs a test for every policy and check, as argument ``check``.

    >>> @parametrize_with_checks(["my_package.mine:Mine"])
    ... def test_my_policy(check):
    ...     check()
    """
    import pytest

    traits = policies if isinstance(policies, Mapping) else dict.fromkeys(policies)
    cases = [
        pytest.param(_Case(policy, name, given), id=f"{policy}-{name}")
        for policy, given in traits.items()
        for name in CONTRACT_CHECKS
    ]
    return pytest.mark.parametrize("check", cases)


@dataclass(frozen=True, slots=True)
class _Case:
    policy: str
    check: str
    traits: Traits | None

    def __call__(self) -> None:
        check_policy(self.policy, traits=self.traits, checks=[self.check])


def _subject(policy: PolicyLike, traits: Traits | None) -> Subject:
    if isinstance(policy, str):
        make_policy(policy)
        installed_as = "" if ".py" in policy else policy
        return Subject(lambda: make_policy(policy), traits or Traits(), installed_as=installed_as)
    if callable(getattr(policy, "allocate", None)) and not isinstance(policy, type):
        given: Any = policy
        return Subject(lambda: deepcopy(given), traits or Traits())
    if not callable(policy):
        raise PolicyNotFound(f"policy {policy!r} has no method allocate(observation)")
    made: Any = policy
    if not callable(getattr(made(), "allocate", None)):
        raise PolicyNotFound(
            f"policy {_name(policy)}: the object it returns has no method allocate(observation)"
        )
    return Subject(made, traits or Traits())


def _fault(name: str, subject: Subject) -> str:
    """Return the fault that a check finds, or an empty string."""
    if name not in CONTRACT_CHECKS:
        raise PolicyNotFound(f"no contract check is called '{name}'{nearest(name, CONTRACT_CHECKS)}")
    interrupts = Interrupts()
    try:
        with interrupts, nullcontext() if name in _APART else in_time(10 * subject.traits.decision_limit_s):
            CONTRACT_CHECKS[name](subject)
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        if type(error) is AssertionError:
            return text_of(error, _LONGEST_FAULT) or "an assertion in the policy failed"
        return f"raised {described(error)}"
    return ""


def _name(policy: PolicyLike) -> str:
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", type(policy).__name__)
