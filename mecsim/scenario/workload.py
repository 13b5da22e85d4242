"""What users train, and when their rounds start."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, ValidationInfo, field_validator
from pydantic.types import StrictBool

from mecsim.config.base import SMALLEST, Real, Section, Whole, key, refusal
from mecsim.scenario.base_model import LanguageModel
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
WorkModel: TypeAlias = Literal["adapter", "peft", "split"]
Precision: TypeAlias = Literal["fp32", "bf16", "fp16", "int8", "int4"]


class Workload(Section):
    """The training work of a round."""

    later = frozenset(
        {"model", "tokens_per_sequence", "batch_size", "precision", "recompute", "bits_per_activation"}
    )

    rounds: Rounds = key("When rounds start", default=Continuous(), discriminator="mode")
    model: WorkModel = key(
        "What is trained where: 'adapter', the work of the adapter alone; 'peft', adapters in layers of a "
        "base model, all of which is passed through; 'split', a base model cut after a share of its layers, "
        "with activations sent up and gradients sent down",
        default="adapter",
    )
    base_model: LanguageModel | None = key(
        "The model that adapters belong to, needed by model = 'peft' and 'split'; with 'adapter' it takes "
        "memory and no time",
        default=None,
        validate_default=True,
        example="llama-7b",
    )
    tokens_per_sequence: Annotated[Whole, Field(ge=1, le=10_000_000)] = key(
        "Tokens of one training example, for the memory of activations; only with base_model", default=512
    )
    batch_size: Annotated[Whole, Field(ge=1, le=1_000_000)] = key(
        "Training examples that are on the GPUs at a time; only with base_model", default=4
    )
    precision: Precision = key("Precision of the base model's weights; only with base_model", default="bf16")
    recompute: StrictBool = key(
        "Whether activations are computed again in the backward pass, to save memory; only with base_model",
        default=False,
    )
    share_data: StrictBool | None = key(
        "Whether token data is sent to a server that trains on it; left out: not with model = 'adapter', but "
        "with 'peft', and with 'split' where the server trains everything",
        default=None,
        example=True,
    )
    bits_per_activation: Annotated[Real, Field(ge=1, le=1e4)] = key(
        "Bits that one activation or gradient takes on the radio; only with model = 'split'",
        unit="bit",
        default=16.0,
    )
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

    @property
    def sends_data(self) -> bool:
        """Whether the token data is sent to a server that needs it."""
        return self.model == "split" or (self.model == "peft" if self.share_data is None else self.share_data)

    @field_validator("base_model")
    @classmethod
    def _needed_by_the_model(cls, value: Any, info: ValidationInfo) -> Any:
        model = info.data.get("model", "adapter")
        if value is None and model != "adapter":
            raise refusal(((), f"must be given with model = '{model}', such as 'llama-7b'"))
        return value

    @field_validator("tokens_per_sequence", "batch_size", "precision", "recompute")
    @classmethod
    def _only_with_a_base_model(cls, value: Any, info: ValidationInfo) -> Any:
        default = cls.model_fields[str(info.field_name)].default
        if value != default and info.data.get("base_model", ...) is None:
            raise refusal(((), "only with base_model"))
        return value

    @field_validator("share_data")
    @classmethod
    def _split_has_to(cls, value: Any, info: ValidationInfo) -> Any:
        if value is False and info.data.get("model") == "split":
            raise refusal(
                ((), "must be true or left out with model = 'split': a server alone needs the data")
            )
        return value

    @field_validator("bits_per_activation")
    @classmethod
    def _only_with_split(cls, value: float, info: ValidationInfo) -> float:
        if value != cls.model_fields["bits_per_activation"].default and info.data.get("model") != "split":
            raise refusal(((), "only with model = 'split'"))
        return value
