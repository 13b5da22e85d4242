"""Files of code that others bring: imported by content, known to other processes, pinned by a hash."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

from mecsim.errors import MecsimError, PluginError
from mecsim.foreign_code import Interrupts, described
from mecsim.neighbours import ContentLoader, bring, neighbours_of

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


@dataclass(frozen=True)
class PluginFile:
    """A file of code: its full path and its content, which a worker process can import without the file.

    ``neighbours`` are the files of its folder that it imports, by the names of their modules.
    """

    path: str
    content: bytes
    neighbours: tuple[tuple[str, bytes], ...] = ()

    @classmethod
    def read(cls, path: Path, group: Group) -> PluginFile:
        """Return the file at a path; raise the error of the group if there is none."""
        try:
            if stat.S_ISREG(path.stat().st_mode):
                content, place = path.read_bytes(), path.resolve()
                return cls(str(place), content, neighbours_of(content, place))
        except FileNotFoundError:
            raise group.error(f"{group.noun} file '{path}' does not exist") from None
        except (OSError, ValueError) as error:  # a loop of symbolic links; a NUL in the name
            why = getattr(error, "strerror", None) or error
            raise group.error(f"{group.noun} file '{path}' cannot be read: {why}") from error
        raise group.error(f"{group.noun} file '{path}' is no regular file")

    @property
    def whole(self) -> bytes:
        """The content, followed by that of its neighbours: what its version is a hash of."""
        return b"\0".join([self.content, *(content for _, content in self.neighbours)])

    @property
    def module_name(self) -> str:
        """Name under which the file is imported: another path or content is another module."""
        path_and_content = hashlib.sha256(self.path.encode() + b"\0" + self.whole).hexdigest()
        return f"{_FILE_MODULE}{Path(self.path).stem}_{path_and_content[:12]}"


Shipment: TypeAlias = "type[Any] | tuple[PluginFile, str]"
"""What a class is pickled as: itself, or the file that defines it and its name there."""

_files: dict[str, PluginFile] = {}
_first_read: ContextVar[dict[str, PluginFile] | None] = ContextVar("first_read", default=None)


@contextmanager
def files_as_first_read() -> Iterator[None]:
    """Take each file inside as it is when it is first read: what runs is what its version says.

    A file may be edited while its run goes on, by the user or by its own code.
    """
    token = _first_read.set({})
    try:
        yield
    finally:
        _first_read.reset(token)


def read_file(path: Path, group: Group) -> PluginFile:
    """Return a file of code; raise the error of the group if there is none."""
    held, place = _first_read.get(), str(path.absolute())
    if held is None:
        return PluginFile.read(path, group)
    if place not in held:
        held[place] = PluginFile.read(path, group)
    return held[place]


def file_of(plugin: Any) -> PluginFile | None:
    """Return the imported file of code that defines an object; None if something else does."""
    return _files.get(getattr(plugin, "__module__", ""))


def import_module(name: str, group: Group, target: str) -> ModuleType:
    """Return an installed module; ``target`` is what messages call it."""
    try:
        with Interrupts() as interrupts:
            return importlib.import_module(name)
    except BaseException as error:
        if interrupts.raised is not None:
            raise
        raise group.error(f"{group.noun} '{target}' cannot be imported: {described(error)}") from error


def import_file(path: Path, group: Group) -> ModuleType:
    """Return the module of a file, imported once, and anew when the file has changed."""
    if path.suffix != ".py":
        raise group.error(f"{group.noun} file '{path}' is not a Python file")
    return _imported(read_file(path, group), group, str(path))


def classes_of(module: ModuleType) -> Iterator[type[Any]]:
    """Yield the classes that a module defines itself."""
    for value in vars(module).values():
        if inspect.isclass(value) and value.__module__ == module.__name__:
            yield value


def version_of_object(plugin: Any) -> str:
    """Return a hash of the file or cell that defines an object; `UNKNOWN` for one typed at a prompt."""
    file = file_of(plugin)
    if file is not None:
        return version_of_content(file.whole)
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


def _imported(file: PluginFile, group: Group, shown: str) -> ModuleType:
    name = file.module_name
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_loader(name, ContentLoader(file.path, file.content), origin=file.path)
    assert spec is not None
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[name], _files[name] = module, file
    try:
        assert spec.loader is not None
        bring(Path(file.path).parent, file.neighbours)
        with Interrupts() as interrupts:
            spec.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)  # the file itself may have removed it
        _files.pop(name, None)
        if interrupts.raised is not None:
            raise
        raise group.error(f"{group.noun} file '{shown}' cannot be imported: {described(error)}") from error
    return module
