"""Servers and users: where they are and what they own."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from mecsim.config.base import SMALLEST, OneOrEach, Real, Whole, key, refusal
from mecsim.scenario.area import Points, current_area
from mecsim.scenario.equipped import Equipped, cards_of, refuse_other_length
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.layout import Layout
from mecsim.scenario.mobility import Mobility
from mecsim.scenario.population import BUDGET, Arrivals, Battery, Budget, UserClass
from mecsim.scenario.power import (
    CIRCUIT,
    GPU_MIN,
    GPU_POWER,
    RECEIVE,
    LeastSpeed,
    ServerLaw,
    UserLaw,
    Watts,
    first_problem,
    idle_power_w,
)

_Bandwidth: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e6)]
_Power: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e5)]
_Fraction: TypeAlias = Annotated[Real, Field(ge=1e-6, le=1)]
_Count: TypeAlias = Annotated[Whole, Field(ge=1, le=1_000_000)]

Sites: TypeAlias = tuple[tuple[float, float], ...]

_UTILISATION = "Share of the peak speed that training reaches"


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
    gpu_power: ServerLaw = key(
        f"{GPU_POWER}; 'shared' is 'board' with the GPUs drawing by the sum of all speeds in use",
        default="cubic",
    )
    gpu_min: OneOrEach[LeastSpeed] = key(f"{GPU_MIN}; with gpu_power = 'shared'", default=0.0)
    circuit_power_w: OneOrEach[Watts] = key(CIRCUIT.format("server"), unit="W", default=0.0)
    receive_power_w: OneOrEach[Watts] = key(RECEIVE.format("server"), unit="W", default=0.0)
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
    gpu_power: UserLaw = key(GPU_POWER, default="cubic")
    gpu_min: OneOrEach[LeastSpeed] = key(GPU_MIN, default=0.0)
    circuit_power_w: OneOrEach[Watts] = key(CIRCUIT.format("user"), unit="W", default=0.0)
    receive_power_w: OneOrEach[Watts] = key(RECEIVE.format("user"), unit="W", default=0.0)
    epochs: OneOrEach[_Count] = key("Training epochs of the user's own share of a round", default=1)

    max_present: Annotated[Whole, Field(ge=1, le=100_000)] | None = key(
        "How many users there may be at once; one who comes beyond that is refused and counted",
        default=None,
        example=20,
    )
    battery: Battery | None = key(
        "Energy that a user carries; left out: no limit", default=None, example={"capacity_j": 50_000}
    )
    energy_budget_w: Budget | None = key(BUDGET, unit="W", default=None, example=2.0)
    classes: Annotated[tuple[UserClass, ...], Field(max_length=100)] | None = key(
        "Kinds of users with devices, movement and work of their own",
        allowed="a list of tables with the keys name, share, mobility, max_power_w, gpu, gpu_count, "
        "gpu_utilisation, gpu_power, gpu_min, circuit_power_w, receive_power_w, epochs, adapter_params, "
        "token_bits, battery, energy_budget_w, delay_weight, energy_weight",
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

    def idle_powers_w(self) -> list[float]:
        """Return the idle power of one GPU for each card of all users and of each class."""
        own = super().idle_powers_w()
        for each in self.classes or ():
            law = each.gpu_power or self.gpu_power
            own += [idle_power_w(card, law) for card in cards_of(each.gpu or self.gpu)]
        return own

    @field_validator("classes")
    @classmethod
    def _cards_of_classes(cls, value: Any, info: ValidationInfo) -> Any:
        found = []
        for k, each in enumerate(value or ()):
            if each.gpu is not None or each.gpu_power is not None:
                cards = cards_of(each.gpu or info.data.get("gpu"))
                place = (k, "gpu_power" if each.gpu_power else "gpu")
                found += first_problem(cards, each.gpu_power or info.data.get("gpu_power"), place)
        if found:
            raise refusal(*found)
        return value

    @field_validator("classes")
    @classmethod
    def _named_once(cls, value: Any) -> Any:
        names = [each.name for each in value or ()]
        twice = [n for n, name in enumerate(names) if name in names[:n]]
        if twice:
            raise refusal(*(((n, "name"), "there is a class of this name before it") for n in twice))
        return value

    @field_validator(
        *("positions_m", "max_power_w", "gpu", "gpu_count", "gpu_utilisation", "epochs"),
        *("gpu_min", "circuit_power_w", "receive_power_w"),
    )
    @classmethod
    def _one_for_each(cls, value: Any, info: ValidationInfo) -> Any:
        if "count" in info.data:
            refuse_other_length(value, info.data["count"], "users")
        return value

    @field_validator("positions_m")
    @classmethod
    def _only_when_static(cls, value: Any, info: ValidationInfo) -> Any:
        mobility = info.data.get("mobility")
        if value is not None and mobility is not None and mobility.model != "static":
            raise refusal(((), "only for mobility = { model = 'static' }; users who move start anywhere"))
        return value
