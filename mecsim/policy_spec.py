"""Policy specs: ``target:key=value,key=value``, with quotes, brackets and specs inside specs."""

from __future__ import annotations

import ast
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mecsim.errors import PolicyNotFound
from mecsim.messages import shortened

# Letters of any script, as in Python: a parameter may be called λ.
_KEY = r"[^\W\d]\w*"
_PARAMETERS = re.compile(rf":(?=\s*{_KEY}\s*=)")
_KEY_FOLLOWS = re.compile(rf"\s*{_KEY}\s*=")
_PLAIN_TEXT = re.compile(r"[^\s,'\"()\[\]{}\\](?:[^,'\"()\[\]{}\\\n]*[^\s,'\"()\[\]{}\\])?")
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_CODE = re.compile(r"[^:]+:\s*[^\W\d]|.*\.py\s*:", re.DOTALL)

INNERS = ("policy", "then")
"""The parameters that are policies within another."""

MOST_NESTED = 16
"""How deep policies within policies may be."""

_FORMER_NAMES = {"dashf-reference": "dashf_reference"}


class PolicySpec(NamedTuple):
    """A policy as a person names it.

    ``str`` of a spec parses to an equal one.

    Parameters
    ----------
    target : str
        A registered name, ``package.module:Class`` or ``file.py:Class``.
    parameters : dict
        Numbers, booleans, None, strings, and lists, tuples and dicts of these. A nested spec is a string.
    """

    target: str
    parameters: dict[str, Any]

    @classmethod
    def parse(cls, spec: str) -> PolicySpec:
        """Split ``"target:key=value,key=value"`` into a target and parameters.

        Values are Python literals, or true and false in any case; anything else is a string. A comma in
        quotes or brackets separates nothing, and a nested spec stands in quotes or parentheses:
        ``hysteresis:policy='a,b',margin=0.1``, ``switch:policy=(dashf:max_iterations=4),at_s=600``.

        Raises
        ------
        PolicyNotFound
            If a quote or bracket is open, a key is given twice or a part is not ``key=value``; names the
            spec, the position (from 1) and the part.
        """
        found = _PARAMETERS.search(spec)
        if found is None or not spec[: found.start()].strip():
            return cls(_today(spec), {})
        parameters: dict[str, Any] = {}
        for start, item in _split(spec, found.end(), spec):
            key, equals, text = item.partition("=")
            name, position = (
                unicodedata.normalize("NFKC", key.strip()),
                start + len(item) - len(item.lstrip()) + 1,
            )
            if not equals or not re.fullmatch(_KEY, name):
                raise _problem(spec, position, f"parameter '{shortened(item.strip())}' must read key=value")
            if name in parameters:
                raise _problem(spec, position, f"duplicate key '{name}'")
            parameters[name] = parse_value(text.strip())
        return cls(_today(spec[: found.start()]), parameters)

    def __str__(self) -> str:
        items = ",".join(f"{key}={_written(value)}" for key, value in self.parameters.items())
        return f"{self.target}:{items}" if items else self.target


def split_specs(text: str) -> list[str]:
    """Split ``"a,b:x=1,y=2,c"`` into specs: a comma before ``key=`` belongs to the spec before it.

    A comma in quotes or brackets separates nothing.
    """
    specs: list[str] = []
    for _, part in _split(text, 0, text):
        if specs and _KEY_FOLLOWS.match(part):
            specs[-1] = f"{specs[-1]},{part}"
        else:
            specs.append(part)
    return [spec.strip() for spec in specs if spec.strip()]


