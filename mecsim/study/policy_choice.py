"""The policies of a study: what was asked for, by what name, and whether it can be made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mecsim import plugins
from mecsim.errors import PolicyError, PolicyFailed, PolicyNotFound
from mecsim.foreign_code import Interrupts, described
from mecsim.messages import shortened
from mecsim.policy_spec import INNERS, code_named
from mecsim.policy_spec import split_specs as split_policies
from mecsim.registry import POLICIES, is_builtin, made, make_policy, parse_policy, policy_version
from mecsim.study.examine import examine, version_of
from mecsim.study.labels import automatic_label, checked_label, distinct_labels
from mecsim.study.own_policies import is_own

__all__ = ["PolicyChoice", "choose_policies", "split_policies"]

if TYPE_CHECKING:
    from typing import TypeAlias

    from mecsim.policy import Policy

    PolicyLike: TypeAlias = "str | Mapping[str, Any] | Policy | type[Policy] | PolicyChoice"


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
        """Return the choice that a user gave: a spec, ``{name, label, parameters...}``, a class or an object.

        The name of a mapping may be an object, which the label tells from others of its class.

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
            name = own.pop("name")
            if callable(getattr(name, "allocate", None)):
                return cls._labelled(name, **(own | parameters))
            name = str(name)
            if "label" not in own:
                return cls.of(name, **(own | parameters))
            label = checked_label(own.pop("label"), name)
            target, more = parse_policy(name)
            return cls(target, more | own | parameters, label)
        if isinstance(given, str):
            target, own = parse_policy(given)
            merged = own | parameters
            return cls(target, merged, automatic_label(target.rpartition(":")[2], merged))
        if not callable(getattr(given, "allocate", None)):
            raise PolicyNotFound(
                f"policy {shortened(repr(given))}: must be a name, a mapping, or a class or object with "
                "allocate(observation)"
            )
        kind = given if isinstance(given, type) else type(given)
        target = f"{kind.__module__}:{kind.__qualname__}"
        if isinstance(given, type):
            label = automatic_label(kind.__name__, parameters)
            return cls(target, {}, label, made(given, target, parameters))
        if parameters:
            raise PolicyNotFound(f"policy '{target}' is made already: no parameters can be given with it")
        return cls(target, {}, automatic_label(kind.__name__, {}), given)

    @classmethod
    def _labelled(cls, policy: Policy, label: str | None = None, **parameters: Any) -> PolicyChoice:
        choice = cls.of(policy, **parameters)
        return choice if label is None else replace(choice, label=checked_label(label, choice.target))

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel with what has been registered in this process, as far as the choice names it."""
        return _arrived, (tuple(getattr(self, each.name) for each in fields(self)), self._registered_here())

    def _registered_here(self) -> dict[str, Any]:
        """Return the policies it may name that have been registered in this process."""
        asked = " ".join([self.target, *(str(self.parameters.get(name, "")) for name in INNERS)])
        return {name: each for name, each in plugins.registered(POLICIES).items() if name in asked}

    def make(self) -> Policy:
        """Return a new policy object, shared with no other run."""
        if self.instance is not None:
            try:
                with Interrupts() as interrupts:
                    return deepcopy(self.instance)
            except BaseException as error:
                if interrupts.raised is not None:
                    raise
                raise PolicyFailed(f"policy '{self.label}' cannot be copied: {described(error)}") from error
        return make_policy(self._place(), **self.parameters)

    @property
    def is_foreign(self) -> bool:
        """Whether code that does not ship with mecsim is run: also for an object, which may hold any."""
        return self.instance is not None or not is_builtin(self.target, self.parameters)

    def check(self, limit_s: float | None = None) -> None:
        """Make the policy once, where that can do no harm.

        Raises
        ------
        PolicyNotFound, PolicyFailed
            If it cannot be made.
        """
        if self.instance is not None:
            return
        if ":" not in self.target:
            plugins.require(POLICIES, self.target)
        # What is registered in Python is code of this process already.
        if self.is_foreign and not self._registered_here():
            examine(self._place(), self.parameters, limit_s)
        else:
            self.make()

    @property
    def version(self) -> str:
        """Version of the policy's code, as far as it can be known."""
        if self.instance is not None:
            weights = getattr(self.instance, "weights_sha256", "") if is_own(self.instance) else ""
            return f"an object made in Python{weights and f', weights sha256 {weights[:16]}'}"
        if self._registered_here() or (not self.is_foreign and self._names_files()):
            return policy_version(self._place(), **self.parameters)
        if self.is_foreign:
            return version_of(self._place(), self.parameters)
        inner = tuple((name, str(self.parameters[name])) for name in INNERS if self.parameters.get(name))
        return _installed_version(self._place(), inner)

    def _names_files(self) -> bool:
        """Return whether a parameter may be a file, whose content is part of the version."""
        return any(isinstance(each, str) for name, each in self.parameters.items() if name not in INNERS)

    def _place(self) -> str:
        module, _, name = self.target.rpartition(":")
        return f"{Path(self.folder, module)}:{name}" if module.endswith(".py") else self.target


