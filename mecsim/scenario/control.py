"""How the system is run: sharing, handover, reallocation, objective, records."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import (
    Field,
    PlainValidator,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_serializer,
)

from mecsim.config.base import SMALLEST, Path, Real, Section, key, refusal
from mecsim.messages import nearest

if TYPE_CHECKING:
    from mecsim.scenario.population import UserClass

CallEvent: TypeAlias = Literal["round_start", "arrival", "departure", "outage"]
"""What may make the engine ask the policy between two periods."""

_LONGEST_LATENCY_S = 1e4
_LATENCY = f"'none', 'measured' or a number of seconds >= {SMALLEST:g} and <= {_LONGEST_LATENCY_S:g}"


def _checked_latency(value: object) -> object:
    """Return a latency, or refuse it with one message for all its forms."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and SMALLEST <= value <= _LONGEST_LATENCY_S:  # type: ignore[operator]  # just looked at
        return float(value)  # type: ignore[arg-type]
    if value in ("none", "measured"):
        return value
    hint = nearest(value, ("none", "measured")) if isinstance(value, str) else ""
    raise refusal(((), f"must be {_LATENCY}{hint}"))


_Latency: TypeAlias = Annotated[
    Any,
    PlainValidator(_checked_latency),
    WithJsonSchema({
        "anyOf": [
            {"type": "number", "minimum": SMALLEST, "maximum": _LONGEST_LATENCY_S},
            {"const": "none"},
            {"const": "measured"},
        ]
    }),
]  # fmt: skip


class Service(Section):
    """What happens to granted resources that are not in use."""

    sharing: Literal["reserved", "work_conserving"] = key(
        "Whether a grant is held when not in use ('reserved'), or its bandwidth and GPU share go to "
        "those who can use them meanwhile ('work_conserving')",
        default="reserved",
    )


class Handover(Section):
    """A change of server in mid-round."""

    mode: Literal["migrate", "restart", "pin"] = key(
        "What happens to a round that changes its server: it goes on at the new one ('migrate'), what the "
        "old one did is lost ('restart'), or it must not change once its local training is over ('pin')",
        default="migrate",
    )
    latency_s: Annotated[Real, Field(ge=0, le=1e4)] = key(
        "How long a handover interrupts a round, besides the time its data moves", unit="s", default=0.05
    )
    backhaul_gbps: Annotated[Real, Field(ge=SMALLEST, le=1e6)] = key(
        "Speed at which data moves between servers", unit="Gbit/s", default=1.0
    )


class Reallocation(Section):
    """When the policy is asked, and what it knows then."""

    period_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key(
        "Time between two calls of the policy", unit="s", default=5.0
    )
    events: tuple[CallEvent, ...] = key(
        "What the policy is asked at besides",
        allowed="a list of some of 'round_start', 'arrival', 'departure' and 'outage'",
        default=(),
        example=["arrival", "departure"],
    )
    min_interval_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Shortest time from a call of the policy to one for an event", unit="s", default=0.0
    )
    csi: Literal["local_mean", "instantaneous", "effective"] = key(
        "Gains that the policy sees: without ('local_mean') or with fast fading ('instantaneous'), or the "
        "constant gain that carries the mean rate of the fading one at high SNR ('effective')",
        default="local_mean",
    )
    csi_delay_s: Annotated[Real, Field(ge=0, le=1e4)] = key(
        "Age of the gains that the policy sees", unit="s", default=0.0
    )
    csi_error_db: Annotated[Real, Field(ge=0, le=40)] = key(
        "Standard deviation of the error of these gains", unit="dB", default=0.0
    )
    csi_error_decorrelation_s: Annotated[Real, Field(ge=SMALLEST, le=1e9)] = key(
        "Time over which the autocorrelation of that error falls to 1/e", unit="s", default=10.0
    )
    decision_latency: _Latency = key(
        "Simulated time from a call of the policy to its decision in force; 'none' is at once, "
        "'measured' the CPU time of the decision, which no other run repeats",
        allowed=_LATENCY,
        default="none",
    )
    decision_deadline_s: Annotated[Real, Field(ge=SMALLEST, le=1e9)] | None = key(
        "Latency from which on a decision is too late and the allocation in force is held; left out: none is",
        unit="s",
        default=None,
        example=1.0,
    )
    on_invalid: Literal["raise", "hold"] = key(
        "After an invalid allocation: stop the run ('raise'), or keep the last valid one and count ('hold')",
        default="raise",
    )


class Objective(Section):
    """Weights of delay and energy, and the shape of the score."""

    delay: Literal["max", "mean"] = key(
        "Which delay of a round of all users counts: the largest ('max', the paper's) or the mean ('mean')",
        default="max",
    )
    delay_weight_per_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Weight of the delay", unit="1/s", default=0.5
    )
    energy_weight_per_j: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Weight of the energy of all users' rounds", unit="1/J", default=0.005
    )
    score_scale: Annotated[Real, Field(ge=SMALLEST, le=1e12)] = key(
        "Factor s1 of a score s1 ln(1 + s2 (b/B + q/P + g/F)); the default makes it lie in [0, 1000]",
        default=1000 / math.log(2),
    )
    score_slope: Annotated[Real, Field(ge=SMALLEST, le=1e6)] = key("Factor s2 of that score", default=1 / 3)

    @field_validator("energy_weight_per_j")
    @classmethod
    def _not_both_zero(cls, value: float, info: ValidationInfo) -> float:
        if value == 0 and info.data.get("delay_weight_per_s") == 0:
            raise refusal(((), "must be > 0, as delay_weight_per_s = 0"))
        return value

    @model_serializer(mode="wrap")
    def _hashed(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo) -> Any:
        """Leave the default delay out of the hash: hashes from before this key stay what they are."""
        content = handler(self)
        if info.mode == "json" and self.delay == "max":
            del content["delay"]
        return content


def costless(objective: Objective, classes: Iterable[UserClass]) -> list[tuple[Path, str]]:
    """Return what is wrong if there are classes of users and nothing that any of them does costs anything."""
    prices = (objective.delay_weight_per_s, objective.energy_weight_per_j)
    costs = [
        price > 0 and weight != 0
        for own in classes
        for price, weight in zip(prices, (own.delay_weight, own.energy_weight), strict=True)
    ]
    if not costs or any(costs):
        return []
    allowed = (
        f"with delay_weight_per_s = {prices[0]:g} and the weights of users.classes nobody costs anything: a "
        "class must have a delay_weight or an energy_weight > 0 where that of the objective is > 0 too"
    )
    return [(("energy_weight_per_j",), allowed)]


WINDOW_S = 300.0
"""Default of ``record.window_s``."""


class Record(Section):
    """What a run writes down besides its rounds."""

    later = frozenset({"bound", "window_s"})

    positions_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key(
        "Time between two records of all positions", unit="s", default=10.0
    )
    allocations: StrictBool = key(
        "Whether the allocation of every decision that took effect is written down", default=True
    )
    bound: StrictBool = key(
        "Whether the epochs get a proved upper bound of the SCR and the gap to it, and the table 'worth' is "
        "written; it takes CPU time at every decision",
        default=False,
    )
    window_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key(
        "Length of the windows after the warm-up over which the metric scr_window is computed; what is left "
        "over at the end belongs to the last one",
        unit="s",
        default=WINDOW_S,
    )
