"""What the sections of servers and users have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, TypeAlias

from pydantic import (
    Field,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from mecsim.config.base import SMALLEST, Real, Section, Whole, refusal
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.power import first_problem, idle_power_w, without_defaults

Power: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e5)]
Fraction: TypeAlias = Annotated[Real, Field(ge=1e-6, le=1)]
GpuCount: TypeAlias = Annotated[Whole, Field(ge=1, le=1_000_000)]

UTILISATION = "Share of the peak speed that training reaches"


class Equipped(Section):
    """What servers and users have in common: keys with one value for all or one for each."""

    @property
    @abstractmethod
    def _members(self) -> int:
        """How many servers or users there are."""

    def column(self, name: str) -> list[float]:
        """Return the values of a key, one for each server or user, in the unit of the file."""
        return [float(value) for value in self._each(name)]

    def gpu_cards(self) -> list[GpuCard]:
        """Return the GPU card of each server or user."""
        return self._each("gpu")

    def idle_powers_w(self) -> list[float]:
        """Return the idle power of one GPU for each value of the key `gpu`, as far as it is drawn."""
        gpu, law = getattr(self, "gpu"), getattr(self, "gpu_power")  # noqa: B009 - of the subclasses
        return [idle_power_w(card, law) for card in cards_of(gpu)]

    @field_validator("gpu_power", check_fields=False)
    @classmethod
    def _cards_can_have_it(cls, value: str, info: ValidationInfo) -> str:
        found = first_problem(cards_of(info.data.get("gpu")), value)
        if found:
            raise refusal(*found)
        return value

    @model_serializer(mode="wrap")
    def _hashed(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        content = handler(self)
        return without_defaults(content, self.idle_powers_w()) if info.mode == "json" else content

    def _each(self, name: str) -> list[Any]:
        value = getattr(self, name)
        return list(value) if isinstance(value, tuple) else [value] * self._members


def refuse_other_length(value: object, count: int, members: str) -> None:
    """Refuse a list that does not have one value for each member."""
    if isinstance(value, tuple) and count == 0:
        raise refusal(((), f"must be one value for all, as there are no {members} at the start"))
    if isinstance(value, tuple) and len(value) != count:
        raise refusal(((), f"has {len(value)} values, must have one for each of the {count} {members}"))


def cards_of(gpu: Any) -> list[GpuCard]:
    """Return the cards of a key, none where it is invalid, which is reported already."""
    return [card for card in (gpu if isinstance(gpu, tuple) else [gpu]) if isinstance(card, GpuCard)]
