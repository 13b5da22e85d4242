"""What a key of a scenario file means, in words and as a JSON schema."""

from __future__ import annotations

from typing import Any

from mecsim.config.keys import Key, Keys, keys_of
from mecsim.config.toml_text import toml_value
from mecsim.errors import ScenarioError
from mecsim.messages import nearest
from mecsim.scenario.gpu_catalogue import adapter_names, adapter_params, adapter_source, gpu_card, gpu_names
from mecsim.scenario.schema import Scenario


def explain(name: str) -> str:
    """Return what a key means, its unit, default, allowed values and an example.

    Parameters
    ----------
    name : str
        Dotted key such as ``"channel.carrier_ghz"``; a table such as ``"channel"``, whose keys are
        listed; the name of a card or adapter in the catalogue; or an empty string for all tables.

    Raises
    ------
    ScenarioError
        If there is no such key; names the nearest one.
    """
    keys = keys_of(Scenario)
    if name in keys.by_name:
        key = keys.by_name[name]
        return _table(key, keys) if key.is_table else _key(key, keys)
    if not name:
        return _listing("A scenario file", "", keys)
    if name in gpu_names():
        card = gpu_card(name)
        return f"{name}: {card.peak_tflops:g} TFLOP/s at best, {card.board_power_w:g} W ({card.source})"
    if name in adapter_names():
        return f"{name}: {adapter_params(name):.0f} parameters ({adapter_source(name)})"
    known = (*keys.by_name, *gpu_names(), *adapter_names())
    raise ScenarioError("explain", [f"{name}: no such key of a scenario file{nearest(name, known)}"])


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files, for editors that check while one types."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | dict(keys_of(Scenario).schema)


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
