"""On which line of a TOML text a key or a list item stands."""

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
    """The lines of all keys and list items of a text.

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
        """Return the line where a path starts, or else the nearest thing around it; the first is 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def _tokens(text: str) -> Iterator[tuple[bool, str, int]]:
    """Yield the tokens but comments and dots: whether it is a mark, its text, its line."""
    line, end = 1, 0
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end = token.start()
        if token.lastgroup != "comment":
            yield token.lastgroup == "mark", token.group(), line


def _starts(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the path and line of everything that starts: tables, keys, values, list items."""
    table: Path = ()
    path: Path = ()
    around: list[Path] = []  # the lists and inline tables that are open
    names: list[str] = []
    in_key = True
    for is_mark, word, line in _tokens(text):
        if not is_mark:
            if in_key:
                names.append(_unquoted(word))
            else:
                yield path, line
        elif in_key:
            if word == "=":
                path = (*(around[-1] if around else table), *names)
                names, in_key = [], False
                yield path, line
            elif word == "]" and names:
                table, names = tuple(names), []
                yield table, line
            elif word == "}":
                path, in_key = around.pop(), False
        elif word in "[{":
            yield path, line
            around.append(path)
            path, in_key = (*path, 0), word == "{"
        elif word in "]}":
            path = around.pop()
        elif word == ",":
            last = path[-1]
            if isinstance(last, int):
                path = (*path[:-1], last + 1)
            else:
                in_key = True
        elif not around:
            in_key = True


def _unquoted(word: str) -> str:
    if word.startswith('"'):
        return str(tomllib.loads(f"key = {word}")["key"])
    return word.strip("'")
