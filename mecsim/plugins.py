"""Plug-ins: find, load, describe and version by name what others bring.

A plug-in is an entry point of an installed distribution, a ``package.module:Class``, a ``file.py:Class``, or
an object registered in Python. This module only loads; the caller says what it expects.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from mecsim.foreign_code import Interrupts, described
from mecsim.messages import nearest
from mecsim.plugin_files import UNKNOWN, Group, file_of, version_of_object

OWN_DISTRIBUTION = "mecsim"


class PluginEntry(NamedTuple):
    """One plug-in of a group; ``error`` says why it cannot be used, and is empty if it can."""

    name: str
    target: str
    summary: str
    origin: str
    error: str


_registered: dict[str, dict[str, Any]] = {}


def register(group: Group, name: str, plugin: Any) -> None:
    """Make an object known under a name in this process, in place of an earlier one of that name.

    Raises
    ------
    MecsimError
        If an installed distribution has a plug-in of that name.
    """
    installed = _installed(group.name).get(name)
    if installed is not None:
        raise group.error(f"{group.noun} '{name}' is already provided by {_origin(installed)}")
    _registered.setdefault(group.name, {})[name] = plugin


def registered(group: Group) -> dict[str, Any]:
    """Return what has been registered in this process, by name."""
    return dict(_registered.get(group.name, {}))


def bring(group: Group, plugins: Mapping[str, Any]) -> None:
    """Make what another process has registered known here."""
    _registered.setdefault(group.name, {}).update(plugins)


def state() -> tuple[object, ...]:
    """Return a value that changes whenever another plug-in may be found."""
    here = [(group, name, id(each)) for group, names in _registered.items() for name, each in names.items()]
    return (tuple(sys.path), *here)


def names(group: Group) -> list[str]:
    """Return the names of a group in alphabetical order, whether or not they can be loaded."""
    return sorted({*_installed(group.name), *_registered.get(group.name, {})})


def find(group: Group, name: str) -> Any:
    """Return the plug-in of a name.

    Raises
    ------
    MecsimError
        The error of the group, if the name is unknown (names the nearest one) or cannot be imported.
    """
    require(group, name)
    own = _registered.get(group.name, {}).get(name)
    if own is not None:
        return own
    point = _installed(group.name)[name]
    try:
        with Interrupts() as interrupts:
            return point.load()
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        reason = described(error)
        raise group.error(f"{group.noun} '{name}' ({point.value}) cannot be imported: {reason}") from error


def require(group: Group, name: str) -> None:
    """Raise the error of the group, which names the nearest name, if a name is unknown; imports nothing."""
    if name in _registered.get(group.name, {}):
        return
    if name not in _installed(group.name):
        # It may have been installed since, in the same session.
        _installed_on.cache_clear()
        _own_names.cache_clear()
    if name not in _installed(group.name):
        listed = names(group)
        hint = nearest(name, listed)
        advice = f"; {group.advice}" if group.advice else ""
        raise group.error(
            f"{group.noun} '{name}' is not known{hint} (registered: {', '.join(listed) or 'none'}{advice})"
        )


def entries(group: Group) -> list[PluginEntry]:
    """Return every plug-in of a group by name; one that fails to import is listed with its reason."""
    return [_entry(group, name) for name in names(group)]


def version(group: Group, name: str) -> str:
    """Return what pins a plug-in's code: its distribution's version, or a hash of its file."""
    own = _registered.get(group.name, {}).get(name)
    if own is not None:
        return version_of_object(own)
    return _origin(_installed(group.name)[name])


def is_own(group: Group, name: str) -> bool:
    """Return whether the plug-in ships with mecsim; imports nothing."""
    registered = _registered.get(group.name, {})
    return name not in registered and name in _own_names(group.name, tuple(sys.path))


def is_installed(group: Group, name: str) -> bool:
    """Return whether an installed distribution has a plug-in of this name."""
    return name in _installed(group.name)


def _installed(group: str) -> dict[str, EntryPoint]:
    return _installed_on(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _installed_on(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Search all that is installed once and not for every plug-in: that takes milliseconds.

    A name of mecsim's own cannot be taken by another distribution.
    """
    points = entry_points(group=group)
    # The name of a distribution is read from a file each time.
    owners = {id(point.dist): point.dist.name for point in points if point.dist}
    ordered = sorted(points, key=lambda point: owners.get(id(point.dist)) == OWN_DISTRIBUTION)
    return {point.name: point for point in ordered}


@lru_cache(maxsize=16)
def _own_names(group: str, path: tuple[str, ...]) -> frozenset[str]:
    points = _installed_on(group, path)
    owners = {id(point.dist): point.dist.name for point in points.values() if point.dist}
    return frozenset(name for name, point in points.items() if owners.get(id(point.dist)) == OWN_DISTRIBUTION)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else UNKNOWN


def _entry(group: Group, name: str) -> PluginEntry:
    own = _registered.get(group.name, {}).get(name)
    if own is not None:
        file = file_of(own)
        target = f"{own.__module__ if file is None else file.path}:{own.__qualname__}"
        return PluginEntry(name, target, _summary(own), version_of_object(own), "")
    point = _installed(group.name)[name]
    try:
        with Interrupts() as interrupts:
            return PluginEntry(name, point.value, _summary(point.load()), _origin(point), "")
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        return PluginEntry(name, point.value, "", _origin(point), described(error))


def _summary(plugin: Any) -> str:
    return (inspect.getdoc(plugin) or "").split("\n\n")[0].replace("\n", " ")
