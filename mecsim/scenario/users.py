"""Users: how many, where they are and what they own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from mecsim.config.base import OneOrEach, Whole, key, refusal
from mecsim.scenario.area import Points, current_area
from mecsim.scenario.equipped import (
    UTILISATION,
    Equipped,
    Fraction,
    GpuCount,
    Power,
    cards_of,
    refuse_other_length,
)
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.layout_file import UserPlaces
from mecsim.scenario.mobility import Mobility
from mecsim.scenario.population import BUDGET, Arrivals, Battery, Budget, UserClass
from mecsim.scenario.power import (
    CIRCUIT,
    GPU_MIN,
    GPU_POWER,
    RECEIVE,
    LeastSpeed,
    UserLaw,
    Watts,
    first_problem,
    idle_power_w,
)
from mecsim.scenario.servers import Sites


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
    layout: UserPlaces | None = key(
        "Where static users stand, by a file, in place of positions_m; the first users.count places are used",
        default=None,
        discriminator="model",
    )
    max_power_w: OneOrEach[Power] = key("Highest transmit power of a user", unit="W", example=0.2)
    gpu: OneOrEach[GpuCard] = key("GPU card of the users", example="GTX1080-fp32")
    gpu_count: OneOrEach[GpuCount] = key("Number of GPUs of each user", example=4)
    gpu_utilisation: OneOrEach[Fraction] = key(UTILISATION, default=0.55)
    gpu_power: UserLaw = key(GPU_POWER, default="cubic")
    gpu_min: OneOrEach[LeastSpeed] = key(GPU_MIN, default=0.0)
    circuit_power_w: OneOrEach[Watts] = key(CIRCUIT.format("user"), unit="W", default=0.0)
    receive_power_w: OneOrEach[Watts] = key(RECEIVE.format("user"), unit="W", default=0.0)
    epochs: OneOrEach[GpuCount] = key("Training epochs of the user's own share of a round", default=1)

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

    _places_m: Sites | None = PrivateAttr(default=None)

    @property
    def places_m(self) -> Sites | None:
        """Where each static user stands, from `positions_m` or `layout`; None if that is drawn."""
        return self._places_m

    def model_post_init(self, context: Any) -> None:
        """Compute the places of the users while the area is known."""
        area = current_area()
        self._places_m = self.positions_m
        if self.layout is not None and area is not None:
            self._places_m = self.layout.read(area, self.count).points_m

    @property
    def follows_trace(self) -> bool:
        """Whether a trace says when users come and go."""
        models = [self.mobility, *(each.mobility for each in self.classes or ())]
        return any(model is not None and model.model == "trace" for model in models)

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
        comes = info.data.get("arrivals") is not None or (info.context or {}).get("crowds", False)
        if value == 0 and not comes:
            allowed = "must be a whole number >= 1 and <= 100000, or 0 with users.arrivals or flash crowds"
            raise refusal(((), allowed))
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
    def _somebody_without_a_trace(cls, value: Any, info: ValidationInfo) -> Any:
        follow = [each.mobility is not None and each.mobility.model == "trace" for each in value or ()]
        if follow and all(follow) and info.data.get("arrivals") is not None:
            raise refusal(((0, "mobility"), "not all classes can have a trace with users.arrivals"))
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

    @field_validator("layout")
    @classmethod
    def _readable(cls, value: UserPlaces | None, info: ValidationInfo) -> UserPlaces | None:
        if value is None or "count" not in info.data:
            return value
        if info.data.get("positions_m") is not None:
            raise refusal(((), "give either positions_m or layout, not both"))
        if getattr(info.data.get("mobility"), "model", "static") != "static":
            raise refusal(((), "only for mobility = { model = 'static' }; users who move start anywhere"))
        found = value.read(current_area(), info.data["count"])
        if found.problems:
            raise refusal((("file",), "; ".join(found.problems)))
        return value