def code_named(target: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return each ``package.module:Class`` and ``file.py:Class`` that a policy names; imports nothing.

    Those in its parameters count at any depth and under any key: a policy may make a policy of a string.

    Raises
    ------
    PolicyNotFound
        If policies are nested more than `MOST_NESTED` deep.
    """
    return list(_code_in(target, parameters, 0))


def _code_in(target: str, parameters: Mapping[str, Any], depth: int) -> Iterator[str]:
    if depth > MOST_NESTED:
        raise PolicyNotFound(f"policy '{shortened(target)}': is nested more than {MOST_NESTED} deep")
    if ":" in target:
        yield target
    for key, value in parameters.items():
        yield from _code_in_value(value, key in INNERS, depth + 1)


def _code_in_value(value: Any, is_policy: bool, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _code_in_value(str(key), False, depth)
            yield from _code_in_value(part, is_policy or key in INNERS, depth)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            yield from _code_in_value(part, is_policy, depth)
    elif isinstance(value, str):
        try:
            target, parameters = PolicySpec.parse(value)
        except PolicyNotFound:  # a text that only resembles a spec
            target, parameters = value, {}
        is_code = is_policy or _CODE.match(target)
        yield from _code_in(target if is_code else "", parameters, depth)


def _today(target: str) -> str:
    """Return the name of today for a policy that was called otherwise."""
    return _FORMER_NAMES.get(target.strip(), target.strip())


def _problem(spec: str, position: int, what: str) -> PolicyNotFound:
    return PolicyNotFound(f"policy '{shortened(spec)}', position {position}: {what}")


def _split(text: str, start: int, spec: str) -> Iterator[tuple[int, str]]:
    """Yield start and content of the parts of ``text[start:]`` between commas outside quotes and brackets."""
    begin, place = start, start
    while place < len(text):
        letter = text[place]
        if letter in "'\"" and not _within_word(text, place):
            place = _end_of_quote(text, place, spec)
        elif letter in _CLOSING and not _within_target(text, begin, place):
            place = _end_of_bracket(text, place, spec)
        elif letter == ",":
            yield begin, text[begin:place]
            begin = place + 1
        place += 1
    yield begin, text[begin:]


def _within_word(text: str, place: int) -> bool:
    """Return whether a quote is an apostrophe, as in ``it's``."""
    return place > 0 and (text[place - 1].isalnum() or text[place - 1] == "_")


def _within_target(text: str, begin: int, place: int) -> bool:
    """Return whether a bracket belongs to a file name, as in ``copy (2).py:Mine``."""
    return "=" not in text[begin:place]


def _end_of_quote(text: str, start: int, spec: str) -> int:
    place = start + 1
    while place < len(text):
        if text[place] == "\\":
            place += 1
        elif text[place] == text[start]:
            return place
        place += 1
    raise _problem(spec, start + 1, f"the quote {text[start]} is not closed")


def _end_of_bracket(text: str, start: int, spec: str) -> int:
    open_brackets = [start]
    place = start + 1
    while place < len(text):
        letter = text[place]
        if letter in "'\"" and not _within_word(text, place):
            place = _end_of_quote(text, place, spec)
        elif letter in _CLOSING:
            open_brackets.append(place)
        elif letter in _CLOSING.values():
            if letter != _CLOSING[text[open_brackets.pop()]]:
                raise _problem(spec, place + 1, f"'{letter}' closes no bracket of its kind")
            if not open_brackets:
                return place
        place += 1
    opened = open_brackets[-1]
    raise _problem(spec, opened + 1, f"the bracket {text[opened]} is not closed")


def parse_value(text: str) -> Any:
    """Return the value that a text stands for in a spec."""
    literal = _literal(text)
    if literal is not text:
        return literal
    if text.startswith("(") and text.endswith(")") and _end_of_bracket(text, 0, text) == len(text) - 1:
        return text[1:-1].strip()
    return text


def _literal(text: str) -> Any:
    """Return the value of a literal, or the very text if it is none."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = ast.literal_eval(text)
        return value if _is_documented(value) else text
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _is_documented(value: Any) -> bool:
    """Return whether a literal is a number, a string, a truth value, None, or a list or table of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_documented, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(_is_documented, value.values()))
    return value is None or isinstance(value, bool | int | float | str)


def _written(value: Any) -> str:
    """Return a value as it is written in a spec; a string without quotes where it can be."""
    if isinstance(value, str):
        return value if _PLAIN_TEXT.fullmatch(value) and parse_value(value) is value else repr(value)
    return _literally(value)


def _literally(value: Any) -> str:
    if isinstance(value, float) and math.isinf(value):
        return "1e999" if value > 0 else "-1e999"
    if isinstance(value, list):
        return f"[{', '.join(map(_literally, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_literally, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literally(k)}: {_literally(v)}' for k, v in value.items())}}}"
    return repr(value)