def _arrived(values: tuple[Any, ...], registered: Mapping[str, Any]) -> PolicyChoice:
    plugins.bring(POLICIES, registered)
    return PolicyChoice(*values)


def choose_policies(
    policies: Iterable[PolicyLike] | Mapping[str, PolicyLike],
    folder: Path | None = None,
    *,
    local_code: bool = True,
    limit_s: float | None = None,
) -> list[PolicyChoice]:
    """Return the policies of a comparison, each made once to see that it can be: foreign ones elsewhere.

    A mapping has them by their labels. With a folder, a policy file is looked for there first, then in the
    present folder. Labels that would be equal get their whole target, those of objects what they differ in;
    the same policy twice is an error. Without ``local_code`` a policy that is a file is refused, and the
    file not looked at.

    Raises
    ------
    PolicyNotFound
        Listing every policy that cannot be made.
    PolicyFailed
        The same, if one of them ended its process instead.
    """
    asked = _labelled(policies) if isinstance(policies, Mapping) else list(policies)
    problems = [] if local_code else _unregistered(asked)
    choices = list[PolicyChoice]()
    kind: type[PolicyError] = PolicyNotFound
    for given in [] if problems else asked:
        try:
            choice = PolicyChoice.of(given)
            choice = choice if folder is None else _located(choice, folder)
            choice.check(limit_s)
            choices.append(choice)
        except PolicyError as error:
            problems += [problem for problem in error.args if problem not in problems]
            kind = PolicyFailed if isinstance(error, PolicyFailed) else kind
    choices = _told_apart(choices)
    labels = [choice.label for choice in choices]
    problems += [
        f"policy '{label}' is given twice" for label in sorted(set(labels)) if labels.count(label) > 1
    ]
    if not choices and not problems:
        problems.append("no policy is given")
    if problems:
        raise kind(*problems)
    return choices


def _labelled(policies: Mapping[str, PolicyLike]) -> list[PolicyLike]:
    """Return policies that were given by label; one without ``allocate`` is left to be refused."""
    return [replace(PolicyChoice.of(given), label=label) for label, given in policies.items()]


def _told_apart(choices: list[PolicyChoice]) -> list[PolicyChoice]:
    """Return choices with other labels where two are equal: whole targets, or what objects differ in."""
    labels = [choice.label for choice in choices]
    objects = distinct_labels([(c.label, c.instance) for c in choices if c.instance is not None])
    found = list[PolicyChoice]()
    for choice in choices:
        if choice.instance is not None:
            found.append(replace(choice, label=objects.pop(0)))
        elif labels.count(choice.label) > 1:
            found.append(replace(choice, label=automatic_label(choice.target, choice.parameters)))
        else:
            found.append(choice)
    return found


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
                plugins.require(POLICIES, choice.target)
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
def _installed_version(target: str, inner: tuple[tuple[str, str], ...]) -> str:
    """Return the version of installed code, which does not change within a process."""
    return policy_version(target, **dict(inner))
