"""GPU cards and adapters: the catalogue, and cards written out in a scenario."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import (
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema

from mecsim.config.base import SMALLEST, Real, Section, key, unknown_name

_ALLOWED = (
    "the name of a card in the catalogue, such as 'A100-fp32', "
    "or a table { peak_tflops = ..., board_power_w = ..., idle_power_w = ... }"
)


class GpuCard(Section):
    """One GPU: how fast it is at best, and what it draws then."""

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

    @model_validator(mode="wrap")
    @classmethod
    def _from_file_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return handler(value)
        if value not in gpu_names():
            raise unknown_name("card", gpu_names())
        return handler({"name": value, **_catalogue("gpus")[value]})

    @model_serializer(mode="wrap")
    def _to_file_form(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Write a card of the catalogue as its name; for the hash only the numbers count."""
        if info.mode == "json":
            return {"peak_tflops": self.peak_tflops, "board_power_w": self.board_power_w}
        return self.name if self.is_in_catalogue else handler(self)

    @property
    def is_in_catalogue(self) -> bool:
        """Whether it is a card of the catalogue, not one that a scenario writes out."""
        return self.name in gpu_names() and self == gpu_card(self.name)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "anyOf": [handler.resolve_ref_schema(handler(core)), {"enum": list(gpu_names())}],
            "allowed": _ALLOWED,
        }


@cache
def _catalogue(name: str) -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(files("mecsim.scenario").joinpath("catalog", f"{name}.toml").read_text("utf-8"))


def gpu_names() -> tuple[str, ...]:
    """Return the names of the GPU cards in the catalogue."""
    return tuple(_catalogue("gpus"))


@cache
def gpu_card(name: str) -> GpuCard:
    """Return a card of the catalogue."""
    return GpuCard.model_validate(name)


def adapter_names() -> tuple[str, ...]:
    """Return the names of the adapters in the catalogue."""
    return tuple(_catalogue("adapters"))


def adapter_params(name: str) -> float:
    """Return how many trainable parameters an adapter of the catalogue has.

    An entry gives the number as `params`, or the shape it follows from:

    - `bottleneck`: `d1*r + r + r*d2 + d2` parameters in each of so many `adapters`;
    - `lora`: `rank * (d_in + d_out)` parameters for each of so many `matrices`.
    """
    entry = _catalogue("adapters")[name]
    if "bottleneck" in entry:
        return _bottleneck_params(**entry["bottleneck"])
    if "lora" in entry:
        return _lora_params(**entry["lora"])
    return float(entry["params"])


def adapter_source(name: str) -> str:
    """Return where the size of an adapter of the catalogue comes from."""
    return str(_catalogue("adapters")[name]["source"])


def base_model_names() -> tuple[str, ...]:
    """Return the names of the base models in the catalogue."""
    return tuple(_catalogue("base_models"))


def base_model_entry(name: str) -> Mapping[str, Any]:
    """Return the keys of a base model of the catalogue."""
    return _catalogue("base_models")[name]


def _bottleneck_params(d1: int, r: int, d2: int, adapters: int) -> float:
    return float((d1 * r + r + r * d2 + d2) * adapters)


def _lora_params(rank: int, d_in: int, d_out: int, matrices: int) -> float:
    return float(rank * (d_in + d_out) * matrices)
