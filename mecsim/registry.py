"""Names to policies: entry points, ``package.module:Class`` and ``file.py:Class``."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mecsim import plugin_files, plugins
from mecsim.config.bounded_file import read_bounded
from mecsim.errors import MecsimError, PolicyNotFound, UnreadableFile
from mecsim.foreign_code import Interrupts, described, text_of
from mecsim.messages import nearest
from mecsim.plugin_files import Group
from mecsim.plugins import PluginEntry
from mecsim.policy import Policy
from mecsim.policy_spec import INNERS, PolicySpec, code_named

POLICIES = Group(
    "mecsim.policies",
    "policy",
    PolicyNotFound,
    "or give package.module:Class or file.py:Class",
)
GROUP = POLICIES.name
PolicyEntry = PluginEntry
parse_policy = PolicySpec.parse

_LARGEST_FILE = 1 << 30


def make_policy(spec: str, /, **parameters: Any) -> Policy:
    """Return a new policy.

    Parameters
    ----------
    spec : str
        A registered name, ``package.module:Class`` or ``path/to/file.py:Class``, each with
        optional parameters behind a colon: ``"gucaa:local_fraction=0.3"``. A parameter called
        ``policy``, and one called ``then`` beside it, is itself a policy: a string there is a spec, which
        is made first.
    **parameters
        Further parameters; they win over those in ``spec``.

    Raises
    ------
    PolicyNotFound
        If nothing answers to the name, it cannot be imported, or it does not take the parameters.
    """
    target, own = parse_policy(spec)
    code_named(target, own | parameters)  # refuses what is nested without end
    with _code_of(target):
        return made(_factory(target), target, own | parameters)


def made(factory: Any, target: str, arguments: Mapping[str, Any]) -> Policy:
    """Return the policy that a class or function makes; ``target`` is what messages call it.

    Raises
    ------
    PolicyNotFound
        If it does not take the arguments, or what it makes is no policy.
    """
    with _code_of(target):
        _check_parameters(target, factory, arguments)
        inner = {name: make_policy(spec) for name, spec in _inner(factory, arguments).items()}
        policy = _called(target, factory, {**arguments, **inner})
        if not callable(getattr(policy, "allocate", None)):
            raise PolicyNotFound(f"policy '{target}' has no method allocate(observation)")
    return policy  # type: ignore[no-any-return]  # just checked


@contextmanager
def _code_of(target: str) -> Iterator[None]:
    """Turn whatever the code of a policy raises into `PolicyNotFound`; the user's own Ctrl-C passes."""
    interrupts = Interrupts()
    try:
        with interrupts:
            yield
    except PolicyNotFound:
        raise
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        raise PolicyNotFound(f"policy '{target}' cannot be made: {described(error)}") from error


def _called(target: str, factory: Any, arguments: Mapping[str, Any]) -> Any:
    try:
        return factory(**arguments)
    except (TypeError, ValueError) as error:
        raise PolicyNotFound(f"policy '{target}' refused its parameters: {text_of(error)}") from error
    except MecsimError as error:
        raise PolicyNotFound(f"policy '{target}' cannot be made: {described(error)}") from error


def list_policies() -> list[PolicyEntry]:
    """Return every registered policy by name; one that fails to import is listed with its reason."""
    return plugins.entries(POLICIES)


def policy_version(spec: str, /, **parameters: Any) -> str:
    """Return what pins a policy's code: its distribution's version, or a hash of its file.

    Hashes of the files that its parameters name, if it says which do, and the versions of policies within it
    follow after plus signs.
    """
    target, own = parse_policy(spec)
    with _code_of(target):
        factory, arguments = _factory(target), own | parameters
        own_versions = [_version(target), *_files(factory, arguments)]
        inner = _inner(factory, arguments)
    return " + ".join([*own_versions, *map(policy_version, inner.values())])


def _files(factory: Any, arguments: Mapping[str, Any]) -> Iterator[str]:
    """Yield a hash of each file of learned numbers, by the class attribute ``file_parameters``."""
    for name in getattr(factory, "file_parameters", ()):
        given = arguments.get(name)
        if isinstance(given, str) and given:
            try:
                content = read_bounded(given, _LARGEST_FILE)
            except UnreadableFile as error:
                raise PolicyNotFound(f"{name} = {given}: {error}") from error
            yield f"{name} sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def _version(target: str) -> str:
    if plugins.is_installed(POLICIES, target):
        return plugins.version(POLICIES, target)
    factory, file = _factory(target), target.rpartition(":")[0]
    if _is_file(file):  # what is taken from it may be defined elsewhere
        return plugin_files.version_of_content(plugin_files.read_file(Path(file), POLICIES).whole)
    return plugin_files.version_of_object(factory)


def is_builtin(target: str, parameters: Mapping[str, Any]) -> bool:
    """Return whether a policy, and every policy within it, ships with mecsim; imports nothing.

    False for what names and plain values do not tell: objects, and strings that may name code.
    """
    return (
        plugins.is_own(POLICIES, target)
        and not code_named(target, parameters)
        and all(map(_is_plain, parameters.values()))
        and all(_is_builtin_inner(parameters.get(name)) for name in INNERS)
    )


def _is_builtin_inner(given: Any) -> bool:
    """Return whether the policy within another is built in; none given is the other's own default."""
    if not isinstance(given, str):
        return True
    try:
        return is_builtin(*parse_policy(given))
    except PolicyNotFound:
        return False


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(name, str) and _is_plain(each) for name, each in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str | np.generic)


def _is_file(module_name: str) -> bool:
    return module_name.endswith(".py")


def _inner(factory: Any, arguments: Mapping[str, Any]) -> dict[str, str]:
    """Return the specs of the policies that another one wraps, given or its defaults, by parameter."""
    try:
        accepted = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return {}
    if INNERS[0] not in accepted:
        return {}
    given = {name: arguments.get(name, accepted[name].default) for name in INNERS if name in accepted}
    return {name: value for name, value in given.items() if isinstance(value, str)}


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


def _check_parameters(target: str, factory: Any, given: Mapping[str, Any]) -> None:
    try:
        accepted = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in accepted.values()):
        return
    for key in given:
        if key not in accepted:
            listed = ", ".join(accepted) or "none"
            hint = nearest(key, accepted) or _others_with(key)
            told = f"policy '{target}' has no parameter '{key}'{hint} (its own parameters: {listed})"
            raise PolicyNotFound(told)


def _others_with(parameter: str) -> str:
    """Return which of mecsim's own policies have a parameter, for the end of a message."""
    own = [name for name in plugins.names(POLICIES) if plugins.is_own(POLICIES, name)]
    having = [n for n in own if parameter in inspect.signature(plugins.find(POLICIES, n)).parameters]
    return f", which {' and '.join(having)} {'has' if len(having) == 1 else 'have'}" if having else ""
