"""TOML: parsing untrusted text, and writing."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from itertools import accumulate
from typing import Any

from mecsim.errors import ScenarioError
from mecsim.messages import shortened

LARGEST_BYTES = 256 * 1024
MOST_KEY_PARTS = 16
MOST_NESTED = 32

# tomllib takes a time that grows with the square of the parts of a dotted key.
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{MOST_KEY_PARTS},}}")

# Strings and comments, whose brackets do not count, or a bracket. A string without an end goes to the
# end of line or text, so that no place is read twice.
_BRACKET = re.compile(
    r""""{3}(?:\\.|(?!"{3})[^\\])*+(?:"{3})?"""
    r"""|'{3}(?:(?!'{3}).)*+(?:'{3})?"""
    r"""|"(?:\\.|[^"\\\n])*+"?|'[^'\n]*+'?|#[^\n]*+"""
    r"|(?P<bracket>[][{}])",
    re.DOTALL,
)


def parse_toml(text: str, source: str, most_bytes: int = LARGEST_BYTES) -> dict[str, Any]:
    """Return the tables of a TOML text.

    Parameters
    ----------
    text : str
        Untrusted text.
    source : str
        Name of the text in messages.
    most_bytes : int
        Largest length that is accepted.

    Raises
    ------
    ScenarioError
        If the text is empty, too long, nested too deeply or not TOML.
    """
    if not text.strip():
        raise ScenarioError(source, [f"{source}: is empty"])
    if len(text) > most_bytes:
        raise ScenarioError(source, [f"{source}: is larger than {most_bytes // 1024} KiB"])
    long_key = _LONG_KEY.search(text)
    if long_key:
        line = text.count("\n", 0, long_key.start()) + 1
        raise ScenarioError(source, [f"{source}:{line}: has a key of more than {MOST_KEY_PARTS} parts"])
    if _nesting(text) > MOST_NESTED:
        raise ScenarioError(source, [f"{source}: brackets are nested more than {MOST_NESTED} deep"])
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(source, [_syntax_problem(source, text, str(error))]) from None
    except ValueError:
        raise ScenarioError(source, [f"{source}: an integer has thousands of digits"]) from None


def _nesting(text: str) -> int:
    steps = (1 if mark in "[{" else -1 for mark in (m["bracket"] for m in _BRACKET.finditer(text)) if mark)
    return max(accumulate(steps), default=0)


def _syntax_problem(source: str, text: str, message: str) -> str:
    """Return a message of tomllib with the line number in front and the text of that line."""
    lines = text.split("\n")
    place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    what = message[: place.start()] if place else message
    line = int(place[1]) if place and place[1] else len(lines)
    where = f"{source}:{line}: {shortened(lines[line - 1].strip())}"
    if re.match(r"Cannot (overwrite|declare|mutate)", what):
        return f"{where}: duplicate key or table"
    return f"{where}: not valid TOML: {what}"


def dump_toml(tables: Mapping[str, Any]) -> str:
    """Return TOML text: plain keys first, then the tables, and inline what tables are inside those."""
    plain = {name: value for name, value in tables.items() if not isinstance(value, Mapping)}
    blocks = [_key_lines(plain)]
    blocks += [f"[{name}]\n{_key_lines(table)}" for name, table in tables.items() if name not in plain]
    return "\n".join(blocks)


def _key_lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {toml_value(value)}\n" for name, value in table.items())


def toml_value(value: object) -> str:
    """Return a value as it is written in TOML."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{name} = {toml_value(item)}" for name, item in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"  # of JSON files, whose messages use this too
    if isinstance(value, float):
        return repr(value + 0.0)  # equal numbers are written alike: -0.0 becomes 0.0
    return str(value)


def plain_value(value: Any) -> Any:
    """Return a copy with NumPy's numbers and arrays as Python's own."""
    if isinstance(value, Mapping):
        return {name: plain_value(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value
