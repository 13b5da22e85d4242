"""Servers and users: where they are and what they own."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, TypeAlias

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mecsim.config.base import SMALLEST, OneOrEach, Real, Section, Whole, key, refusal
from mecsim.scenario.area import Points, current_area
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.layout import Layout
from mecsim.scenario.mobility import Mobility
from mecsim.scenario.population import Arrivals, Battery, UserClass

_Bandwidth: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e6)]
_Power: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e5)]
_Fraction: TypeAlias = Annotated[Real, Field(ge=1e-6, le=1)]
_Count: TypeAlias = Annotated[Whole, Field(ge=1, le=1_000_000)]

Sites: TypeAlias = tuple[tuple[float, float], ...]

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
    if isinstance(value, tuple) and count == 0:
        raise refusal(((), f"must be one value for all, as there are no {members} at the start"))
    if isinstance(value, tuple) and len(value) != count:
        raise refusal(((), f"has {len(value)} values, must have one for each of the {count} {members}"))


def _sites(positions_m: Sites | None, layout: Layout | None) -> Sites:
    if layout is None:
        return positions_m or ()
    area = current_area()
    return layout.points_m(area.size_m) if area is not None else ()


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
    max_power_w: OneOrEach[_Power] = key(
        "Transmit power that each server shares out among its users", unit="W", example=10
    )
    gpu: OneOrEach[GpuCard] = key("GPU card of the servers", example="A100-fp32")
    gpu_count: OneOrEach[_Count] = key("Number of GPUs in each server", example=8)
    gpu_utilisation: OneOrEach[_Fraction] = key(_UTILISATION, default=0.55)
    epochs: OneOrEach[_Count] = key("Training epochs of the server's share of a round", default=1)

    _sites_m: Sites = PrivateAttr(default=())

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

    @field_validator("positions_m")
    @classmethod
    def _one_of_two(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.data.get("layout", ...) is None:
            raise PydanticCustomError("missing", "neither points nor a layout")
        if value is not None and info.data.get("layout") is not None:
            raise refusal(((), "give either positions_m or layout, not both"))
        return value

    @field_validator("bandwidth_mhz", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs")
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        sites = _sites(info.data.get("positions_m"), info.data.get("layout"))
        if sites:  # else the positions are invalid, which is reported already
            _refuse_other_length(value, len(sites), "servers")
        return value


class Users(Equipped):
    """The mobile users."""

    arrivals: Arrivals | None = key(
        "Users who come at random besides those who are there from the start",
        default=None,
        example={"rate_per_s": 0.01, "stay_s": {"exponential": 600}},
    )
    count: Annotated[Whole, Field(ge=0, le=100_000)] = key(
        "Number of users who are there from the start", example=10
    )
    mobility: Mobility = key(
        "How the users move",
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

    max_present: Annotated[Whole, Field(ge=1, le=100_000)] | None = key(
        "How many users there may be at once; one who comes beyond that is refused and counted",
        default=None,
        example=20,
    )
    battery: Battery | None = key(
        "Energy that a user carries; left out: no limit", default=None, example={"capacity_j": 50_000}
    )
    classes: Annotated[tuple[UserClass, ...], Field(max_length=100)] | None = key(
        "Kinds of users with devices, movement and work of their own",
        allowed="a list of tables with the keys name, share, mobility, max_power_w, gpu, gpu_count, "
        "gpu_utilisation, epochs, adapter_params, token_bits, battery",
        default=None,
        example=[{"name": "phone", "share": 0.5}, {"name": "car", "share": 0.5, "gpu_count": 8}],
    )

    @property
    def has_batteries(self) -> bool:
        """Whether anybody's energy may run out."""
        return self.battery is not None or any(each.battery is not None for each in self.classes or ())

    @property
    def _members(self) -> int:
        return self.count

    @field_validator("count")
    @classmethod
    def _somebody(cls, value: int, info: ValidationInfo) -> int:
        if value == 0 and info.data.get("arrivals") is None:
            raise refusal(((), "must be a whole number >= 1 and <= 100000, or 0 with users.arrivals"))
        return value

    @field_validator("mobility")
    @classmethod
    def _no_trace_with_arrivals(cls, value: Any, info: ValidationInfo) -> Any:
        if value.model == "trace" and info.data.get("arrivals") is not None:
            raise refusal((("model",), "must be another model with users.arrivals: a trace says who comes"))
        return value

    @field_validator("max_present")
    @classmethod
    def _room_for_all_at_the_start(cls, value: int | None, info: ValidationInfo) -> int | None:
        count = info.data.get("count", 0)
        if value is not None and value < count:
            raise refusal(((), f"must be >= count = {count}, the users who are there from the start"))
        return value

    @field_validator("classes")
    @classmethod
    def _named_once(cls, value: Any) -> Any:
        names = [each.name for each in value or ()]
        twice = [n for n, name in enumerate(names) if name in names[:n]]
        if twice:
            raise refusal(*(((n, "name"), "there is a class of this name before it") for n in twice))
        return value

    @field_validator("positions_m", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs")
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        if "count" in info.data:
            _refuse_other_length(value, info.data["count"], "users")
        return value

    @field_validator("positions_m")
    @classmethod
    def _only_when_static(cls, value: Any, info: ValidationInfo) -> Any:
        mobility = info.data.get("mobility")
        if value is not None and mobility is not None and mobility.model != "static":
            raise refusal(((), "only for mobility = { model = 'static' }; users who move start anywhere"))
        return value
