"""Scenario keys in words, with the unit that the schema gives them, for axes, panels and tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mecsim.config.keys import keys_of
from mecsim.scenario.schema import Scenario

_ONE_OF = {"users": "user", "servers": "server"}
_DATA_UNIT = "bit"
_ACRONYMS = {"gpu", "csi", "snr"}
# Where the words of the key are no words for a reader.
_SAID = {"workload.rounds.think_s": "pause between rounds"}


def key_label(key: str) -> str:
    """Return what an axis calls a key, such as ``server bandwidth (MHz)``."""
    unit = _unit(key)
    return f"{_words(key)} ({unit})" if unit else _words(key)


def setting_text(key: str, value: Any) -> str:
    """Return a key with its value, such as ``server bandwidth = 10 MHz``; of ``scenario`` the value alone."""
    shown = value_text(key, value)
    return shown if key == "scenario" else f"{_words(key)} = {shown}"


def value_text(key: str, value: Any) -> str:
    """Return a value with the unit of its key, such as ``10 MHz``."""
    unit = _unit(key)
    return f"{plain(value)} {unit}" if unit else plain(value)


def in_words(keys: Iterable[str]) -> str:
    """Return the keys in a sentence, such as ``number of users and server bandwidth``."""
    *first, last = [_words(key) for key in keys]
    return f"{', '.join(first)} and {last}" if first else last


def plain(value: Any) -> str:
    """Return a value as a string, a float without a trailing ``.0``."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unit(key: str) -> str:
    found = keys_of(Scenario).by_name.get(key)
    return str(found.fragment.get("unit") or "") if found else ""


def _words(key: str) -> str:
    """Return the name of a key in words: without its unit, and with the thing that it belongs to."""
    table, _, name = key.rpartition(".")
    owner = table.rpartition(".")[2]
    if key in _SAID:
        return _SAID[key]
    if name == "count":
        return f"number of {owner}" if owner else name
    words = _without_unit(name, _unit(key)).replace("_", " ")
    owner = _ONE_OF.get(owner, owner).replace("_", " ")
    named = f"{owner} {words}" if owner and not words.startswith(owner) else words
    return " ".join(word.upper() if word in _ACRONYMS else word for word in named.split())


def _without_unit(name: str, unit: str) -> str:
    if not unit:
        return name
    plural = f"_{unit.lower()}s"
    if unit == _DATA_UNIT and name.endswith(plural):
        return name.removesuffix(plural) + " data"
    written = unit.lower()
    forms = (written, written.replace("/", "p"), written.replace("1/", "per_"), written.replace("/", "_per_"))
    endings = [f"_{form}" for form in forms if name.endswith(f"_{form}")]
    return name.removesuffix(max(endings, key=len)) if endings else name
