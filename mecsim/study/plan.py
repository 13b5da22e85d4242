"""The runs of a study: policies x seeds, each with an identifier made from both."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim.errors import PolicyNotFound
from mecsim.messages import shortened
from mecsim.plugins import require
from mecsim.policy_spec import code_named
from mecsim.policy_spec import split_specs as split_policies
from mecsim.registry import POLICIES, make_policy, parse_policy, policy_version
from mecsim.results.provenance import environment
from mecsim.study.labels import automatic_label, checked_label, folder_name

__all__ = ["PolicyChoice", "Run", "choose_policies", "is_own", "plan", "split_policies"]

if TYPE_CHECKING:
    from typing import TypeAlias

    from mecsim.policy import Policy
    from mecsim.scenario.schema import Scenario

    PolicyLike: TypeAlias = "str | Mapping[str, Any] | Policy | PolicyChoice"

_OWN_MODULES = ("mecsim", "mecsim_policies")
_CODE = ("code_sha256", "python", "packages")


@dataclass(frozen=True, slots=True)
class PolicyChoice:
    """One policy of a study.

    Parameters
    ----------
    target : str
        A registered name, ``package.module:Class`` or ``file.py:Class``.
    parameters : dict
        What it is made with.
    label : str
        What tables and figures call it.
    instance : Policy or None
        A ready-made policy; every run works on a copy of its own.
    folder : str
        Where ``file.py`` is; the present folder if empty.
    """

    target: str
    parameters: dict[str, Any] = field(default_factory=dict)
    label: str = ""
    instance: Policy | None = None
    folder: str = ""

    def __post_init__(self) -> None:
        if self.label:
            checked_label(self.label, self.target)

    @classmethod
    def of(cls, given: PolicyLike, /, **parameters: Any) -> PolicyChoice:
        """Return the choice that a user gave: a spec, ``{name, label, parameters...}``, or an object.

        Raises
        ------
        PolicyNotFound
            If it is none of these.
        """
        if isinstance(given, PolicyChoice):
            return given
        if isinstance(given, Mapping):
            own = dict(given)
            if "name" not in own:
                raise PolicyNotFound(f"policy {shortened(repr(own))}: the key 'name' is missing")
            name = str(own.pop("name"))
            if "label" not in own:
                return cls.of(name, **(own | parameters))
            label = checked_label(own.pop("label"), name)
            target, more = parse_policy(name)
            return cls(target, more | own | parameters, label)
        if isinstance(given, str):
            target, own = parse_policy(given)
            merged = own | parameters
            return cls(target, merged, automatic_label(target.rpartition(":")[2], merged))
        if not callable(getattr(given, "allocate", None)) or isinstance(given, type):
            raise PolicyNotFound(
                f"policy {shortened(repr(given))}: must be a name, a mapping, or an object with "
                "allocate(observation)"
            )
        kind = type(given)
        target = f"{kind.__module__}:{kind.__qualname__}"
        if parameters:
            raise PolicyNotFound(f"policy '{target}' is made already: no parameters can be given with it")
        return cls(target, {}, automatic_label(kind.__name__, {}), given)

    def make(self) -> Policy:
        """Return a new policy object, shared with no other run."""
        if self.instance is not None:
            return deepcopy(self.instance)
        return make_policy(self._place(), **self.parameters)

    @property
    def version(self) -> str:
        """Version of the policy's code, as far as it can be known."""
        if self.instance is not None:
            return "an object made in Python"
        place, inner = self._place(), str(self.parameters.get("policy", ""))
        if ".py" in place + inner:
            return policy_version(place, **self.parameters)
        return _installed_version(place, inner)

    def _place(self) -> str:
        module, _, name = self.target.rpartition(":")
        return f"{Path(self.folder, module)}:{name}" if module.endswith(".py") else self.target


