"""Which path loss a channel has: a name, or a table with a name and parameters."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, TypeAlias, cast

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from mecsim.config.base import refusal
from mecsim.messages import either
from mecsim.scenario.models import PATH_LOSS, Model, OneOf, models, unusable

NUMBERS_IN_OWN_TABLE = "log_distance"
"""The model whose parameters are in ``[channel.log_distance]``, as they were before there were plug-ins."""


class PathLossLimits(Model):
    """What a channel checks about its path loss; see :class:`~mecsim.world.channel.model.PathLossModel`."""

    has_line_of_sight: ClassVar[bool] = False
    default_server_height_m: ClassVar[float | None] = None
    lowest_carrier_ghz: ClassVar[float] = 0.0
    highest_user_m: ClassVar[float] = math.inf


def path_loss_model(value: str | Model) -> Model:
    """Return the model of a path loss; a name stands for the one with default parameters."""
    return models(PATH_LOSS)[value]() if isinstance(value, str) else value


def limits_of(value: str | Model) -> type[PathLossLimits]:
    """Return the class of a path loss."""
    return cast("type[PathLossLimits]", models(PATH_LOSS)[value] if isinstance(value, str) else type(value))


def name_of(value: str | Model) -> str:
    """Return the name of a path loss."""
    return value if isinstance(value, str) else value.model


def with_line_of_sight() -> list[str]:
    """Return the names of the models whose loss depends on line of sight."""
    found = cast("dict[str, type[PathLossLimits]]", models(PATH_LOSS))
    return [name for name, model in found.items() if model.has_line_of_sight]


class _NameOrTable(OneOf):
    """A name stands for the model with its default parameters, and so is that model again in a file."""

    def offered(self) -> dict[str, type[Model]]:
        """Return the models with parameters of their own; the others are named by a string."""
        found = models(PATH_LOSS).items()
        return {
            name: cls for name, cls in found if len(cls.model_fields) > 1 and name != NUMBERS_IN_OWN_TABLE
        }

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        words: JsonSchemaValue = {"enum": list(models(PATH_LOSS)), "type": "string"}
        if not self.offered():
            return words
        return {"anyOf": [words, super().__get_pydantic_json_schema__(schema, handler)]}

    def _validated(self, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            return self._named(value)
        if not isinstance(value, dict | Model) or not self.offered():
            raise PydanticKnownError("literal_error", {"expected": either(tuple(models(PATH_LOSS)))})
        model = super()._validated(value, info)
        return model.model if _is_default(model) else model

    def _named(self, name: str) -> str:
        fault = unusable(PATH_LOSS).get(name)
        if fault:
            raise refusal(((), f"is registered, but cannot be used: {fault}"))
        if name not in models(PATH_LOSS):
            raise PydanticKnownError("literal_error", {"expected": either(tuple(models(PATH_LOSS)))})
        required = [key for key, field in models(PATH_LOSS)[name].model_fields.items() if field.is_required()]
        if required:
            raise refusal(((), f'needs parameters: {{ model = "{name}", {required[0]} = ... }}'))
        return name


def _is_default(model: Model) -> bool:
    given = model.model_fields_set - {"model"}
    return all(getattr(model, key) == type(model).model_fields[key].default for key in given)


PathLoss: TypeAlias = Annotated[str | Model, _NameOrTable(PATH_LOSS)]
