"""The contract kit: whether a policy keeps what every policy promises.

>>> from mecsim.testing import check_policy
>>> print(check_policy("gucaa", traits=Traits(order_matters=frozenset({"users"}))))
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from mecsim.errors import PolicyNotFound
from mecsim.messages import nearest
from mecsim.policy import Policy
from mecsim.registry import make_policy
from mecsim.testing.predictions import predicted_scr
from mecsim.testing.promises import PROMISES, Subject, Traits

if TYPE_CHECKING:
    import pytest

PROMISES["predicted SCR"] = predicted_scr

Given: TypeAlias = str | Policy | Callable[[], Policy]
"""A policy as people have it: a name, ``file.py:Class``, an object, or what makes one."""


@dataclass(frozen=True, slots=True)
class ContractReport:
    """What came of the promises.

    Parameters
    ----------
    policy : str
        What the policy is called.
    kept : tuple of str
        The promises it keeps.
    broken : dict
        The others, each with the fault.
    decision_s : dict
        Processor time of one decision by system, in s.
    seconds : float
        Time that the whole took.
    """

    policy: str
    kept: tuple[str, ...]
    broken: dict[str, str]
    decision_s: dict[str, float]
    seconds: float

    def __str__(self) -> str:
        lines = [f"policy {self.policy}: {len(self.kept)} promises kept, {len(self.broken)} broken"]
        lines += [f"  broken: {name}: {fault}" for name, fault in self.broken.items()]
        times = (f"{name} {1e3 * seconds:.3g} ms" for name, seconds in self.decision_s.items())
        return "\n".join([*lines, f"  one decision: {', '.join(times) or 'not measured'}"])


def examine_policy(
    policy: Given, *, traits: Traits | None = None, promises: Iterable[str] = tuple(PROMISES)
) -> ContractReport:
    """Try the promises and return what came of them; the parameters are those of :func:`check_policy`."""
    subject = _subject(policy, traits)
    began, kept, broken = time.perf_counter(), list[str](), dict[str, str]()
    for name in promises:
        fault = _fault(name, subject)
        if fault:
            broken[name] = fault
        else:
            kept.append(name)
    spent_s = time.perf_counter() - began
    return ContractReport(_name(policy), tuple(kept), broken, subject.decision_s, spent_s)


def check_policy(
    policy: Given, *, traits: Traits | None = None, promises: Iterable[str] = tuple(PROMISES)
) -> ContractReport:
    """Return the report of a policy that keeps its promises.

    Parameters
    ----------
    policy : str, Policy or callable
        A registered name, ``package.module:Class`` or ``file.py:Class`` with parameters behind a colon;
        an object, of which copies are tried; or a class or function that makes one.
    traits : Traits, optional
        What it does not promise.
    promises : iterable of str
        Which of :data:`~mecsim.testing.promises.PROMISES` to try; all by default.

    Raises
    ------
    AssertionError
        Naming every promise that is broken, each with the fault.
    PolicyNotFound
        If there is no such policy.
    """
    report = examine_policy(policy, traits=traits, promises=promises)
    if report.broken:
        raise AssertionError(str(report))
    return report


def parametrize_with_promises(policies: Iterable[str] | Mapping[str, Traits]) -> pytest.MarkDecorator:
    """Return a pytest decorator that gives a test an argument ``promise``, for every policy and promise.

    >>> @parametrize_with_promises(["my_package.mine:Mine"])
    ... def test_my_policy_keeps(promise):
    ...     promise()
    """
    import pytest

    traits = policies if isinstance(policies, Mapping) else dict.fromkeys(policies)
    cases = [
        pytest.param(_Case(policy, name, given), id=f"{policy}-{name}")
        for policy, given in traits.items()
        for name in PROMISES
    ]
    return pytest.mark.parametrize("promise", cases)


@dataclass(frozen=True, slots=True)
class _Case:
    policy: str
    promise: str
    traits: Traits | None

    def __call__(self) -> None:
        check_policy(self.policy, traits=self.traits, promises=[self.promise])


def _subject(policy: Given, traits: Traits | None) -> Subject:
    if isinstance(policy, str):
        make_policy(policy)
        return Subject(lambda: make_policy(policy), traits or Traits())
    if callable(getattr(policy, "allocate", None)) and not isinstance(policy, type):
        given: Any = policy
        return Subject(lambda: deepcopy(given), traits or Traits())
    if not callable(policy):
        raise PolicyNotFound(f"policy {policy!r} has no method allocate(observation)")
    made: Any = policy
    if not callable(getattr(made(), "allocate", None)):
        raise PolicyNotFound(f"policy {_name(policy)}: what it makes has no method allocate(observation)")
    return Subject(made, traits or Traits())


def _fault(name: str, subject: Subject) -> str:
    """Return how a promise is broken, or an empty text."""
    if name not in PROMISES:
        raise PolicyNotFound(f"no promise is called '{name}'{nearest(name, PROMISES)}")
    try:
        PROMISES[name](subject)
    except AssertionError as error:
        return str(error) or "an assertion of the policy's own failed"
    except Exception as error:  # noqa: BLE001 - whatever a policy raises is the fault to name
        return f"raised {type(error).__name__}: {error}"
    return ""


def _name(policy: Given) -> str:
    if isinstance(policy, str):
        return policy
    return getattr(policy, "__name__", type(policy).__name__)
