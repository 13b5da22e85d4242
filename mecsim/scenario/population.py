"""Arrivals, departures, classes and batteries of users."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from mecsim.config.base import SMALLEST, Real, Section, Whole, key
from mecsim.scenario.distribution import AdapterSize, Distribution
from mecsim.scenario.gpu_catalogue import GpuCard
from mecsim.scenario.mobility import Mobility
from mecsim.scenario.power import CIRCUIT, GPU_MIN, GPU_POWER, RECEIVE, LeastSpeed, UserLaw, Watts

_Factor: TypeAlias = Annotated[Real, Field(ge=0, le=1e6)]
_Weight: TypeAlias = Annotated[Real, Field(ge=0, le=1e6)]

MOST_USERS = 100_000
"""Most users that may come in one run."""

STAY = "How long a user stays; left out: until its rounds are done or the run ends"
ROUNDS = "Rounds after which a user leaves; left out: no limit"


Budget: TypeAlias = Annotated[Real, Field(ge=SMALLEST, le=1e6)]
BUDGET = "Budget of the mean power that a user's own device draws, for policies that keep to it"


class Arrivals(Section):
    """Users who arrive at random, stay for a while and leave."""

    rate_per_s: Annotated[Real, Field(ge=SMALLEST, le=1e4)] = key(
        "Mean number of users who come, where the hourly factor is 1", unit="1/s", example=0.01
    )
    stay_s: Distribution | None = key(STAY, unit="s", default=None, example={"exponential": 600})
    rounds: Annotated[Whole, Field(ge=1, le=1_000_000_000)] | None = key(ROUNDS, default=None, example=1)
    hourly: Annotated[tuple[_Factor, ...], Field(min_length=1, max_length=1000)] | None = key(
        "Factor of the rate in each hour from the start of the run on; after the last it starts again",
        allowed="a list of numbers >= 0 and <= 1e6, one for each hour",
        default=None,
        example=[0.2, 0.1, 0.5, 1.0],
    )

    def expected(self, duration_s: float) -> float:
        """Return how many users come in a run, at most, on average."""
        return self.rate_per_s * max(self.hourly or (1.0,)) * duration_s


class Battery(Section):
    """The energy that a user carries; one who has used it up stops."""

    capacity_j: Distribution = key("Energy when the user comes", unit="J", example=50_000)
    idle_w: Annotated[Real, Field(ge=0, le=1e6)] = key(
        "Power that a user draws all the time, besides training and sending", unit="W", default=0.0
    )


class UserClass(Section):
    """A kind of users; what it leaves out is as for all users."""

    name: str = key(
        "Name of the kind",
        pattern=r"^\w[\w.-]{0,99}$",
        allowed="1 to 100 letters, digits, '_', '-' or '.', not starting with '-' or '.'",
        example="phone",
    )
    share: Annotated[Real, Field(ge=1e-6, le=1e6)] = key(
        "How many users are of this kind, in proportion to the shares of the other kinds", example=0.5
    )
    mobility: Mobility | None = key(
        "How these users move",
        allowed="a table as for users.mobility",
        default=None,
        example={"model": "static"},
    )
    max_power_w: Annotated[Real, Field(ge=SMALLEST, le=1e5)] | None = key(
        "Highest transmit power", unit="W", default=None, example=0.2
    )
    gpu: GpuCard | None = key("GPU card", default=None, example="GTX1080-fp32")
    gpu_count: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = key(
        "Number of GPUs of each user", default=None, example=1
    )
    gpu_utilisation: Annotated[Real, Field(ge=1e-6, le=1)] | None = key(
        "Share of the peak speed that training reaches", default=None, example=0.55
    )
    gpu_power: UserLaw | None = key(GPU_POWER, default=None, example="cubic")
    gpu_min: LeastSpeed | None = key(GPU_MIN, default=None, example=0.0)
    circuit_power_w: Watts | None = key(CIRCUIT.format("user"), unit="W", default=None, example=0.0)
    receive_power_w: Watts | None = key(RECEIVE.format("user"), unit="W", default=None, example=0.0)
    epochs: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = key(
        "Training epochs of the user's own share of a round", default=None, example=1
    )
    adapter_params: AdapterSize | None = key(
        "Trainable parameters of an adapter", unit="parameters", default=None, example=1.2e6
    )
    token_bits: Distribution | None = key(
        "Token data that a user trains on in one round", unit="bit", default=None, example=30e6
    )
    battery: Battery | None = key("Energy that a user carries", default=None, example={"capacity_j": 50_000})
    delay_weight: _Weight | None = key(
        "Weight of these users' delays in the objective; left out: 1", default=None, example=2.0
    )
    energy_weight: _Weight | None = key(
        "Weight of these users' energies in the objective; left out: 1", default=None, example=1.0
    )
    energy_budget_w: Budget | None = key(BUDGET, unit="W", default=None, example=2.0)
