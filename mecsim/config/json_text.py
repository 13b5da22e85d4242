"""JSON text: reading it without trust, and the lines on which its values stand."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from mecsim.config.base import Path
from mecsim.errors import ScenarioError
from mecsim.messages import shortened

_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[][{}:,]|[^][{}:,"\s]+', re.DOTALL)

MOST_WITH_LINES = 4_000_000
"""Finding lines takes about a second for so many characters."""


class JsonLines:
    """The lines of all values of a text.

    Parameters
    ----------
    text : str
        Valid JSON.
    """

    def __init__(self, text: str) -> None:
        self._lines = dict(_values(text))

    def of(self, path: Path) -> int:
        """Return the line where a value starts, or else the nearest thing around it; the first is 1."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)


def parse_json(text: str, source: str) -> Any:
    """Return the value of a JSON text.

    Parameters
    ----------
    text : str
        Anything.
    source : str
        What messages call it.

    Raises
    ------
    ScenarioError
        If the text is no JSON, is nested too deeply, or gives a key of an object twice.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        twice = sorted(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        places = ((f"{source}{_second_line(text, key)}", shortened(key)) for key in twice)
        raise ScenarioError(source, [f"{place}: {name}: duplicate key" for place, name in places])

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        problem = f"{source}:{error.lineno}: not JSON: {error.msg} (column {error.colno})"
    except RecursionError:
        problem = f"{source}: not JSON: nested too deeply"
    except ValueError as error:  # an integer of thousands of digits
        problem = f"{source}: not a JSON text: {error}"
    raise ScenarioError(source, [problem])


def _second_line(text: str, key: str) -> str:
    """Return ``:line`` of the second place of a key in an object; empty if the text around it is no JSON."""
    seen = set()
    try:
        for path, line in _values(text if len(text) <= MOST_WITH_LINES else ""):
            if path in seen and path[-1] == key:
                return f":{line}"
            seen.add(path)
    except (IndexError, TypeError, ValueError):
        return ""
    return ""


def _values(text: str) -> Iterator[tuple[Path, int]]:
    """Yield the path and the line of every value."""
    around: list[str | int] = []
    line, end, is_key = 1, 0, False
    for token in _TOKEN.finditer(text):
        line += text.count("\n", end, token.start())
        end, word = token.start(), token.group()
        if word == ",":
            last = around[-1]
            around[-1] = last + 1 if isinstance(last, int) else last
            is_key = not isinstance(last, int)
        elif word in "]}":
            around.pop()
            is_key = False
        elif word == ":":
            is_key = False
        elif is_key:
            around[-1] = json.loads(word)
        else:
            yield tuple(around), line
            if word in "[{":
                around.append(0 if word == "[" else "")
                is_key = word == "{"
