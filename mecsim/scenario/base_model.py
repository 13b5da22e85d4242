"""Base models: what adapters are trained on, from the catalogue or written out in a scenario."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from mecsim.config.base import Real, Whole, key
from mecsim.scenario.catalogue import CatalogueEntry, catalogue

_ALLOWED = (
    "the name of a base model in the catalogue, such as 'llama-7b', "
    "or a table { params = ..., layers = ..., width = ... }"
)


class LanguageModel(CatalogueEntry):
    """A base model: how many parameters in how many layers of which width."""

    table: ClassVar[str] = "base_models"
    called: ClassVar[str] = "base model"
    model_config = ConfigDict(json_schema_extra={"allowed": _ALLOWED})

    name: str = key("Name of the model", default="custom", max_length=100)
    params: Annotated[Real, Field(ge=1, le=1e14)] = key("Number of its parameters", example=6.74e9)
    layers: Annotated[Whole, Field(ge=1, le=100_000)] = key("Number of its layers", example=32)
    width: Annotated[Whole, Field(ge=1, le=10_000_000)] = key(
        "Activations of a token between two layers", example=4096
    )
    source: str = key("Where the numbers come from", default="", max_length=1000)

    @property
    def is_in_catalogue(self) -> bool:
        """Whether it is a model of the catalogue, not one that a scenario writes out."""
        return self.name in base_model_names() and self == base_model(self.name)

    def numbers(self) -> dict[str, Any]:
        """Return what counts for the hash of a scenario."""
        return {"params": self.params, "layers": self.layers, "width": self.width}


def base_model_names() -> tuple[str, ...]:
    """Return the names of the base models in the catalogue."""
    return tuple(catalogue(LanguageModel.table))


@cache
def base_model(name: str) -> LanguageModel:
    """Return a base model of the catalogue."""
    return LanguageModel.model_validate(name)
