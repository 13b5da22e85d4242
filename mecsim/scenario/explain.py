"""What a key of a scenario file means, in words and as a JSON schema."""

from __future__ import annotations

from typing import Any

from mecsim.config.explain import explain_key, list_tables
from mecsim.config.keys import keys_of
from mecsim.errors import ScenarioError
from mecsim.messages import nearest
from mecsim.scenario.base_model import base_model, base_model_names
from mecsim.scenario.gpu_catalogue import (
    adapter_names,
    adapter_params,
    adapter_source,
    gpu_card,
    gpu_names,
)
from mecsim.scenario.memory import BYTES_PER_GB, BYTES_PER_WEIGHT
from mecsim.scenario.schema import Scenario


def explain(name: str) -> str:
    """Return what a key means, its unit, default, allowed values and an example.

    Parameters
    ----------
    name : str
        Dotted key such as ``"channel.carrier_ghz"``; a table such as ``"channel"``, whose keys are
        listed; the name of a card, adapter or base model in the catalogue; or an empty string for all tables.

    Raises
    ------
    ScenarioError
        If there is no such key; names the nearest one.
    """
    keys = keys_of(Scenario).by_name
    if name in keys:
        return explain_key(Scenario, name)
    if not name:
        return list_tables(Scenario, "A scenario file")
    if name in gpu_names():
        card = gpu_card(name)
        return (
            f"{name}: {card.peak_tflops:g} TFLOP/s at best, {card.board_power_w:g} W ({card.source})\n"
            f"  idle power {card.idle_power_w:g} W, memory {card.memory_gb:g} GB"
        )
    if name in adapter_names():
        return f"{name}: {adapter_params(name):.0f} parameters ({adapter_source(name)})"
    if name in base_model_names():
        return _explain_base_model(name)
    known = (*keys, *gpu_names(), *adapter_names(), *base_model_names())
    raise ScenarioError("explain", [f"{name}: no such key of a scenario file{nearest(name, known)}"])


def _explain_base_model(name: str) -> str:
    """Return the numbers of a base model, and which cards of the catalogue hold its weights."""
    model = base_model(name)
    numbers = f"{model.params:.4g} parameters, {model.layers} layers of width {model.width}"
    lines = [f"{name}: {numbers} ({model.source})"]
    cards = [(card, gpu_card(card).memory_gb) for card in gpu_names()]
    for precision, size in BYTES_PER_WEIGHT.items():
        weights_gb = model.params * size / BYTES_PER_GB
        fits = [card for card, memory_gb in cards if memory_gb is not None and memory_gb >= weights_gb]
        held = f"; one of {', '.join(fits)} holds them" if fits else ""
        lines.append(f"  {precision}: {weights_gb:.3g} GB of weights{held}")
    unknown = [card for card, memory_gb in cards if memory_gb is None]
    if unknown:
        lines.append(f"  the catalogue has no memory for {', '.join(unknown)}")
    return "\n".join(lines)


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of scenario files, for editors that check while one types."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return dialect | dict(keys_of(Scenario).schema)
