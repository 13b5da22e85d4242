"""GPU cards and adapters: the catalogue, and cards written out in a scenario."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from mecsim.config.base import SMALLEST, Real, key
from mecsim.scenario.catalogue import CatalogueEntry, catalogue

_ALLOWED = (
    "the name of a card in the catalogue, such as 'A100-fp32', "
    "or a table { peak_tflops = ..., board_power_w = ..., idle_power_w = ... }"
)


class GpuCard(CatalogueEntry):
    """One GPU: how fast it is at best, and what it draws then."""

    table: ClassVar[str] = "gpus"
    called: ClassVar[str] = "card"
    model_config = ConfigDict(json_schema_extra={"allowed": _ALLOWED})

    name: str = key("Name of the card", default="custom", max_length=100)
    peak_tflops: Annotated[Real, Field(ge=SMALLEST, le=1e6)] = key(
        "Top speed of one GPU at the precision used for training", unit="TFLOP/s", example=19.5
    )
    board_power_w: Annotated[Real, Field(ge=SMALLEST, le=1e6)] = key(
        "Power one GPU draws at its top speed", unit="W", example=400
    )
    idle_power_w: Annotated[Real, Field(ge=0, le=1e6)] | None = key(
        "Power one GPU draws while it has nothing to do", unit="W", default=None, example=53.7
    )
    memory_gb: Annotated[Real, Field(ge=SMALLEST, le=1e6)] | None = key(
        "Memory of one GPU", unit="GB", default=None, example=80
    )
    source: str = key("Where the numbers come from", default="", max_length=1000)

    @property
    def is_in_catalogue(self) -> bool:
        """Whether it is a card of the catalogue, not one that a scenario writes out."""
        return self.name in gpu_names() and self == gpu_card(self.name)

    def numbers(self) -> dict[str, Any]:
        """Return what counts for the hash of a scenario: idle power and memory do so where they are used."""
        return {"peak_tflops": self.peak_tflops, "board_power_w": self.board_power_w}


def gpu_names() -> tuple[str, ...]:
    """Return the names of the GPU cards in the catalogue."""
    return tuple(catalogue(GpuCard.table))


@cache
def gpu_card(name: str) -> GpuCard:
    """Return a card of the catalogue."""
    return GpuCard.model_validate(name)


def adapter_names() -> tuple[str, ...]:
    """Return the names of the adapters in the catalogue."""
    return tuple(catalogue("adapters"))


def adapter_params(name: str) -> float:
    """Return how many trainable parameters an adapter of the catalogue has.

    An entry gives the number as `params`, or the shape it follows from:

    - `bottleneck`: `d1*r + r + r*d2 + d2` parameters in each of so many `adapters`;
    - `lora`: `rank * (d_in + d_out)` parameters for each of so many `matrices`.
    """
    entry = catalogue("adapters")[name]
    if "bottleneck" in entry:
        return _bottleneck_params(**entry["bottleneck"])
    if "lora" in entry:
        return _lora_params(**entry["lora"])
    return float(entry["params"])


def adapter_source(name: str) -> str:
    """Return where the size of an adapter of the catalogue comes from."""
    return str(catalogue("adapters")[name]["source"])


def _bottleneck_params(d1: int, r: int, d2: int, adapters: int) -> float:
    return float((d1 * r + r + r * d2 + d2) * adapters)


def _lora_params(rank: int, d_in: int, d_out: int, matrices: int) -> float:
    return float(rank * (d_in + d_out) * matrices)
