"""What ``mecsim explain`` answers to a word: a key, a metric, a policy, a card, or what comes near it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import NamedTuple

from mecsim.errors import ScenarioError
from mecsim.messages import shortened

_MOST = 20
_NEAR = 0.75
_WORDS = {
    "phi": "local_fraction: the share of the adapter that the user trains; the server trains the rest",
    "MEC": "mobile edge computing: servers beside the base stations of a mobile network",
    "CSI": "channel state information: the gains that a policy is shown; see reallocation.csi",
}


class Entry(NamedTuple):
    """Something with a name: what it is, its name, what it means."""

    kind: str
    name: str
    about: str


def answer(word: str) -> list[str]:
    """Return the lines that explain a word, or list what it may mean.

    Raises
    ------
    ScenarioError
        If nothing has a name or a meaning like it.
    """
    from mecsim.scenario.explain import explain

    try:
        return explain(word).split("\n")
    except ScenarioError:
        everything = list(entries())
    same = [each for each in everything if each.name.casefold() == word.casefold()]
    if same:
        return [line for each in same for line in _whole(each)]
    found = _found(word, everything)
    if not found:
        raise ScenarioError("explain", [f"{shortened(word)}: no key, metric, policy or card is called that"])
    width = max(len(each.name) for each in found[:_MOST])
    lines = [f"{shortened(word)}: no name is exactly that; it may be one of"]
    lines += [f"  {each.kind:<10}  {each.name:<{width}}  {each.about}" for each in found[:_MOST]]
    left = len(found) - _MOST
    return [*lines, f"  and {left} more: give more of the word"] if left > 0 else lines


def entries() -> Iterator[Entry]:
    """Yield everything that has a name in scenario files, tables of results and commands."""
    from mecsim.config.keys import keys_of
    from mecsim.registry import list_policies
    from mecsim.results.metrics import ALL_METRICS
    from mecsim.scenario.base_model import base_model_names
    from mecsim.scenario.gpu_catalogue import adapter_names, gpu_names
    from mecsim.scenario.schema import Scenario

    yield from (Entry("word", word, about) for word, about in _WORDS.items())
    yield from (Entry("metric", m.name, f"{m.meaning} [{m.unit}]") for m in ALL_METRICS)
    yield from (Entry("policy", p.name, p.error or p.summary) for p in list_policies())
    for key in keys_of(Scenario).by_name.values():
        yield Entry("table" if key.is_table else "key", key.name, key.about)
    catalogue = {"GPU": gpu_names(), "adapter": adapter_names(), "base model": base_model_names()}
    yield from (Entry(kind, name, "in the catalogue") for kind, names in catalogue.items() for name in names)


def _whole(entry: Entry) -> list[str]:
    """Return all that is said of one metric, policy or word."""
    from mecsim.results.metrics import METRIC

    lines = [f"{entry.name} ({entry.kind}): {entry.about}"]
    if entry.kind == "metric":
        metric = METRIC[entry.name]
        lines += [f"  in tables: {metric.head}", f"  better:    {metric.better}"]
    elif entry.kind == "policy":
        lines.append(f"  run it:    mecsim run campus --policy {entry.name}; all of them: mecsim policies")
    return lines


def _found(word: str, everything: list[Entry]) -> list[Entry]:
    """Return what a word may mean, best first: in a name, near a part of a name, in a meaning."""
    wanted = word.casefold()

    def rank(entry: Entry) -> float:
        parts = re.split(r"[._\-\s]", entry.name.casefold())
        if wanted in parts:
            return 0
        if wanted in entry.name.casefold():
            return 1
        alike = max(SequenceMatcher(None, wanted, part).ratio() for part in parts)
        if alike >= _NEAR:
            return 3 - alike
        return 3 if re.search(rf"\b{re.escape(wanted)}", entry.about.casefold()) else 4

    ranked = sorted(((rank(entry), place) for place, entry in enumerate(everything)))
    return [everything[place] for level, place in ranked if level < 4]
