"""Lines of keys and list items in a TOML text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from mecsim.config.base import Path

_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)
    | (?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
    | (?P<word>[^\s\[\]{}=,."'\#]+)
    | (?P<mark>[\[\]{}=,\n])""",
    re.VERBOSE | re.DOTALL,
)


class Lines:
    """The lines of all keys and list items of a TOML text.

    Parameters
    ----------
    text : str
        Valid TOML.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        for path, line in _starts(text):
            while path and path not in self._lines:
                self._lines[path] = line
                path = path[:-1]

    def of(self, path: Path) -> int:
        """Return the line where a path starts, or the nearest table or list around it, from 1 on."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def _tokens(text: str) -> Iterator[tuple[bool, str, int]]:
    """Yield the tokens but comments and dots: whether it is a mark, its text, its line."""
    line, end = 1, 0
    for token in _TOKEN.finditer(text):
        start, kind = token.start(), token.lastgroup
        line += text.count("\n", end, start)
        end = start
        if kind != "comment":
            yield kind == "mark", token.group(), line


def _starts(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the path and line of everything that starts: tables, keys, values, list items."""
    reader = _Reader()
    take_word, take_mark = reader.word, reader.mark
    for is_mark, word, line in _tokens(text):
        path = take_mark(word) if is_mark else take_word(word)
        if path is not None:
            yield path, line


class _Reader:
    """Follows the tokens of valid TOML; each method returns the path that starts at a token, if any."""

    def __init__(self) -> None:
        self._table: Path = ()
        self._path: Path = ()
        self._open: list[Path] = []  # paths of the lists and inline tables that are open
        self._names: list[str] = []
        self._in_key = True

    def word(self, word: str) -> Path | None:
        """Take a part of a key, or a value."""
        if not self._in_key:
            return self._path
        self._names.append(_unquoted(word))
        return None

    def mark(self, mark: str) -> Path | None:
        """Take an equals sign, bracket, comma or line end."""
        return self._mark_in_key(mark) if self._in_key else self._mark_in_value(mark)

    def _mark_in_key(self, mark: str) -> Path | None:
        if mark == "=":
            self._path = (*(self._open[-1] if self._open else self._table), *self._names)
            self._names, self._in_key = [], False
            return self._path
        if mark == "]" and self._names:
            self._table, self._names = tuple(self._names), []
            return self._table
        if mark == "}":
            self._path, self._in_key = self._open.pop(), False
        return None

    def _mark_in_value(self, mark: str) -> Path | None:
        if mark == ",":
            last = self._path[-1]
            if isinstance(last, int):
                self._path = (*self._path[:-1], last + 1)
            else:
                self._in_key = True
        elif mark in "[{":
            start = self._path
            self._open.append(start)
            self._path, self._in_key = (*start, 0), mark == "{"
            return start
        elif mark in "]}":
            self._path = self._open.pop()
        elif not self._open:
            self._in_key = True
        return None


def _unquoted(word: str) -> str:
    if word.startswith('"'):
        return str(tomllib.loads(f"key = {word}")["key"])
    return word.strip("'")
