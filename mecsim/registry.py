"""Names to policies: entry points, ``package.module:Class`` and ``file.py:Class``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mecsim import plugin_files, plugins
from mecsim.errors import PolicyNotFound
from mecsim.foreign_code import Interrupts, described, text_of
from mecsim.messages import nearest
from mecsim.plugin_files import Group
from mecsim.plugins import PluginEntry
from mecsim.policy import Policy
from mecsim.policy_spec import PolicySpec

POLICIES = Group(
    "mecsim.policies",
    "policy",
    PolicyNotFound,
    "or give package.module:Class or file.py:Class",
)
GROUP = POLICIES.name
PolicyEntry = PluginEntry
parse_policy = PolicySpec.parse

_INNER = "policy"


def make_policy(spec: str, /, **parameters: Any) -> Policy:
    """Return a new policy.

    Parameters
    ----------
    spec : str
        A registered name, ``package.module:Class`` or ``path/to/file.py:Class``, each with
        optional parameters behind a colon: ``"gucaa:local_fraction=0.3"``. A parameter called
        ``policy`` is itself a policy: a string there is a spec, which is made first.
    **parameters
        Further parameters; they win over those in ``spec``.

    Raises
    ------
    PolicyNotFound
        If nothing answers to the name, it cannot be imported, or it does not take the parameters.
    """
    target, own = parse_policy(spec)
    factory = _factory(target)
    arguments = own | parameters
    _check_parameters(target, factory, arguments)
    inner = _inner(factory, arguments)
    if inner is not None:
        arguments = arguments | {_INNER: make_policy(inner)}
    try:
        with Interrupts() as interrupts:
            policy = factory(**arguments)
            can_allocate = callable(getattr(policy, "allocate", None))
    except (TypeError, ValueError) as error:
        raise PolicyNotFound(f"policy '{target}' refused its parameters: {text_of(error)}") from error
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        raise PolicyNotFound(f"policy '{target}' cannot be made: {described(error)}") from error
    if not can_allocate:
        raise PolicyNotFound(f"policy '{target}' has no method allocate(observation)")
    return policy  # type: ignore[no-any-return]  # just checked


def list_policies() -> list[PolicyEntry]:
    """Return every registered policy by name; one that fails to import is listed with its reason."""
    return plugins.entries(POLICIES)


def policy_version(spec: str, /, **parameters: Any) -> str:
    """Return what pins a policy's code: its distribution's version, or a hash of its file.

    That of a policy within it follows after a plus sign.
    """
    target, own = parse_policy(spec)
    version_of_target = _version(target)
    inner = _inner(_factory(target), own | parameters)
    return version_of_target if inner is None else f"{version_of_target} + {policy_version(inner)}"


def _version(target: str) -> str:
    if plugins.is_installed(POLICIES, target):
        return plugins.version(POLICIES, target)
    factory, file = _factory(target), target.rpartition(":")[0]
    if _is_file(file):  # what is taken from it may be defined elsewhere
        return plugin_files.version_of_content(Path(file).read_bytes())
    return plugin_files.version_of_object(factory)


def policy_files(spec: str, /, **parameters: Any) -> list[str]:
    """Return the files of code that a policy names, its own and that of a policy within it; imports none."""
    target, own = parse_policy(spec)
    file, inner = target.rpartition(":")[0], (own | parameters).get(_INNER)
    return [file] * _is_file(file) + (policy_files(inner) if isinstance(inner, str) else [])


def _is_file(module_name: str) -> bool:
    return module_name.endswith(".py")


def _inner(factory: Any, arguments: Mapping[str, Any]) -> str | None:
    """Return the spec of the policy that another one wraps, given or its default; None without one."""
    try:
        accepted = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return None
    if _INNER not in accepted:
        return None
    given = arguments.get(_INNER, accepted[_INNER].default)
    return given if isinstance(given, str) else None


def _factory(target: str) -> Any:
    module_name, colon, attribute = target.rpartition(":")
    if not colon:
        return plugins.find(POLICIES, target)
    if not attribute:
        raise PolicyNotFound(f"policy '{target}': a class is missing after the colon")
    in_file = _is_file(module_name)
    if in_file:
        module = plugin_files.import_file(Path(module_name), POLICIES)
    else:
        module = plugin_files.import_module(module_name, POLICIES, target)
    try:
        factory = getattr(module, attribute)
    except AttributeError as error:
        classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
        hint = nearest(attribute, classes)
        raise PolicyNotFound(f"policy '{target}': {module_name} has no '{attribute}'{hint}") from error
    # Anything may be installed, and a study file names it and its arguments: `os:system` is no policy.
    if not in_file and not (inspect.isclass(factory) and callable(getattr(factory, "allocate", None))):
        raise PolicyNotFound(f"policy '{target}': must be a class with a method allocate(observation)")
    return factory


def _check_parameters(target: str, factory: Any, given: dict[str, Any]) -> None:
    try:
        accepted = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
        return
    for key in given:
        if key not in accepted:
            listed = ", ".join(accepted) or "none"
            hint = nearest(key, accepted)
            raise PolicyNotFound(f"policy '{target}' has no parameter '{key}'{hint} (parameters: {listed})")
