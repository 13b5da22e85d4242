"""A new file of a format, with every key explained where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from textwrap import wrap
from typing import Any

from pydantic import BaseModel

from mecsim.config.keys import Key, Keys, keys_of
from mecsim.config.toml_text import toml_value

_WIDTH = 100


def template_text(model: type[BaseModel], head: str, values: Mapping[str, Any]) -> str:
    """Return the text of a new file: required keys with examples, all others in comments.

    Parameters
    ----------
    model : type
        The format.
    head : str
        What the first comment says.
    values : mapping
        Values of some keys in place of their examples.
    """
    keys = keys_of(model)
    top = keys.directly_in("")
    optional = [key for key in top if not key.is_table and "properties" in key.fragment]
    plain = [key for key in top if not key.is_table and key not in optional]
    blocks = [_comment(head), *(_entry(key, keys, values) for key in plain)]
    for table in top:
        if table.is_table:
            blocks.append(f"\n{_comment(table.about)}\n[{table.name}]")
            blocks += [_entry(key, keys, values) for key in keys.directly_in(table.name)]
    for table in optional:
        blocks.append(f"\n{_comment(table.about)}\n# [{table.name}]")
        inside = (replace(key, required=False) for key in keys.directly_in(table.name))
        blocks += [_entry(key, keys, values) for key in inside]
    return "\n\n".join(blocks) + "\n"


def _entry(key: Key, keys: Keys, values: Mapping[str, Any]) -> str:
    """Return one key: what it means, what is allowed, and its line with each kind of value."""
    about = [_comment(f"{key.about}."), _comment(f"Allowed: {keys.allowed(key.fragment)}.")]
    name = key.name.split(".")[-1]
    if key.name in values:
        lines = [f"{name} = {toml_value(values[key.name])}"]
    else:
        full, brief = (
            [f"{name} = {toml_value(value)}" for value in keys.examples(key, brief=short)]
            for short in (False, True)
        )
        lines = [line if len(line) <= _WIDTH else short for line, short in zip(full, brief, strict=True)]
    given = 1 if key.required else 0
    return "\n".join([*about, *lines[:given], *(f"# {line}" for line in lines[given:])])


def _comment(text: str) -> str:
    return "\n".join(wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# "))
