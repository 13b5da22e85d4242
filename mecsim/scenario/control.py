"""How the system is run: sharing, handover, reallocation, objective, records."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from mecsim.scenario.base import Real, Section, key, refusal


class Service(Section):
    """What happens to granted resources that are not in use."""

    sharing: Literal["reserved", "work_conserving"] = key(
        "Whether a grant is held when not in use ('reserved'), or its bandwidth and GPU share go to "
        "those who can use them meanwhile ('work_conserving')",
        default="reserved",
    )


class Handover(Section):
    """A change of server in mid-round."""

    mode: Literal["migrate"] = key(
        "What happens to a round that changes its server: with 'migrate' it goes on at the new one",
        default="migrate",
    )
    latency_s: Annotated[Real, Field(ge=0, le=1e4)] = key(
        "How long a handover interrupts a round, besides the time its data moves", unit="s", default=0.05
    )
    backhaul_gbps: Annotated[Real, Field(gt=0, le=1e6)] = key(
        "Speed at which data moves between servers", unit="Gbit/s", default=1.0
    )


class Reallocation(Section):
    """When the policy is asked, and what it knows then."""

    period_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key(
        "Time between two calls of the policy", unit="s", default=5.0
    )
    csi: Literal["local_mean", "instantaneous"] = key(
        "Gains that the policy sees: without ('local_mean') or with fast fading ('instantaneous')",
        default="local_mean",
    )
    decision_latency: Literal["none"] = key(
        "Simulated time that a decision takes; with 'none' it is in force at once", default="none"
    )
    on_invalid: Literal["raise", "hold"] = key(
        "After an invalid allocation: stop the run ('raise'), or keep the last valid one and count ('hold')",
        default="raise",
    )


class Objective(Section):
    """Weights of delay and energy, and the shape of the score."""

    delay_weight_per_s: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Weight of the largest delay of a round", unit="1/s", default=0.5
    )
    energy_weight_per_j: Annotated[Real, Field(ge=0, le=1e9)] = key(
        "Weight of the energy of all users' rounds", unit="1/J", default=0.005
    )
    score_scale: Annotated[Real, Field(gt=0, le=1e12)] = key(
        "Factor s1 of a score s1 ln(1 + s2 (b/B + q/P + g/F)); the default makes it lie in [0, 1000]",
        default=1000 / math.log(2),
    )
    score_slope: Annotated[Real, Field(gt=0, le=1e6)] = key("Factor s2 of that score", default=1 / 3)

    @field_validator("energy_weight_per_j")
    @classmethod
    def _not_both_zero(cls, value: float, info: ValidationInfo) -> float:
        if value == 0 and info.data.get("delay_weight_per_s") == 0:
            raise refusal(((), "must be > 0, as delay_weight_per_s = 0"))
        return value


class Record(Section):
    """What a run writes down besides its rounds."""

    positions_s: Annotated[Real, Field(ge=1e-3, le=1e9)] = key(
        "Time between two records of all positions", unit="s", default=10.0
    )