@dataclass(frozen=True)
class Run:
    """One run: everything its tables are a function of, apart from code and versions.

    Parameters
    ----------
    scenario : Scenario
        Any.
    policy : PolicyChoice
        Any.
    seed : int
        Of the world.
    swept : dict
        Values of the keys that a study varies, as it gives them; they are in the scenario too.
    """

    scenario: Scenario
    policy: PolicyChoice
    seed: int
    swept: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @cached_property
    def scenario_sha256(self) -> str:
        """Hash of all values of the scenario."""
        return self.scenario.sha256

    @cached_property
    def run_id(self) -> str:
        """``<scenario>-<policy>-s<seed>-<hash>``; the hash tells apart what the names do not."""
        name, ending = f"{self.scenario.name}-{self.policy.label}", f"-s{self.seed}"
        slug = _slug(name + ending).removesuffix(ending)
        return folder_name(slug, f"{ending[1:]}-{_digest(self._asked())[:8]}")

    @property
    def stored_as(self) -> str:
        """Name of the run's folder in the folder of a study."""
        return self.run_id

    @property
    def identity(self) -> str:
        """Hash of the run's inputs and of the code: policy, mecsim, Python and packages.

        Two runs with one identity give the same tables, unless the policy reads other files or the
        processors differ.
        """
        here = environment()
        code = {name: here[name] for name in _CODE}
        return _digest([*self._asked(), self.policy.version, code])

    def _asked(self) -> list[Any]:
        return [self.scenario_sha256, self.policy.target, self.policy.parameters, self.seed]


def plan(scenario: Scenario, policies: Sequence[PolicyChoice], replications: int, seed: int = 0) -> list[Run]:
    """Return the runs of a paired comparison.

    Replication k has the seed ``seed + k`` under every policy, hence the same world. Runs are
    ordered by replication, so that a study stopped half-way holds complete pairs.
    """
    return [Run(scenario, policy, seed + k) for k in range(replications) for policy in policies]


def choose_policies(
    policies: Iterable[PolicyLike], folder: Path | None = None, *, local_code: bool = True
) -> list[PolicyChoice]:
    """Return the policies of a comparison, each made once to see that it can be.

    With a folder, a policy file is looked for there first, then in the present folder. Labels that
    would be equal get their whole target; the same policy twice is an error. Without ``local_code``
    a policy that is a file is refused, and the file not looked at.

    Raises
    ------
    PolicyNotFound
        Listing every policy that cannot be made.
    """
    asked = list(policies)
    problems = [] if local_code else _unregistered(asked)
    choices = list[PolicyChoice]()
    for given in [] if problems else asked:
        try:
            choice = PolicyChoice.of(given)
            choice = choice if folder is None else _located(choice, folder)
            choice.make()
            choices.append(choice)
        except PolicyNotFound as error:
            problems += error.args
    labels = [choice.label for choice in choices]
    choices = [
        replace(c, label=automatic_label(c.target, c.parameters)) if labels.count(c.label) > 1 else c
        for c in choices
    ]
    labels = [choice.label for choice in choices]
    problems += [
        f"policy '{label}' is given twice" for label in sorted(set(labels)) if labels.count(label) > 1
    ]
    if not choices and not problems:
        problems.append("no policy is given")
    if problems:
        raise PolicyNotFound(*problems)
    return choices


def is_own(policy: Policy) -> bool:
    """Return whether the policy's code ships with mecsim, so that its version is known for certain.

    The same must hold for a policy in its attribute ``policy``.
    """
    kind = type(policy)
    named = getattr(sys.modules.get(kind.__module__), kind.__qualname__, None)
    own = (
        kind.__module__.partition(".")[0] in _OWN_MODULES and named is kind
    )  # a class may lie about its module
    inner: Any = getattr(policy, "policy", None)
    return own and (not callable(getattr(inner, "allocate", None)) or is_own(inner))


def _unregistered(asked: Iterable[PolicyLike]) -> list[str]:
    """Return what keeps policies from being made of registered names alone; imports nothing."""
    problems = list[str]()
    for given in asked:
        try:
            choice = PolicyChoice.of(given)
            codes = dict.fromkeys(code_named(choice.target, choice.parameters))
            problems += [
                f"policy '{shortened(choice.target)}': {shortened(code, 200)} is code, and a study runs only "
                "registered policies unasked: read it, then give --allow-local-policies "
                "(allow_local_policies=True in Python)"
                for code in codes
            ]
            if not codes:
                require(POLICIES, choice.target)
        except PolicyNotFound as error:
            problems += error.args
    return problems


def _located(choice: PolicyChoice, folder: Path) -> PolicyChoice:
    """Return the choice with the absolute folder of its file, valid in any process."""
    file = choice.target.rpartition(":")[0]
    try:
        is_there = (folder / file).is_file()
    except (OSError, ValueError):  # a name that no file can have
        is_there = False
    return replace(choice, folder=str((folder if is_there else Path()).resolve()))


@lru_cache(maxsize=256)
def _installed_version(target: str, inner: str) -> str:
    """Return the version of installed code, which does not change within a process."""
    return policy_version(target, policy=inner) if inner else policy_version(target)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()


def _slug(text: str) -> str:
    return re.sub(r"[^\w.=+-]+", "-", text).strip("-.")
