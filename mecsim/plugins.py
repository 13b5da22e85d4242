"""Plug-ins: find, load, describe and version by name what others bring.

A plug-in is an entry point of an installed distribution, a ``package.module:Class``, a ``file.py:Class``, or
an object registered in Python. This module only loads; the caller says what it expects.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.abc
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from mecsim.errors import MecsimError, PluginError
from mecsim.messages import nearest

OWN_DISTRIBUTION = "mecsim"
UNKNOWN = "unknown"
"""Version of code that cannot be pinned."""

_FILE_MODULE = "mecsim_plugin_"


@dataclass(frozen=True)
class Group:
    """One kind of plug-in.

    Parameters
    ----------
    name : str
        Entry-point group.
    noun : str
        What messages call one of the group.
    error : type
        What is raised about one, made from a message.
    advice : str
        What a message adds about an unknown name.
    """

    name: str
    noun: str
    error: type[MecsimError] = PluginError
    advice: str = ""


class PluginEntry(NamedTuple):
    """One plug-in of a group; ``error`` says why it cannot be used, and is empty if it can."""

    name: str
    target: str
    summary: str
    origin: str
    error: str


@dataclass(frozen=True)
class PluginFile:
    """A file of code: its full path and its content, which a worker process can import without the file."""

    path: str
    content: bytes

    @classmethod
    def read(cls, path: Path, group: Group) -> PluginFile:
        """Return the file at a path; raise the error of the group if there is none."""
        if not path.is_file():
            raise group.error(f"{group.noun} file '{path}' does not exist")
        return cls(str(path.resolve()), path.read_bytes())

    @cached_property
    def sha256(self) -> str:
        """Hash of the content."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def module_name(self) -> str:
        """Name under which the file is imported: another path or content is another module."""
        path_and_content = hashlib.sha256(self.path.encode() + b"\0" + self.content).hexdigest()
        return f"{_FILE_MODULE}{Path(self.path).stem}_{path_and_content[:12]}"


Shipment: TypeAlias = "type[Any] | tuple[PluginFile, str]"
"""What a class is pickled as: itself, or the file that defines it and its name there."""

_registered: dict[str, dict[str, Any]] = {}
_files: dict[str, PluginFile] = {}


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
    own = _registered.get(group.name, {}).get(name)
    if own is not None:
        return own
    if name not in _installed(group.name):
        # It may have been installed since, in the same session.
        _installed_on.cache_clear()
    known = _installed(group.name)
    if name not in known:
        listed = names(group)
        hint = nearest(name, listed)
        advice = f"; {group.advice}" if group.advice else ""
        raise group.error(
            f"{group.noun} '{name}' is not known{hint} (registered: {', '.join(listed) or 'none'}{advice})"
        )
    try:
        return known[name].load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise group.error(
            f"{group.noun} '{name}' ({known[name].value}) cannot be imported: {reason}"
        ) from error


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
    """Return whether the plug-in ships with mecsim."""
    point = _installed(group.name).get(name)
    return point is not None and point.dist is not None and point.dist.name == OWN_DISTRIBUTION


def is_installed(group: Group, name: str) -> bool:
    """Return whether an installed distribution has a plug-in of this name."""
    return name in _installed(group.name)


def version_of_object(plugin: Any) -> str:
    """Return a hash of the file or cell that defines an object; `UNKNOWN` for one typed at a prompt."""
    file = _files.get(getattr(plugin, "__module__", ""))
    if file is not None:
        return version_of_content(file.content)
    try:
        source = inspect.getsourcefile(plugin) or inspect.getfile(plugin)
        if Path(source).is_file():
            return version_of_content(Path(source).read_bytes())
        return version_of_content(inspect.getsource(plugin).encode())  # of a notebook's cell
    except (TypeError, OSError):
        return UNKNOWN


def version_of_content(content: bytes) -> str:
    """Return the short hash of a file's content that versions show."""
    return f"sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def import_module(name: str, group: Group, target: str) -> ModuleType:
    """Return an installed module; ``target`` is what messages call it."""
    try:
        return importlib.import_module(name)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise group.error(f"{group.noun} '{target}' cannot be imported: {reason}") from error


def import_file(path: Path, group: Group) -> ModuleType:
    """Return the module of a file, imported once, and anew when the file has changed."""
    if path.suffix != ".py":
        raise group.error(f"{group.noun} file '{path}' is not a Python file")
    return _imported(PluginFile.read(path, group), group, str(path))


def classes_of(module: ModuleType) -> Iterator[type[Any]]:
    """Yield the classes that a module defines itself."""
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield value


def packed(cls: type[Any]) -> Shipment:
    """Return what another process can make the class from."""
    file = _files.get(cls.__module__)
    return cls if file is None else (file, cls.__qualname__)


def unpacked(shipment: Shipment, group: Group) -> type[Any]:
    """Return the class that `packed` was given, importing the content of its file where that is new."""
    if not isinstance(shipment, tuple):
        return shipment
    file, name = shipment
    found: Any = _imported(file, group, file.path)
    for part in name.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]  # the file and its content are the same as in `packed`


class _ContentLoader(importlib.abc.SourceLoader):
    """Imports a module from content at hand."""

    def __init__(self, file: PluginFile) -> None:
        self._file = file

    def get_filename(self, fullname: str) -> str:
        return self._file.path

    def get_data(self, path: str | bytes) -> bytes:
        return self._file.content


def _imported(file: PluginFile, group: Group, shown: str) -> ModuleType:
    name = file.module_name
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, _ContentLoader(file), origin=file.path)
    assert spec is not None
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name], _files[name] = module, file
    try:
        assert spec.loader is not None
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name], _files[name]
        reason = f"{type(error).__name__}: {error}"
        raise group.error(f"{group.noun} file '{shown}' cannot be imported: {reason}") from error
    return module


def _installed(group: str) -> dict[str, EntryPoint]:
    return _installed_on(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _installed_on(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    """Search all that is installed once and not for every plug-in: that takes milliseconds."""
    return {point.name: point for point in entry_points(group=group)}


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else UNKNOWN


def _entry(group: Group, name: str) -> PluginEntry:
    own = _registered.get(group.name, {}).get(name)
    if own is not None:
        file = _files.get(own.__module__)
        target = f"{own.__module__ if file is None else file.path}:{own.__qualname__}"
        return PluginEntry(name, target, _summary(own), version_of_object(own), "")
    point = _installed(group.name)[name]
    try:
        return PluginEntry(name, point.value, _summary(point.load()), _origin(point), "")
    except Exception as error:  # noqa: BLE001 - whatever a plug-in raises is the reason to list
        return PluginEntry(name, point.value, "", _origin(point), f"{type(error).__name__}: {error}")


def _summary(plugin: Any) -> str:
    return (inspect.getdoc(plugin) or "").split("\n\n")[0].replace("\n", " ")
