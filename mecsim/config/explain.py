"""What a key of a file format means, in words."""

from __future__ import annotations

from pydantic import BaseModel

from mecsim.config.keys import Key, Keys, keys_of
from mecsim.config.toml_text import toml_value


def explain_key(model: type[BaseModel], name: str) -> str:
    """Return what a key means, its unit, default, allowed values and an example; a table lists its keys.

    Raises
    ------
    KeyError
        If the model has no such key.
    """
    keys = keys_of(model)
    key = keys.by_name[name]
    return _table(key, keys) if key.is_table else _key(key, keys)


def list_tables(model: type[BaseModel], title: str) -> str:
    """Return the keys and tables at the top of a file, one a line, under a title."""
    return _listing(title, "", keys_of(model))


def _key(key: Key, keys: Keys) -> str:
    default = key.fragment.get("default")
    rows = [
        ("unit", key.fragment.get("unit", "")),
        ("only with", key.only_with),
        ("default", _default(key) if default is None else toml_value(default)),
        ("allowed", keys.allowed(key.fragment)),
        ("catalogue", ", ".join(keys.catalogue(key.fragment))),
        *_examples(key, keys),
    ]
    lines = [f"  {name + ':':<11}{text}" for name, text in rows if text]
    inside = keys.of_each(key)
    width = max((len(each.name) for each in inside), default=0)
    lines += [f"    {each.name:<{width}}  {_summary(each)}" for each in inside]
    return "\n".join([f"{key.name}: {key.fragment['description']}", *lines])


def _default(key: Key) -> str:
    return "none, it must be given" if key.required else "left out"


def _table(table: Key, keys: Keys) -> str:
    title = f"{table.name}: {table.fragment['description']}"
    if "." not in table.name:
        return _listing(title, table.name, keys)
    examples = [f"  {name}: {text}" for name, text in _examples(table, keys)]
    return "\n".join([_listing(title, table.name, keys), *examples])


def _examples(key: Key, keys: Keys) -> list[tuple[str, str]]:
    name = key.name.split(".")[-1]
    return [("example", f"{name} = {toml_value(value)}") for value in keys.examples(key)]


def _listing(title: str, table: str, keys: Keys) -> str:
    inside = keys.directly_in(table)
    width = max(len(key.name) for key in inside)
    return "\n".join([title, *(f"  {key.name:<{width}}  {_summary(key)}" for key in inside)])


def _summary(key: Key) -> str:
    notes = [f"only with {key.only_with}"] if key.only_with else []
    if key.required:
        notes.append("required")
    return f"{key.about} ({', '.join(notes)})" if notes else key.about
