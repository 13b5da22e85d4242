"""What of a scenario's base model fits where, in words."""

from __future__ import annotations

from collections.abc import Iterator

from mecsim.scenario.distribution import Distribution
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.memory import (
    BYTES_PER_GB,
    activation_bytes,
    largest,
    memory_bytes,
    room_for,
    weight_bytes,
)
from mecsim.scenario.schema import Scenario


def memory_lines(scenario: Scenario) -> list[str]:
    """Return what the base model takes, and how much of it servers and users hold; nothing without one."""
    section = scenario.workload
    if section.base_model is None:
        return []
    weights_gb, activations_gb = (size(section) / BYTES_PER_GB for size in (weight_bytes, activation_bytes))
    batch = f"{section.batch_size} x {section.tokens_per_sequence} tokens"
    servers = zip(scenario.servers.gpu_cards(), scenario.servers.column("gpu_count"), strict=True)
    return [
        f"{section.base_model.name} in {section.precision}: {weights_gb:.3g} GB of weights, "
        f"{activations_gb:.3g} GB of activations of {batch}",
        *(f"servers with {_cards(*pair)}: all of it" for pair in dict.fromkeys(servers)),
        *(
            f"users with {_cards(card, count)}: {_share(scenario, size, memory_bytes(card, count))}"
            for card, count, size in dict.fromkeys(_users(scenario))
        ),
    ]


def _users(scenario: Scenario) -> Iterator[tuple[GpuCard, float, Distribution]]:
    """Yield card, number of cards and adapter size of each kind of users."""
    users, size = scenario.users, scenario.workload.adapter_params
    own = list(zip(users.gpu_cards(), users.column("gpu_count"), strict=True))
    if not users.classes:
        yield from ((card, count, size) for card, count in own)
    for each in users.classes or ():
        for card, count in own:
            yield each.gpu or card, float(each.gpu_count or count), each.adapter_params or size


def _cards(card: GpuCard, count: float) -> str:
    memory = "memory not known" if card.memory_gb is None else f"{card.memory_gb:g} GB"
    return f"{count:g} x {card.name} ({memory})"


def _share(scenario: Scenario, size: Distribution, memory: float) -> str:
    """Return up to which phi the part of a user fits into so many bytes."""
    phi = room_for(scenario.workload, largest(size), memory)
    if phi >= 1.0:
        return "all of it" if memory < float("inf") else "no bound"
    return f"phi up to {phi:.3g}" if phi > 0.0 else "nothing of it (phi = 0)"
