"""Random amounts of work: their forms in a file, and the inverse distribution function."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    model_serializer,
    model_validator,
)
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic_core import CoreSchema

from mecsim.config.base import SMALLEST, Real, Section, ascending, key, refusal, unknown_name
from mecsim.scenario.gpu_catalogue import adapter_names, adapter_params

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Kind: TypeAlias = Literal["constant", "uniform", "exponential", "choice"]

MOST = 1e15
"""Largest amount accepted, far above any adapter or training set."""

_ALLOWED = (
    f"a number >= {SMALLEST:g} and <= {MOST:g}, or a table {{ uniform = [low, high] }}, "
    "{ exponential = mean } or { choice = [a, b, ...] }, where per = 'user' or 'round' may follow"
)
_ALLOWED_ADAPTER = f"the name of an adapter in the catalogue, such as 'llama-adapter-v1', or {_ALLOWED}"

_Amount: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=MOST)]


class Distribution(Section):
    """A positive random quantity; a number in a file stands for a constant."""

    constant: _Amount | None = key("The only value", default=None, example=30e6)
    uniform: Annotated[tuple[_Amount, _Amount], AfterValidator(ascending)] | None = key(
        "Lowest and highest value, all between equally likely",
        allowed=f"two numbers [low, high] with {SMALLEST:g} <= low <= high <= {MOST:g}",
        default=None,
        example=[10e6, 50e6],
    )
    exponential: _Amount | None = key("Mean of exponential values", default=None, example=30e6)
    choice: Annotated[tuple[_Amount, ...], Field(min_length=1)] | None = key(
        "Values that are equally likely",
        allowed=f"a list of numbers >= {SMALLEST:g} and <= {MOST:g}",
        default=None,
        example=[10e6, 30e6, 50e6],
    )
    per: Literal["user", "round"] = key(
        "Whether it is drawn once for each user or afresh for each round", default="user"
    )

    @property
    def kind(self) -> Kind:
        """Its law."""
        kinds: tuple[Kind, ...] = ("constant", "uniform", "exponential", "choice")
        return next(kind for kind in kinds if getattr(self, kind) is not None)

    @property
    def values(self) -> tuple[float, ...]:
        """The constant; lowest and highest value; the mean; or the equally likely values."""
        value = getattr(self, self.kind)
        return value if isinstance(value, tuple) else (value,)

    @property
    def mean(self) -> float:
        """Expected value."""
        return math.fsum(self.values) / len(self.values)

    def ppf(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the inverse distribution function.

        Parameters
        ----------
        u : array of float
            Probabilities in [0, 1), of any shape.

        Returns
        -------
        array of float
            Values, of the same shape.
        """
        import numpy as np

        if self.exponential is not None:
            return -self.exponential * np.log1p(-u)
        if self.uniform is not None:
            low, high = self.uniform
            return low + (high - low) * u
        index = np.floor(u * len(self.values)).astype(np.intp)
        chosen: NDArray[np.float64] = np.asarray(self.values)[index]
        return chosen

    @model_validator(mode="wrap")
    @classmethod
    def _from_file_form(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, str):
            value = cls._named(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return handler(value)
        if not SMALLEST <= value <= MOST:
            raise refusal(((), f"must be {_ALLOWED}"))
        return handler({"constant": value})

    @classmethod
    def _named(cls, name: str) -> object:
        """Return what a name stands for; there are none for amounts in general."""
        return name

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        values = (self.constant, self.uniform, self.exponential, self.choice)
        if sum(value is not None for value in values) != 1:
            raise refusal(((), f"must be {_ALLOWED}"))
        return self

    @model_serializer
    def _to_file_form(self) -> float | dict[str, Any]:
        if self.constant is not None and self.per == "user":
            return self.constant
        return {self.kind: getattr(self, self.kind)} | ({} if self.per == "user" else {"per": self.per})

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        number = {"type": "number", "minimum": SMALLEST, "maximum": MOST}
        return {"anyOf": [handler.resolve_ref_schema(handler(core)), number], "allowed": _ALLOWED}


class AdapterSize(Distribution):
    """How many parameters an adapter has; also the name of one in the catalogue may stand for it."""

    @classmethod
    def _named(cls, name: str) -> object:
        if name not in adapter_names():
            raise unknown_name("adapter", adapter_names())
        return adapter_params(name)

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = super().__get_pydantic_json_schema__(core, handler)
        names = {"enum": list(adapter_names())}
        return {"anyOf": [*schema["anyOf"], names], "allowed": _ALLOWED_ADAPTER}
