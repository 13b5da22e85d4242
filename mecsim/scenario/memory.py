"""Memory of GPUs: what a base model and its training take, docs/model.md section 3, and who lacks it.

What is not known bounds nothing: a scenario without base model, a card without ``memory_gb``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from mecsim.scenario.distribution import Distribution
from mecsim.scenario.gpu_catalogue import GpuCard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mecsim.config.base import Path
    from mecsim.scenario.workload import Precision, Workload

BYTES_PER_GB = 1e9
BYTES_PER_WEIGHT: Mapping[Precision, float] = {
    "fp32": 4.0,
    "bf16": 2.0,
    "fp16": 2.0,
    "int8": 1.0,
    "int4": 0.5,
}
# Weight, gradient and two moments of Adam, in fp32.
_BYTES_PER_TRAINED = 16.0
# Of a layer, for each token and unit of width at 16 bit: Korthikanti et al., arXiv 2205.05198, section 4,
# without attention maps; with recomputation the input of each layer alone.
_BYTES_OF_A_LAYER, _BYTES_RECOMPUTED = 34.0, 2.0


def weight_bytes(workload: Workload) -> float:
    """Return the bytes of the base model's weights; 0 without one."""
    model = workload.base_model
    return 0.0 if model is None else model.params * BYTES_PER_WEIGHT[workload.precision]


def activation_bytes(workload: Workload) -> float:
    """Return the bytes of the activations of all layers for one batch; 0 without a base model."""
    model = workload.base_model
    if model is None:
        return 0.0
    each = _BYTES_RECOMPUTED if workload.recompute else _BYTES_OF_A_LAYER
    return each * workload.batch_size * workload.tokens_per_sequence * model.layers * model.width


def trained_bytes(adapter_params: Any) -> Any:
    """Return the bytes that the trained parameters take; numbers or arrays."""
    return _BYTES_PER_TRAINED * adapter_params


def needed_bytes(workload: Workload, adapter_params: float) -> float:
    """Return the bytes that training everything takes (phi = 0 at a server, phi = 1 at a user)."""
    return weight_bytes(workload) + float(trained_bytes(adapter_params)) + activation_bytes(workload)


def memory_bytes(card: GpuCard, gpu_count: float) -> float:
    """Return the memory of the GPUs of one device together; infinite if it is not known."""
    return math.inf if card.memory_gb is None else card.memory_gb * BYTES_PER_GB * gpu_count


def room_for(workload: Workload, adapter_params: Any, memory: Any) -> Any:
    """Return the phi whose part of the model fills so many bytes; it may be negative or above 1.

    A split model is held as far as it is trained; the other ones are passed through as a whole.
    """
    held, trained = weight_bytes(workload) + activation_bytes(workload), trained_bytes(adapter_params)
    return memory / (held + trained) if workload.model == "split" else (memory - held) / trained


def largest(size: Distribution) -> float:
    """Return the largest adapter; of exponential sizes the mean, as they have no largest one."""
    return max(size.values)


def problems(workload: Workload, servers: Any, users: Any) -> list[tuple[Path, str]]:
    """Return what of the base model cannot be: servers that cannot hold it, epochs that differ in a split."""
    if workload.base_model is None:
        return []
    found: list[tuple[Path, str]] = []
    sizes = [workload.adapter_params, *(each.adapter_params for each in users.classes or ())]
    params = max(largest(size) for size in sizes if size is not None)
    needed = needed_bytes(workload, params)
    counts = servers.column("gpu_count")
    for m, (card, count) in enumerate(zip(servers.gpu_cards(), counts, strict=True)):
        if memory_bytes(card, count) < needed:
            has = f"{count:g} x {card.memory_gb:g} GB of {card.name}"
            found.append(
                (
                    ("base_model",),
                    f"must fit into every server: {_parts(workload, params)}, but server {m} has {has}",
                )
            )
            break
    least = workload.bits_per_token_id / workload.base_model.width
    if workload.model == "split" and workload.bits_per_activation < least:
        allowed = (
            f"must be >= {least:g}, so that the activations of a token are no less than the token itself"
        )
        found.append((("bits_per_activation",), allowed))
    epochs = {*servers.column("epochs"), *users.column("epochs")}
    epochs |= {float(each.epochs) for each in users.classes or () if each.epochs is not None}
    if workload.model == "split" and len(epochs) > 1:
        several = ", ".join(f"{value:g}" for value in sorted(epochs))
        found.append(
            (("model",), f"'split' needs one number of epochs for users and servers, there are {several}")
        )
    return found


def _parts(workload: Workload, adapter_params: float) -> str:
    sizes = [weight_bytes(workload), activation_bytes(workload), float(trained_bytes(adapter_params))]
    weights, activations, trained = (f"{size / BYTES_PER_GB:.3g}" for size in sizes)
    total = f"{sum(sizes) / BYTES_PER_GB:.3g}"
    return (
        f"{total} GB ({weights} GB of weights in {workload.precision}, {activations} GB of activations, "
        f"{trained} GB for the trained parameters)"
    )
