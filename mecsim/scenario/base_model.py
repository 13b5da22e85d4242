"""Base models: what adapters are trained on, from the catalogue or written out in a scenario."""

from __future__ import annotations

from functools import cache
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

from mecsim.config.base import Real, Section, Whole, key, unknown_name
from mecsim.scenario.gpu_catalogue import base_model_entry, base_model_names

_ALLOWED = (
    "the name of a base model in the catalogue, such as 'llama-7b', "
    "or a table { params = ..., layers = ..., width = ... }"
)


class LanguageModel(Section):
    """A base model: how many parameters in how many layers of which width."""

    model_config = ConfigDict(json_schema_extra={"allowed": _ALLOWED})

    name: str = key("Name of the model", default="custom", max_length=100)
    params: Annotated[Real, Field(ge=1, le=1e14)] = key("Number of its parameters", example=6.74e9)
    layers: Annotated[Whole, Field(ge=1, le=100_000)] = key("Number of its layers", example=32)
    width: Annotated[Whole, Field(ge=1, le=10_000_000)] = key(
        "Activations of a token between two layers", example=4096
    )
    source: str = key("Where the numbers come from", default="", max_length=1000)

    @model_validator(mode="wrap")
    @classmethod
    def _from_file_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return handler(value)
        if value not in base_model_names():
            raise unknown_name("base model", base_model_names())
        return handler({"name": value, **base_model_entry(value)})

    @model_serializer(mode="wrap")
    def _to_file_form(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Write a model of the catalogue as its name; for the hash only the numbers count."""
        if info.mode == "json":
            return {"params": self.params, "layers": self.layers, "width": self.width}
        in_catalogue = self.name in base_model_names() and self == base_model(self.name)
        return self.name if in_catalogue else handler(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "anyOf": [handler.resolve_ref_schema(handler(core)), {"enum": list(base_model_names())}],
            "allowed": _ALLOWED,
        }


@cache
def base_model(name: str) -> LanguageModel:
    """Return a base model of the catalogue."""
    return LanguageModel.model_validate(name)
