"""Servers and users: where they are and what they own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, TypeAlias

from pydantic import Field, ValidationInfo, field_validator

from mecsim.scenario.area import Points
from mecsim.scenario.base import OneOrEach, Real, Section, Whole, key, refusal
from mecsim.scenario.cards import GpuCard
from mecsim.scenario.mobility import Mobility, Static

_Bandwidth: TypeAlias = Annotated[Real, Field(gt=0, le=1e6)]
_Power: TypeAlias = Annotated[Real, Field(gt=0, le=1e5)]
_Fraction: TypeAlias = Annotated[Real, Field(gt=0, le=1)]
_Count: TypeAlias = Annotated[Whole, Field(ge=1, le=1_000_000)]

_UTILISATION = "Share of the peak speed that training reaches"


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

    def _each(self, name: str) -> list[Any]:
        value = getattr(self, name)
        return list(value) if isinstance(value, tuple) else [value] * self._members


def _refuse_other_length(value: object, count: int, members: str) -> None:
    if isinstance(value, tuple) and len(value) != count:
        raise refusal(((), f"has {len(value)} values, must have one for each of the {count} {members}"))


class Servers(Equipped):
    """The edge servers."""

    positions_m: Annotated[Points, Field(min_length=1, max_length=1000)] = key(
        "Where each server stands; there are as many servers as points",
        unit="m",
        allowed="a list of 1 to 1000 points [x, y] inside the area",
        example=[[250, 500], [750, 500]],
    )
    bandwidth_mhz: OneOrEach[_Bandwidth] = key(
        "Bandwidth that each server shares out among its users, uplink and downlink each",
        unit="MHz",
        example=10,
    )
    max_power_w: OneOrEach[_Power] = key(
        "Transmit power that each server shares out among its users", unit="W", example=10
    )
    gpu: OneOrEach[GpuCard] = key("GPU card of the servers", example="A100-fp32")
    gpu_count: OneOrEach[_Count] = key("Number of GPUs in each server", example=8)
    gpu_utilisation: OneOrEach[_Fraction] = key(_UTILISATION, default=0.55)
    epochs: OneOrEach[_Count] = key("Training epochs of the server's share of a round", default=1)

    @property
    def count(self) -> int:
        """Number of servers."""
        return len(self.positions_m)

    @property
    def _members(self) -> int:
        return self.count

    @field_validator("bandwidth_mhz", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs")
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        if "positions_m" in info.data:
            _refuse_other_length(value, len(info.data["positions_m"]), "servers")
        return value


class Users(Equipped):
    """The mobile users."""

    count: Annotated[Whole, Field(ge=1, le=100_000)] = key("Number of users", example=10)
    mobility: Mobility = key(
        "How the users move",
        discriminator="model",
        example={"model": "random_waypoint", "speed_mps": [0.5, 2.0]},
    )
    positions_m: Points | None = key(
        "Where each user stands, for static users; left out: drawn uniformly over the area",
        unit="m",
        allowed="a list of points [x, y] inside the area, one for each user",
        default=None,
    )
    max_power_w: OneOrEach[_Power] = key("Highest transmit power of a user", unit="W", example=0.2)
    gpu: OneOrEach[GpuCard] = key("GPU card of the users", example="GTX1080-fp32")
    gpu_count: OneOrEach[_Count] = key("Number of GPUs of each user", example=4)
    gpu_utilisation: OneOrEach[_Fraction] = key(_UTILISATION, default=0.55)
    epochs: OneOrEach[_Count] = key("Training epochs of the user's own share of a round", default=1)

    @property
    def _members(self) -> int:
        return self.count

    @field_validator("positions_m", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs")
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        if "count" in info.data:
            _refuse_other_length(value, info.data["count"], "users")
        return value

    @field_validator("positions_m")
    @classmethod
    def _only_when_static(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and not isinstance(info.data.get("mobility", Static()), Static):
            raise refusal(((), "only for mobility = { model = 'static' }; users who move start anywhere"))
        return value
