"""The catalogue that ships with mecsim, and what a scenario may name of it or write out."""

from __future__ import annotations

import tomllib
from abc import abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, ClassVar, Self

from pydantic import (
    GetJsonSchemaHandler,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema

from mecsim.config.base import Section, unknown_name


@cache
def catalogue(name: str) -> Mapping[str, Mapping[str, Any]]:
    """Return a table of the catalogue: the keys of each entry by its name."""
    return tomllib.loads(files("mecsim.scenario").joinpath("catalog", f"{name}.toml").read_text("utf-8"))


class CatalogueEntry(Section):
    """Something that a scenario names, if it is in the catalogue, or writes out as a table.

    ``table`` is that of the catalogue, and ``called`` what messages call an entry.
    """

    table: ClassVar[str]
    called: ClassVar[str]

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """Return what counts for the hash of a scenario."""

    @property
    @abstractmethod
    def is_in_catalogue(self) -> bool:
        """Whether it is an entry of the catalogue, not one that a scenario writes out."""

    @model_validator(mode="wrap")
    @classmethod
    def _from_file_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, str):
            return handler(value)
        entries = catalogue(cls.table)
        if value not in entries:
            raise unknown_name(cls.called, tuple(entries))
        return handler({"name": value, **entries[value]})

    @model_serializer(mode="wrap")
    def _to_file_form(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Write an entry of the catalogue as its name; for the hash only the numbers count."""
        if info.mode == "json":
            return self.numbers()
        return getattr(self, "name") if self.is_in_catalogue else handler(self)  # noqa: B009 - of the subclasses

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "anyOf": [handler.resolve_ref_schema(handler(core)), {"enum": list(catalogue(cls.table))}],
            "allowed": (cls.model_config.get("json_schema_extra") or {})["allowed"],  # type: ignore[index]
        }
