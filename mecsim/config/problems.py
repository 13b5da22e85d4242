"""Validation errors of pydantic as messages in plain English."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mecsim.config.base import Path
from mecsim.config.json_text import JsonLines
from mecsim.config.keys import Keys, Place, keys_of, kinds_of, words_of
from mecsim.config.locate import Lines
from mecsim.config.toml_text import toml_value
from mecsim.messages import either, nearest, shortened

MOST_PROBLEMS = 100


def problem_lines(
    error: ValidationError,
    model: type[BaseModel],
    tables: Any,
    source: str,
    text: str | None,
    lines_of: Callable[[str], Lines | JsonLines] = Lines,
) -> list[str]:
    """Return one line for each problem: `file:line: dotted.key = value: what is allowed`.

    Parameters
    ----------
    error : ValidationError
        Raised by pydantic.
    model : type
        The model that the tables were checked against.
    tables : mapping
        The values that were checked.
    source : str
        Name of the file, or of where the values came from.
    text : str or None
        The text of `tables`, to find lines in; without it messages name no line.
    lines_of : callable
        What finds them: `Lines` in TOML, `JsonLines` in JSON.
    """
    found = list(islice(_problems(error, keys_of(model)), MOST_PROBLEMS))
    if text is None:
        messages = [f"{source}: {_message(path, tables, message)}" for path, message in found]
    else:
        lines = lines_of(text)
        found.sort(key=lambda problem: lines.of(problem[0]))
        messages = [
            f"{source}:{lines.of(path)}: {_message(path, tables, message)}" for path, message in found
        ]
    if len(found) == MOST_PROBLEMS:
        messages.append(f"{source}: these are the first {MOST_PROBLEMS} problems; there may be more")
    return messages


def dotted(path: Path) -> str:
    """Return a path as people write it, such as ``servers.positions_m[2]``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _problems(error: ValidationError, keys: Keys) -> Iterator[tuple[Path, str]]:
    details = error.errors(include_url=False)
    unknown = [each["loc"] for each in details if each["type"] == "extra_forbidden"][:MOST_PROBLEMS]
    misspelt = {(*loc[:-1], _meant(loc, keys)) for loc in unknown}
    reported: set[Path] = set()
    for each in details:
        if each["type"] == "missing" and each["loc"] in misspelt:
            continue
        for path, message in _in_words(each, keys):
            if path not in reported:  # both numbers of a pair may be wrong
                reported.add(path)
                yield path, message


def _in_words(details: ErrorDetails, keys: Keys) -> Iterator[tuple[Path, str]]:
    place = keys.place(details["loc"])
    match details["type"]:
        case "refusal":
            for path, message in details["ctx"]["problems"]:
                yield (*place.path, *path), message
        case "unknown_name":
            known = details["ctx"]["known"]
            hint = nearest(details["input"], known) or f"; there are {', '.join(known)}"
            yield place.path, f"no such {details['ctx']['what']} in the catalogue{hint}"
        case "extra_forbidden":
            yield place.path, f"unknown key{_right_name(place, keys)}"
        case "missing" if isinstance(details["loc"][-1], str):
            yield place.path, f"missing, must be {keys.allowed(place.fragment)}"
        case "union_tag_invalid":
            kind, word = details["ctx"]["discriminator"].strip("'"), str(details["ctx"]["tag"])
            words = kinds_of(place.fragment)
            yield (*place.path, kind), f"must be {either(words)}{nearest(word, words)}"
        case "finite_number":
            yield place.path, f"must be {keys.allowed(place.fragment)}, and finite"
        case _:
            word = details["input"] if isinstance(details["input"], str) else ""
            hint = nearest(word, words_of(place.fragment))
            yield place.path, f"must be {keys.allowed(place.fragment)}{hint}"


def _meant(location: Path, keys: Keys) -> str:
    """Return the name that an unknown key is closest to, or an empty string."""
    hint = nearest(str(location[-1]), keys.place(location).siblings)
    return hint.split("'")[1] if hint else ""


def _right_name(place: Place, keys: Keys) -> str:
    """Return a hint at what an unknown key may have been meant for."""
    name = str(place.path[-1])
    here = keys.by_name.get(dotted(place.path))
    if here is not None:
        return f"; it goes only with {here.only_with}"
    hint = nearest(name, place.siblings)
    if hint:
        return hint
    tables = [key.rpartition(".")[0] for key in keys.by_name if key.rpartition(".")[2] == name]
    if tables:
        homes = [f"in [{table}]" if table else "above all tables" for table in tables]
        return f"; it belongs {' or '.join(homes)}"
    return f"; allowed are {', '.join(place.siblings)}"


def _message(path: Path, tables: Mapping[str, Any], message: str) -> str:
    name = shortened(dotted(path))
    value: Any = tables
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return f"{name}: {message}"
    try:
        return f"{name} = {shortened(toml_value(value))}: {message}"
    except (RecursionError, ValueError):  # nested too deeply, or an integer of thousands of digits
        return f"{name}: {message}"
