"""A new scenario file, with every key explained where it stands."""

from __future__ import annotations

from textwrap import wrap

from mecsim.config.keys import Key, Keys, keys_of
from mecsim.config.toml_text import toml_value
from mecsim.scenario.schema import Scenario

_WIDTH = 100
_HEAD = (
    "A scenario of mecsim. Lines without '#' must be there; the others show defaults and further forms. "
    "`mecsim explain KEY` says more about a key, `mecsim validate FILE` checks the file."
)


def new_scenario_text(name: str) -> str:
    """Return the text of a new scenario file with comments, ready to run.

    Parameters
    ----------
    name : str
        Name of the scenario.

    Raises
    ------
    ScenarioError
        If the name cannot be one.
    """
    keys = keys_of(Scenario)
    top = keys.directly_in("")
    blocks = [_comment(_HEAD), *(_entry(key, keys, name) for key in top if not key.is_table)]
    for table in top:
        if table.is_table:
            blocks.append(f"\n{_comment(table.about)}\n[{table.name}]")
            blocks += [_entry(key, keys, name) for key in keys.directly_in(table.name)]
    text = "\n\n".join(blocks) + "\n"
    Scenario.from_toml(text, f"new scenario {name!r}")
    return text


def _entry(key: Key, keys: Keys, scenario_name: str) -> str:
    """Return one key: what it means, what is allowed, and its line with each kind of value."""
    about = [_comment(f"{key.about}."), _comment(f"Allowed: {keys.allowed(key.fragment)}.")]
    values = [scenario_name] if key.name == "name" else keys.examples(key)
    name = key.name.split(".")[-1]
    lines = [f"{name} = {toml_value(value)}" for value in values]
    if key.name != "name":
        brief = [f"{name} = {toml_value(value)}" for value in keys.examples(key, brief=True)]
        lines = [line if len(line) <= _WIDTH else short for line, short in zip(lines, brief, strict=True)]
    given = 1 if key.required else 0
    return "\n".join([*about, *lines[:given], *(f"# {line}" for line in lines[given:])])


def _comment(text: str) -> str:
    return "\n".join(wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# "))
