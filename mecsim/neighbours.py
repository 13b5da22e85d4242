"""Files that a file of code imports from its own folder: found, pinned with it, and imported by content."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType


class ContentLoader(importlib.abc.SourceLoader):
    """Imports a module from content at hand."""

    def __init__(self, path: str, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:
        """Return the path of the file."""
        return self._path

    def get_data(self, path: str | bytes) -> bytes:
        """Return the content of the file."""
        return self._content


def neighbours_of(content: bytes, path: Path) -> tuple[tuple[str, bytes], ...]:
    """Return name and content of each file beside ``path`` that its code imports, and those import in turn.

    Modules of Python itself are none; a file that cannot be parsed has none, and fails when it is imported.
    """
    found: dict[str, bytes] = {}
    waiting = [content]
    while waiting:
        for name in _imported_names(waiting.pop()):
            file = path.parent / f"{name}.py"
            if name in found or name in sys.stdlib_module_names or file == path or not file.is_file():
                continue
            found[name] = file.read_bytes()
            waiting.append(found[name])
    return tuple(sorted(found.items()))


def bring(folder: Path, neighbours: Sequence[tuple[str, bytes]]) -> None:
    """Let the neighbours of a file be imported by their names, after everything that is installed.

    One of the same name that another file has brought, or that has changed since, is forgotten.
    """
    if _finder not in sys.meta_path:
        sys.meta_path.append(_finder)
    for name, content in neighbours:
        held = str(folder / f"{name}.py"), content
        if _finder.known.get(name, held) != held and isinstance(_loader(name), ContentLoader):
            del sys.modules[name]
        _finder.known[name] = held


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the neighbours that were brought."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[str, bytes]] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.known:
            return None
        file, content = self.known[fullname]
        spec = importlib.util.spec_from_loader(fullname, ContentLoader(file, content), origin=file)
        assert spec is not None
        spec.has_location = True
        return spec


_finder = _Finder()


def _loader(name: str) -> object:
    return getattr(getattr(sys.modules.get(name), "__spec__", None), "loader", None)


def _imported_names(content: bytes) -> Iterator[str]:
    """Yield the top-level names that a file imports, wherever the statement stands."""
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
