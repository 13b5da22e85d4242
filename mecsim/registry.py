"""Names to policies: entry points, ``package.module:Class`` and ``file.py:Class``."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from mecsim.errors import PolicyNotFound
from mecsim.messages import nearest
from mecsim.policy import Policy

GROUP = "mecsim.policies"

_PARAMETERS = re.compile(r":(?=\s*[A-Za-z_]\w*\s*=)")
_COMMA = re.compile(r""",(?=(?:[^'"]|'[^']*'|"[^"]*")*$)""")
_INNER = "policy"


class PolicySpec(NamedTuple):
    """A policy as a person names it: ``name``, ``module:Class`` or ``file.py:Class``, and parameters."""

    target: str
    parameters: dict[str, Any]


class PolicyEntry(NamedTuple):
    """One registered policy; ``error`` says why it cannot be used, and is empty if it can."""

    name: str
    target: str
    summary: str
    origin: str
    error: str


def parse_policy(spec: str) -> PolicySpec:
    """Split ``"target:key=value,key=value"`` into a target and parameters.

    Values are Python literals (numbers, true/false, quoted texts); anything else is a text. A comma
    between quotes separates nothing: ``"hysteresis:policy='a:x=1,y=2',margin=0.1"``.
    """
    head, *tail = _PARAMETERS.split(spec.strip(), maxsplit=1)
    if not head or not tail:
        return PolicySpec(spec.strip(), {})
    parameters: dict[str, Any] = {}
    for item in _COMMA.split(tail[0]):
        key, equals, text = item.partition("=")
        if not equals or not key.strip().isidentifier():
            raise PolicyNotFound(f"policy '{spec}': parameter '{item.strip()}' must read key=value")
        parameters[key.strip()] = _literal(text.strip())
    return PolicySpec(head, parameters)


def make_policy(spec: str, /, **parameters: Any) -> Policy:
    """Return a new policy.

    Parameters
    ----------
    spec : str
        A registered name, ``package.module:Class`` or ``path/to/file.py:Class``, each with
        optional parameters behind a colon: ``"gucaa:local_fraction=0.3"``. A parameter called
        ``policy`` is itself a policy: where it is a text, that is made from it first.
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
        policy = factory(**arguments)
    except (TypeError, ValueError) as error:
        raise PolicyNotFound(f"policy '{target}' refused its parameters: {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PolicyNotFound(f"policy '{target}' cannot be made: {reason}") from error
    if not callable(getattr(policy, "allocate", None)):
        raise PolicyNotFound(f"policy '{target}' has no method allocate(observation)")
    return policy  # type: ignore[no-any-return]  # just checked


def list_policies() -> list[PolicyEntry]:
    """Return every registered policy by name; one that fails to import is listed with its reason."""
    return [_describe(point) for point in sorted(entry_points(group=GROUP), key=lambda point: point.name)]


def policy_version(spec: str, /, **parameters: Any) -> str:
    """Return what pins a policy's code: its distribution's version, or a hash of its file.

    That of a policy within it follows after a plus sign.
    """
    target, own = parse_policy(spec)
    version_of_target = _version(target)
    inner = _inner(_factory(target), own | parameters)
    return version_of_target if inner is None else f"{version_of_target} + {policy_version(inner)}"


def _version(target: str) -> str:
    point = _registered().get(target)
    if point is not None:
        return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    factory, file = _factory(target), target.rpartition(":")[0]
    try:
        source = file if _is_file(file) else inspect.getsourcefile(factory) or inspect.getfile(factory)
    except TypeError:  # typed at a prompt
        return "unknown"
    return f"sha256 {hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16]}"


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


def _literal(text: str) -> Any:
    try:
        return {"true": True, "false": False}[text.lower()]
    except KeyError:
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _registered() -> dict[str, EntryPoint]:
    return _registered_on(tuple(sys.path))


@lru_cache(maxsize=4)
def _registered_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Look through all that is installed once, not for every policy: that takes milliseconds."""
    return {point.name: point for point in entry_points(group=GROUP)}


def _factory(target: str) -> Any:
    module_name, colon, attribute = target.rpartition(":")
    if not colon:
        return _from_entry_point(target)
    if not attribute:
        raise PolicyNotFound(f"policy '{target}': a class is missing after the colon")
    in_file = _is_file(module_name)
    module = _import_file(Path(module_name)) if in_file else _import_module(target, module_name)
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


def _from_entry_point(name: str) -> Any:
    if name not in _registered():
        # It may have been installed since, in the same session.
        _registered_on.cache_clear()
    known = _registered()
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        hint = nearest(name, known)
        raise PolicyNotFound(
            f"policy '{name}' is not known{hint} (registered: {listed}; "
            "or give package.module:Class or file.py:Class)"
        )
    try:
        return known[name].load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PolicyNotFound(f"policy '{name}' ({known[name].value}) cannot be imported: {reason}") from error


def _import_module(target: str, module_name: str) -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PolicyNotFound(f"policy '{target}' cannot be imported: {reason}") from error


def _import_file(path: Path) -> ModuleType:
    """Import a policy file under a name made from its path and content: once, and anew when changed."""
    if not path.is_file():
        raise PolicyNotFound(f"policy file '{path}' does not exist")
    full = path.resolve()
    key = hashlib.sha256(str(full).encode() + b"\0" + full.read_bytes()).hexdigest()
    name = f"mecsim_policy_{full.stem}_{key[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, full)
    if module_spec is None or module_spec.loader is None:
        raise PolicyNotFound(f"policy file '{path}' is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        reason = f"{type(error).__name__}: {error}"
        raise PolicyNotFound(f"policy file '{path}' cannot be imported: {reason}") from error
    return module


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


def _describe(point: EntryPoint) -> PolicyEntry:
    origin = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown"
    try:
        factory = point.load()
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is the reason to list
        return PolicyEntry(point.name, point.value, "", origin, f"{type(error).__name__}: {error}")
    summary = (inspect.getdoc(factory) or "").split("\n\n")[0].replace("\n", " ")
    return PolicyEntry(point.name, point.value, summary, origin, "")
