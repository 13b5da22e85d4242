"""What users train, and when their rounds start."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from pydantic.types import StrictBool

from mecsim.config.base import SMALLEST, Real, Section, key
from mecsim.scenario.distribution import AdapterSize, Distribution

_THINK = "Time between the end of a round and the start of the next"
_MODE = "When rounds start"

_ThinkTime: TypeAlias = Annotated[Real, Field(ge=0, le=1e7)]


class Continuous(Section):
    """A user starts its next round when its last one has ended."""

    mode: Literal["continuous"] = key(_MODE, default="continuous")
    think_s: _ThinkTime = key(_THINK, unit="s", default=0.0)


class Synchronous(Section):
    """All users start their next round together, when the last of them has finished."""

    mode: Literal["synchronous"] = key(_MODE, default="synchronous")
    think_s: _ThinkTime = key(_THINK, unit="s", default=0.0)


class Poisson(Section):
    """Rounds arrive at each user at random and wait their turn there."""

    mode: Literal["poisson"] = key(_MODE, default="poisson")
    rate_per_s: Annotated[Real, Field(ge=SMALLEST, le=1e4)] = key(
        "Mean number of arrivals at each user", unit="1/s", example=0.01
    )


class Periodic(Section):
    """Rounds arrive at each user at a fixed interval and wait their turn there."""

    mode: Literal["periodic"] = key(_MODE, default="periodic")
    period_s: Annotated[Real, Field(ge=1e-6, le=1e9)] = key(
        "Time from one arrival to the next", unit="s", example=300
    )
    staggered: StrictBool = key(
        "Whether the users' first arrivals are spread over one period, or all at the start", default=True
    )


Rounds: TypeAlias = Continuous | Synchronous | Poisson | Periodic


class Workload(Section):
    """The training work of a round."""

    rounds: Rounds = key("When rounds start", default=Continuous(), discriminator="mode")
    adapter_params: AdapterSize = key(
        "Trainable parameters of a user's adapter",
        unit="parameters",
        example={"uniform": [1.2e6, 14e6]},
    )
    token_bits: Distribution = key(
        "Token data that a user trains on in one round", unit="bit", example={"uniform": [10e6, 50e6]}
    )
    bits_per_token_id: Annotated[Real, Field(ge=SMALLEST, le=1e4)] = key(
        "Bits that one token takes in the token data", unit="bit", default=32.0
    )
    flops_per_param_and_token: Annotated[Real, Field(ge=SMALLEST, le=1e6)] = key(
        "Operations for each parameter and token: 2 forward, 4 backward", unit="FLOP", default=6.0
    )
    bits_per_param: Annotated[Real, Field(ge=0, le=1e4)] = key(
        "Bits that one parameter takes on the radio; with 0 transfers take no time",
        unit="bit",
        default=32.0,
    )
