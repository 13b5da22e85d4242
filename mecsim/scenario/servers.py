"""Servers: where they are and what they own."""

from __future__ import annotations

from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from mecsim.config.base import SMALLEST, OneOrEach, Real, key, refusal
from mecsim.scenario.area import Points, current_area
from mecsim.scenario.equipped import UTILISATION, Equipped, Fraction, GpuCount, Power, refuse_other_length
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.layout_file import Layout, LayoutFile
from mecsim.scenario.power import (
    CIRCUIT,
    GPU_MIN,
    GPU_POWER,
    RECEIVE,
    LeastSpeed,
    ServerLaw,
    Watts,
    first_problem,
)

_Bandwidth: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e6)]

Sites: TypeAlias = tuple[tuple[float, float], ...]

_KINDS: dict[str, Any] = {
    "bandwidth_mhz": (_Bandwidth, "a number >= 1e-12 and <= 1e6"),
    "max_power_w": (Power, "a number >= 1e-12 and <= 1e5"),
    "gpu": (GpuCard, "the name of a card in the catalogue"),
    "gpu_count": (GpuCount, "a whole number >= 1 and <= 1000000"),
}


def _sites(positions_m: Sites | None, layout: Layout | None) -> Sites:
    if layout is None:
        return positions_m or ()
    area = current_area()
    return layout.points_m(area) if area is not None else ()


class Servers(Equipped):
    """The edge servers."""

    layout: Layout | None = key(
        "How the servers are laid out, in place of positions_m",
        default=None,
        discriminator="model",
    )
    positions_m: Annotated[Points, Field(min_length=1, max_length=1000)] | None = key(
        "Where each server stands; there are as many servers as points",
        unit="m",
        allowed="a list of 1 to 1000 points [x, y] inside the area; or give layout in its place",
        example=[[250, 500], [750, 500]],
        instead_of="layout",
        default=None,
        validate_default=True,
    )
    bandwidth_mhz: OneOrEach[_Bandwidth] = key(
        "Bandwidth that each server shares out among its users, uplink and downlink each",
        unit="MHz",
        example=10,
    )
    max_power_w: OneOrEach[Power] = key(
        "Transmit power that each server shares out among its users", unit="W", example=10
    )
    gpu: OneOrEach[GpuCard] = key("GPU card of the servers", example="A100-fp32")
    gpu_count: OneOrEach[GpuCount] = key("Number of GPUs in each server", example=8)
    gpu_utilisation: OneOrEach[Fraction] = key(UTILISATION, default=0.55)
    gpu_power: ServerLaw = key(
        f"{GPU_POWER}; 'shared' is 'board' with the GPUs drawing by the sum of all speeds in use",
        default="cubic",
    )
    gpu_min: OneOrEach[LeastSpeed] = key(f"{GPU_MIN}; with gpu_power = 'shared'", default=0.0)
    circuit_power_w: OneOrEach[Watts] = key(CIRCUIT.format("server"), unit="W", default=0.0)
    receive_power_w: OneOrEach[Watts] = key(RECEIVE.format("server"), unit="W", default=0.0)
    epochs: OneOrEach[GpuCount] = key("Training epochs of the server's share of a round", default=1)

    _sites_m: Sites = PrivateAttr(default=())
    _cells: dict[str, tuple[Any, ...]] = PrivateAttr(default_factory=dict)

    @property
    def sites_m(self) -> Sites:
        """Position of each server, from `positions_m` or `layout`."""
        return self._sites_m

    @property
    def count(self) -> int:
        """Number of servers."""
        return len(self._sites_m)

    @property
    def _members(self) -> int:
        return self.count

    def model_post_init(self, context: Any) -> None:
        """Compute the positions of the servers while the area is known."""
        self._sites_m = _sites(self.positions_m, self.layout)

    @model_validator(mode="after")
    def _values_of_the_file(self) -> Self:
        """Take the values that the file of the layout has for each server, and check them."""
        if isinstance(self.layout, LayoutFile) and current_area() is not None:
            self._cells = self.layout.cells(_KINDS)
            found = first_problem(self.gpu_cards(), self.gpu_power, ("gpu_power",))
            if found:
                raise refusal(*found)
        return self

    def _each(self, name: str) -> list[Any]:
        return list(self._cells[name]) if name in self._cells else super()._each(name)

    @field_validator("positions_m")
    @classmethod
    def _one_of_two(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("layout", ...) is None:
            raise PydanticCustomError("missing", "neither points nor a layout")
        if value is not None and info.data.get("layout") is not None:
            raise refusal(((), "give either positions_m or layout, not both"))
        return value

    @field_validator("gpu_min")
    @classmethod
    def _only_when_shared(cls, value: Any, info: ValidationInfo) -> Any:
        if value and value != 0.0 and info.data.get("gpu_power", "shared") != "shared":
            raise refusal(
                ((), "only with gpu_power = 'shared'; else each user's share has a speed of its own")
            )
        return value

    @field_validator(
        *("bandwidth_mhz", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs"),
        *("gpu_min", "circuit_power_w", "receive_power_w"),
    )
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        sites = _sites(info.data.get("positions_m"), info.data.get("layout"))
        if sites:  # else the positions are invalid, which is reported already
            refuse_other_length(value, len(sites), "servers")
        return value
